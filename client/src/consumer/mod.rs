//! The consumer: a member of a group, and a stream of the records of the partitions that the group gives it.
//!
//! Two halves. The **member** ([`member`], a task) speaks with the group: it joins, shows that it lives, and learns which partitions
//! it has. The **reader** ([`Consumer`] itself, in [`read`], driven by the caller) fetches and hands records out. They talk
//! through a channel of [`Event`]s, and the reader takes an event only when it is asked for the next record: what was delivered
//! before is done by then, so its place can be committed before a partition goes to somebody else.

mod assignor;
mod commit;
mod in_flight;
mod listener;
mod lookup;
mod member;
mod options;
mod place;
mod read;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millstream_protocol::Str;
use millstream_protocol::record::Header;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior};

use crate::client::{Client, CoordinatorKind};
use crate::error::{Error, ErrorKind};
use crate::fetch::Answered;
use crate::limit;
use crate::reader::Start;
use crate::topic_partition::TopicPartition;
pub use assignor::Assignor;
pub use commit::{Commits, GroupMetadata, OffsetAndMetadata};
use commit::{Membership, PATIENCE};
use in_flight::InFlight;
pub use listener::RebalanceListener;
use lookup::{Found, Resolve};
pub use options::{AutoOffsetReset, ConsumerBuilder, GroupProtocol};
use place::Place;

/// A record of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Its topic.
    pub topic: Str,
    /// Its partition.
    pub partition: i32,
    /// Its offset in the partition.
    pub offset: i64,
    /// Its timestamp, ms since 1970.
    pub timestamp: i64,
    /// Its key, or null.
    pub key: Option<Bytes>,
    /// Its value, or null.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
}

/// What the member tells the reader.
#[derive(Debug)]
enum Event {
    /// Read these from these offsets on.
    Assigned(Vec<(TopicPartition, i64)>),
    /// Stop reading these, and say how far their records were delivered.
    Revoked(BTreeSet<TopicPartition>, oneshot::Sender<Vec<(TopicPartition, i64)>>),
    /// Stop reading these: the group has forgotten this member, which is another incarnation from now on.
    Lost(BTreeSet<TopicPartition>, u64),
    /// The group does not take this member.
    Failed(Error),
}

/// What both halves look at.
#[derive(Debug)]
struct Shared {
    options: ConsumerBuilder,
    /// The member's own connection: the broker holds answers back while a group gathers.
    coordinator: Client,
    membership: Arc<Mutex<Membership>>,
    asked: member::Asked,
}

impl Shared {
    fn commits(&self, incarnation: u64, patience: Duration) -> Commits {
        Commits { client: self.options.client.clone(), membership: self.membership.clone(), incarnation, patience }
    }
}

/// Reads as a member of a group. It is a [`Stream`](futures::Stream) of records; `next` of [`futures::StreamExt`] may be cancelled at any time.
///
/// Dropping it leaves the group without a commit; [`Consumer::close`] commits first.
#[derive(Debug)]
pub struct Consumer {
    shared: Arc<Shared>,
    /// The reader's own connection: the broker holds answers back while there is nothing to read.
    fetching: Client,
    events: mpsc::Receiver<Event>,
    leave: mpsc::Sender<oneshot::Sender<Result<(), Error>>>,
    places: Vec<Place>,
    /// The place that is being delivered.
    turn: usize,
    /// Counts what makes an answer under way useless: an assignment, a seek.
    era: u64,
    /// As which member the partitions are read.
    incarnation: u64,
    fetch: InFlight<Result<Vec<Answered>, Error>>,
    resolving: InFlight<Vec<Found>>,
    auto_commit: Option<Interval>,
    /// Whether there is something to fetch.
    is_short: bool,
    has_failed: bool,
}

/// A commit on its way.
#[derive(Debug)]
pub struct Committing(oneshot::Receiver<Result<(), Error>>);

impl Committing {
    /// Waits for the broker's word.
    ///
    /// # Errors
    /// When the partitions belong to another member by now, or the broker refuses. It was not tried again: a later commit may be
    /// under way already.
    pub async fn committed(self) -> Result<(), Error> {
        self.0.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Disconnected, "the runtime ended before the commit")))
    }
}

impl Consumer {
    async fn start(options: ConsumerBuilder) -> Result<Self, Error> {
        options.client.find_coordinator(CoordinatorKind::Group, &options.group_id).await?;
        let (coordinator, fetching) = (options.client.apart().await?, options.client.apart().await?);
        let identity =
            GroupMetadata { instance_id: options.instance_id.clone(), ..GroupMetadata::without_members(options.group_id.clone()) };
        let membership = Arc::new(Mutex::new(Membership::new(identity)));
        let auto_commit = options.auto_commit.map(|every| {
            let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + every, every.max(Duration::from_millis(1)));
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        let shared = Arc::new(Shared { options, coordinator, membership, asked: member::Asked::new() });
        let (sender, events) = mpsc::channel(limit::WAITING_EVENTS_MAX);
        let (leave, leaving) = mpsc::channel(1);
        member::start(shared.clone(), sender, leaving);
        Ok(Consumer {
            shared,
            fetching,
            events,
            leave,
            places: Vec::new(),
            turn: 0,
            era: 0,
            incarnation: 0,
            fetch: InFlight::none(),
            resolving: InFlight::none(),
            auto_commit,
            is_short: false,
            has_failed: false,
        })
    }

    /// The partitions that it reads.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.places.iter().map(|place| place.partition.clone()).collect()
    }

    /// The offset of the next record that it delivers of a partition; `None` if it does not have the partition, or does not know yet
    /// where to begin.
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.places.iter().find(|place| place.partition == *partition)?.position()
    }

    /// Delivers no records of these partitions until they are resumed. They stay this member's.
    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        self.set_paused(partitions, true);
    }

    /// Delivers records of these partitions again.
    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        self.set_paused(partitions, false);
    }

    fn set_paused(&mut self, partitions: &[TopicPartition], is_paused: bool) {
        for place in self.places.iter_mut().filter(|place| partitions.contains(&place.partition)) {
            place.is_paused = is_paused;
        }
    }

    /// Reads a partition on from another place.
    ///
    /// # Errors
    /// When the partition is not this member's.
    pub fn seek(&mut self, partition: &TopicPartition, to: Start) -> Result<(), Error> {
        self.era += 1;
        let era = self.era;
        let place = self.places.iter_mut().find(|place| place.partition == *partition);
        let place = place.ok_or_else(|| Error::new(ErrorKind::InvalidInput, format!("{partition} is not assigned to this consumer")))?;
        match to {
            Start::Offset(offset) => place.move_to(offset, era),
            to => place.resolve(Resolve::To(to), era),
        }
        Ok(())
    }

    /// Its identity in its group, for [`Transaction::send_offsets_to_transaction`](crate::Transaction::send_offsets_to_transaction).
    pub fn group_metadata(&self) -> GroupMetadata {
        self.shared.membership.lock().of(self.incarnation)
    }

    /// For each partition the offset behind the last record that was delivered.
    pub fn positions(&self) -> Vec<(TopicPartition, i64)> {
        self.places.iter().filter_map(|place| Some((place.partition.clone(), place.position()?))).collect()
    }

    /// Commits the places of all records that were delivered, and waits for the broker's word; tries again while it may come round.
    ///
    /// # Errors
    /// When partitions belong to another member by now, or the broker refuses.
    pub async fn commit(&self) -> Result<(), Error> {
        self.commits().commit(&self.positions()).await
    }

    /// Commits offsets of one's own choice: for each partition the next offset to be read.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_offsets(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), Error> {
        self.commits().commit(offsets).await
    }

    fn commits(&self) -> Commits {
        self.shared.commits(self.incarnation, PATIENCE)
    }

    /// Commits the places of all records that were delivered, once, without waiting. The request is on its way when this returns: what
    /// is committed afterwards arrives afterwards.
    pub fn commit_async(&self) -> Committing {
        let committing = self.commits().commit_once(&self.positions());
        let (reply, committed) = oneshot::channel();
        tokio::spawn(async move {
            // Whether somebody waits is their affair.
            let _ = reply.send(committing.await);
        });
        Committing(committed)
    }

    /// Commits if it does so by itself, gives its partitions up and leaves the group. A member with a lasting name stays in it for the
    /// session timeout.
    ///
    /// # Errors
    /// When the last commit failed or the broker could not be told; the partitions are given up all the same, at the latest with the
    /// session timeout.
    pub async fn close(mut self) -> Result<(), Error> {
        let committed = match self.shared.options.auto_commit {
            Some(_) if !self.places.is_empty() => self.commit().await,
            _ => Ok(()),
        };
        // Nobody looks at events any more, and nobody is to wait for that.
        self.events.close();
        let (reply, left) = oneshot::channel();
        let left = match self.leave.send(reply).await {
            Ok(()) => left.await.unwrap_or(Ok(())),
            // The member ended before, and said why.
            Err(_) => Ok(()),
        };
        committed.and(left)
    }

    fn handle(&mut self, event: Event) -> Result<(), Error> {
        self.era += 1;
        match event {
            Event::Assigned(partitions) => {
                let era = self.era;
                for (partition, offset) in partitions {
                    self.places.retain(|place| place.partition != partition);
                    let mut place = Place::new(partition, era);
                    match offset {
                        offset if offset >= 0 => place.move_to(offset, era),
                        _ => place.resolve(Resolve::Reset, era),
                    }
                    self.places.push(place);
                }
            }
            Event::Revoked(partitions, reply) => {
                let positions = self.positions().into_iter().filter(|(partition, _)| partitions.contains(partition));
                // The member does not wait any more when it left meanwhile.
                let _ = reply.send(positions.collect());
                self.places.retain(|place| !partitions.contains(&place.partition));
            }
            Event::Lost(partitions, incarnation) => {
                self.incarnation = incarnation;
                self.places.retain(|place| !partitions.contains(&place.partition));
            }
            Event::Failed(error) => {
                self.has_failed = true;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Commits what is done, without waiting; the listener is told when that fails.
    fn commit_behind(&self) {
        let positions = self.positions();
        if positions.is_empty() {
            return;
        }
        // Only the wait is spawned: the request itself must not come behind the commit of a later revoke.
        let (committing, listener) = (self.commits().commit_once(&positions), self.shared.options.listener.clone());
        tokio::spawn(async move {
            if let Err(error) = committing.await {
                listener.commit_failed(&error);
            }
        });
    }
}
