//! Where a consumer is in one partition: what was handed out, what has arrived and waits, and where to fetch on.

use std::collections::VecDeque;
use std::time::Duration;

use millstream_protocol::message::list_offsets::{EARLIEST, LATEST};
use millstream_protocol::record::{Record, RecordBatch};
use millstream_protocol::{ErrorCode, TopicId};

use super::ConsumerRecord;
use super::options::AutoOffsetReset;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::fetch::{PartitionBatches, records_of};
use crate::isolation::Isolation;
use crate::reader::Start;
use crate::topic_partition::TopicPartition;

/// The pause before something is looked up again.
const LOOKUP_PAUSE: Duration = Duration::from_millis(200);

/// What has to be looked up before a partition can be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolve {
    /// Where to begin without an offset.
    Reset,
    /// Where that is.
    To(Start),
    /// Only which topic has the name now.
    Topic,
}

/// What was looked up.
#[derive(Debug)]
pub(super) struct Found {
    pub partition: TopicPartition,
    era: u64,
    outcome: Result<(TopicId, Option<i64>), Error>,
}

#[derive(Debug)]
pub(super) struct Place {
    pub partition: TopicPartition,
    pub topic_id: Option<TopicId>,
    pub is_paused: bool,
    /// When it was last moved: an answer to a question from before is of no use.
    era: u64,
    /// The offset of the next record to be handed out.
    position: Option<i64>,
    /// The offset to fetch from.
    next_fetch: Option<i64>,
    unresolved: Option<Resolve>,
    batches: VecDeque<RecordBatch>,
    /// The first batch, unpacked.
    records: VecDeque<Record>,
    /// Where reading goes on when all that has arrived was handed out; beyond the last record if markers follow it.
    arrived_to: i64,
}

impl Place {
    pub(super) fn new(partition: TopicPartition, era: u64) -> Self {
        Place {
            partition,
            topic_id: None,
            is_paused: false,
            era,
            position: None,
            next_fetch: None,
            unresolved: None,
            batches: VecDeque::new(),
            records: VecDeque::new(),
            arrived_to: 0,
        }
    }

    pub(super) fn position(&self) -> Option<i64> {
        self.position
    }

    /// Reads on from an offset.
    pub(super) fn move_to(&mut self, offset: i64, era: u64) {
        self.era = era;
        self.batches.clear();
        self.records.clear();
        (self.position, self.next_fetch, self.arrived_to) = (Some(offset), Some(offset), offset);
        self.unresolved = self.topic_id.is_none().then_some(Resolve::Topic);
    }

    /// Reads on from a place that has to be looked up.
    pub(super) fn resolve(&mut self, what: Resolve, era: u64) {
        self.era = era;
        self.batches.clear();
        self.records.clear();
        (self.position, self.next_fetch) = (None, None);
        self.unresolved = Some(what);
    }

    pub(super) fn unresolved(&self) -> Option<(TopicPartition, u64, Resolve)> {
        self.unresolved.map(|what| (self.partition.clone(), self.era, what))
    }

    pub(super) fn found(&mut self, found: Found) -> Result<(), Error> {
        if found.era != self.era {
            return Ok(());
        }
        match found.outcome {
            Ok((topic_id, offset)) => {
                self.topic_id = Some(topic_id);
                self.unresolved = None;
                if let Some(offset) = offset {
                    self.move_to(offset, found.era);
                }
                Ok(())
            }
            // It is looked up again.
            Err(error) if error.is_retriable() => Ok(()),
            // It is for the application to seek.
            Err(error) => {
                self.unresolved = None;
                Err(error)
            }
        }
    }

    /// Where to fetch on; `None` while that is not known.
    pub(super) fn fetch_offset(&self) -> Option<i64> {
        if self.unresolved.is_some() { None } else { self.next_fetch }
    }

    /// Whether there is little left to hand out.
    pub(super) fn is_short(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether the last unpacked batch is used up.
    pub(super) fn is_between_batches(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn arrived(&mut self, from: i64, fetched: Result<PartitionBatches, Error>, era: u64) -> Result<(), Error> {
        // Of a fetch from before a seek.
        if self.next_fetch != Some(from) || self.unresolved.is_some() {
            return Ok(());
        }
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(error) => match error.code() {
                Some(ErrorCode::OFFSET_OUT_OF_RANGE) => {
                    self.resolve(Resolve::Reset, era);
                    return Ok(());
                }
                // The topic was made anew, or is gone.
                Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID | ErrorCode::INCONSISTENT_TOPIC_ID) => {
                    self.topic_id = None;
                    self.unresolved = Some(Resolve::Topic);
                    return Ok(());
                }
                _ if error.is_retriable() => return Ok(()),
                _ => return Err(error),
            },
        };
        self.next_fetch = Some(fetched.next_offset);
        self.arrived_to = fetched.next_offset;
        self.batches.extend(fetched.batches);
        if self.batches.is_empty() && self.records.is_empty() {
            self.position = Some(self.arrived_to);
        }
        Ok(())
    }

    /// The next record.
    pub(super) fn take(&mut self) -> Option<Result<ConsumerRecord, Error>> {
        if self.is_paused {
            return None;
        }
        let from = self.position?;
        while self.records.is_empty() {
            let batch = self.batches.pop_front()?;
            let records = &mut self.records;
            if let Err(error) = records_of(&batch, from, |record| records.push_back(record)) {
                // Who goes on behind it has to say so, by a seek.
                self.records.clear();
                self.batches.push_front(batch);
                self.is_paused = true;
                return Some(Err(error));
            }
        }
        let record = self.records.pop_front()?;
        let is_last = self.records.is_empty() && self.batches.is_empty();
        // Behind the last record there may be markers, which nobody has to read again.
        self.position = Some(if is_last { self.arrived_to } else { record.offset + 1 });
        Some(Ok(ConsumerRecord {
            topic: self.partition.topic.clone(),
            partition: self.partition.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
        }))
    }
}

/// Looks topics and offsets up.
pub(super) async fn resolve(
    client: Client,
    reset: AutoOffsetReset,
    isolation: Isolation,
    unresolved: Vec<(TopicPartition, u64, Resolve)>,
) -> Vec<Found> {
    let mut all = Vec::with_capacity(unresolved.len());
    let mut has_failed = false;
    for (partition, era, what) in unresolved {
        let outcome = look_up(&client, reset, isolation, &partition, what).await;
        has_failed |= outcome.is_err();
        all.push(Found { partition, era, outcome });
    }
    if has_failed {
        tokio::time::sleep(LOOKUP_PAUSE).await;
    }
    all
}

async fn look_up(
    client: &Client,
    reset: AutoOffsetReset,
    isolation: Isolation,
    partition: &TopicPartition,
    what: Resolve,
) -> Result<(TopicId, Option<i64>), Error> {
    let topic = client.topic(&partition.topic).await?;
    let start = match what {
        Resolve::Topic => return Ok((topic.id, None)),
        Resolve::To(start) => start,
        Resolve::Reset => match reset {
            AutoOffsetReset::Earliest => Start::Beginning,
            AutoOffsetReset::Latest => Start::End,
            AutoOffsetReset::None => {
                let message =
                    format!("the group has no offset for {partition}, or one that is not kept any more, and is not to begin elsewhere");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        },
    };
    let index = partition.partition;
    let at = async |timestamp| -> Result<Option<i64>, Error> {
        let found = client.admin().list_offsets(&partition.topic, index..index + 1, timestamp, isolation).await?;
        Ok(found.first().copied().flatten())
    };
    let offset = match start {
        Start::Offset(offset) => offset,
        Start::Beginning => at(EARLIEST).await?.unwrap_or(0),
        Start::End => at(LATEST).await?.unwrap_or(0),
        Start::Time(time) => match at(time).await? {
            Some(offset) => offset,
            None => at(LATEST).await?.unwrap_or(0),
        },
    };
    Ok((topic.id, Some(offset)))
}
