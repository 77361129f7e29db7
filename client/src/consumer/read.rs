//! The half of a consumer that reads: it fetches what is missing, looks offsets up where that is needed, and hands records out, the
//! partitions in turn.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{FutureExt, Stream};

use super::lookup::look_up;
use super::place::Place;
use super::{Consumer, ConsumerRecord};
use crate::error::Error;
use crate::fetch::{Answered, FetchOptions, Wanted, fetch};

/// The pause after a fetch that failed.
const FETCH_PAUSE: Duration = Duration::from_millis(100);
/// How long a fetch may wait while the place of another partition is being looked up.
const LOOKUP_WAIT: Duration = Duration::from_millis(20);

impl Consumer {
    /// The next record that is here already.
    fn take(&mut self) -> Option<Result<ConsumerRecord, Error>> {
        for _ in 0..self.places.len() {
            self.turn %= self.places.len();
            let place = &mut self.places[self.turn];
            let was_short = place.is_short();
            match place.take() {
                Some(record) => {
                    self.is_short |= place.is_short() && !was_short;
                    // A partition with much to read must not keep the others waiting.
                    self.turn += usize::from(place.is_between_batches());
                    return Some(record);
                }
                None => self.turn += 1,
            }
        }
        None
    }

    /// Begins to fetch what is missing.
    fn begin_fetch(&mut self) {
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut wait = self.shared.options.fetch_wait;
        for place in self.places.iter().filter(|place| !place.is_paused) {
            // Other partitions' requests must not find the connection busy with waiting.
            if !place.is_short() {
                wait = Duration::ZERO;
                continue;
            }
            let (Some(offset), Some(id)) = (place.fetch_offset(), place.topic_id) else {
                wait = wait.min(LOOKUP_WAIT);
                continue;
            };
            let partition = (place.partition.partition, offset);
            match wanted.iter_mut().find(|wanted| wanted.topic == place.partition.topic) {
                Some(wanted) => wanted.partitions.push(partition),
                None => wanted.push(Wanted { topic: place.partition.topic.clone(), id, partitions: vec![partition] }),
            }
        }
        if wanted.is_empty() {
            return;
        }
        let options = &self.shared.options;
        let options = FetchOptions {
            wait,
            min_bytes: options.fetch_bytes_min,
            bytes_max: options.fetch_bytes_max,
            partition_bytes_max: options.partition_bytes_max,
            isolation: options.isolation,
        };
        let client = self.fetching.clone();
        let fetching = async move {
            let answered = fetch(&client, options, &wanted).await;
            let has_failed = answered.as_ref().map_or(true, |all| all.iter().any(|answered| answered.fetched.is_err()));
            if has_failed {
                tokio::time::sleep(FETCH_PAUSE).await;
            }
            answered
        };
        self.fetch.begin(fetching.boxed());
    }

    fn fetched(&mut self, answered: Result<Vec<Answered>, Error>) -> Result<(), Error> {
        let answered = match answered {
            Ok(answered) => answered,
            Err(error) if error.is_retriable() => return Ok(()),
            Err(error) => return Err(error),
        };
        self.era += 1;
        let (era, mut result) = (self.era, Ok(()));
        for Answered { topic, partition, from, fetched } in answered {
            let place = self.places.iter_mut().find(|place| place.partition.partition == partition && place.partition.topic == topic);
            let Some(place) = place else { continue };
            if let Err(error) = place.arrived(from, fetched, era) {
                result = Err(error);
            }
        }
        result
    }

    /// Begins to look offsets and topics up where that is needed.
    fn begin_resolving(&mut self) {
        let unresolved: Vec<_> = self.places.iter().filter_map(Place::unresolved).collect();
        if !unresolved.is_empty() {
            let (client, options) = (self.shared.options.client.clone(), self.shared.options.clone());
            self.resolving.begin(look_up(client, options.reset, options.isolation, unresolved).boxed());
        }
    }

    fn poll_record(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<ConsumerRecord, Error>>> {
        if self.has_failed {
            return Poll::Ready(None);
        }
        while let Poll::Ready(event) = self.events.poll_recv(context) {
            match event.map(|event| self.handle(event)) {
                Some(Ok(())) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        if self.auto_commit.as_mut().is_some_and(|interval| interval.poll_tick(context).is_ready()) {
            self.commit_behind();
            // To be woken by the next tick.
            context.waker().wake_by_ref();
        }
        if !std::mem::take(&mut self.is_short)
            && let Some(record) = self.take()
        {
            return Poll::Ready(Some(record));
        }
        loop {
            if self.resolving.is_at_rest() {
                self.begin_resolving();
            }
            if let Poll::Ready(found) = self.resolving.poll(context) {
                for found in found {
                    if let Some(place) = self.places.iter_mut().find(|place| place.partition == found.partition)
                        && let Err(error) = place.found(found)
                    {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                continue;
            }
            if self.fetch.is_at_rest() {
                self.begin_fetch();
            }
            // A fetch under way goes on while records are delivered.
            if let Poll::Ready(answered) = self.fetch.poll(context) {
                if let Err(error) = self.fetched(answered) {
                    return Poll::Ready(Some(Err(error)));
                }
                if let Some(record) = self.take() {
                    return Poll::Ready(Some(record));
                }
                continue;
            }
            return self.take().map_or(Poll::Pending, |record| Poll::Ready(Some(record)));
        }
    }
}

impl Stream for Consumer {
    type Item = Result<ConsumerRecord, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.shared.asked.now();
        let polled = this.poll_record(context);
        this.shared.asked.answered(polled.is_ready(), context.waker());
        polled
    }
}
