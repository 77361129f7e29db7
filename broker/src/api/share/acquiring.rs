//! Acquiring records for a member: reads each partition from the lowest record that is free, and waits while there is none.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::message::share_fetch::AcquiredRecords;
use millstream_protocol::record::{Piece, RecordBatch, Records};
use millstream_protocol::{ErrorCode, Str};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{ReadPlace, place};
use crate::api::list_offsets::first_offset_from;
use crate::api::{off_thread, read_error};
use crate::broker::Broker;
use crate::config::share::{ShareOffsetReset, ShareSettings};
use crate::limit;
use crate::log::index::Aborted;
use crate::metrics::Metrics;
use crate::partition::Partition;
use crate::partition::read::ReadOutcome;
use crate::share::keeper::settled;
use crate::share::partition::SharePartition;
use crate::share::window::{AcquireMode, Acquired, Readable, ShareLimits};

/// What a member wants.
pub(super) struct Acquiring {
    pub broker: Arc<Broker>,
    pub group: Str,
    pub owner: u32,
    pub reads: Vec<ReadPlace>,
    pub mode: AcquireMode,
    pub records_max: usize,
    pub bytes_max: usize,
    pub settings: ShareSettings,
}

/// What was found in a partition.
pub(super) type SharedFound = (ReadPlace, Result<Delivery, ErrorCode>);

/// Records that are the member's now.
#[derive(Debug)]
pub(super) struct Delivery {
    pub records: Records,
    pub acquired: Vec<AcquiredRecords>,
    count: usize,
}

/// What was read of a log.
struct ReadBatches {
    /// Those whose records may be delivered.
    batches: Vec<RecordBatch>,
    /// One past the last offset that was looked at.
    until: i64,
}

impl Acquiring {
    /// Acquires what is there, or waits for the first.
    pub(super) async fn run(&self, wait: Duration) -> Vec<SharedFound> {
        let deadline = Instant::now() + wait;
        let woken = Arc::new(Notify::new());
        let mut is_waiting = false;
        loop {
            let found = self.acquire_all().await;
            if !found.is_empty() || self.reads.is_empty() || Instant::now() >= deadline {
                return found;
            }
            if !is_waiting {
                // Something may have come since the look: another one follows, and then the wait.
                self.wait(&woken);
                is_waiting = true;
                continue;
            }
            let until = self.next_wake_ms().map_or(deadline, |ms| deadline.min(Instant::now() + Duration::from_millis(ms)));
            // Time being up is no error: the loop looks once more.
            let _ = tokio::time::timeout_at(until, woken.notified()).await;
            is_waiting = false;
        }
    }

    fn wait(&self, woken: &Arc<Notify>) {
        for read in &self.reads {
            if let Some(log) = self.log(*read) {
                log.wait(woken);
            }
            if let Some(partition) = self.broker.shares.get(&place(&self.group, *read)) {
                partition.wait(woken);
            }
        }
    }

    /// In how many ms a lock or a delay ends.
    fn next_wake_ms(&self) -> Option<u64> {
        let now_ms = self.broker.clock.monotonic_ms();
        let wakes = self.reads.iter().filter_map(|read| self.broker.shares.get(&place(&self.group, *read))?.next_wake_ms());
        wakes.min().map(|ms| (ms - now_ms).max(1) as u64)
    }

    fn log(&self, (topic, partition): ReadPlace) -> Option<Arc<Partition>> {
        self.broker.catalog.get_by_id(topic)?.partition(partition)
    }

    async fn acquire_all(&self) -> Vec<SharedFound> {
        let mut found = Vec::new();
        let (mut records_left, mut bytes_left) = (self.records_max, self.bytes_max);
        for read in &self.reads {
            if records_left == 0 || bytes_left == 0 {
                break;
            }
            match self.acquire(*read, records_left, bytes_left).await {
                Ok(None) => {}
                Ok(Some(delivery)) => {
                    records_left = records_left.saturating_sub(delivery.count);
                    bytes_left = bytes_left.saturating_sub(delivery.records.len());
                    found.push((*read, Ok(delivery)));
                }
                Err(code) => found.push((*read, Err(code))),
            }
        }
        found
    }

    async fn acquire(&self, read: ReadPlace, records_max: usize, bytes_max: usize) -> Result<Option<Delivery>, ErrorCode> {
        let topic = self.broker.catalog.get_by_id(read.0).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
        let log = topic.partition(read.1).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let (partition, limits) = (self.begin(read, &log).await?, ShareLimits::of(&self.settings));
        let from = partition.next_offset(&limits, self.broker.clock.monotonic_ms());
        let Some(taken) = self.take(&log, from, bytes_max.min(limit::READ_BYTES_MAX)).await? else { return Ok(None) };
        Ok(self.lock(&partition, from, taken, records_max, &limits))
    }

    /// Locks what was read for the member, as far as it is still free.
    fn lock(
        &self,
        partition: &Arc<SharePartition>,
        from: i64,
        taken: ReadBatches,
        records_max: usize,
        limits: &ShareLimits,
    ) -> Option<Delivery> {
        let ranges: Vec<RangeInclusive<i64>> = taken.batches.iter().map(|batch| batch.base_offset()..=batch.last_offset()).collect();
        let readable = Readable { from, until: taken.until, batches: &ranges };
        let now_ms = self.broker.clock.monotonic_ms();
        let acquisition = partition.acquire(self.owner, &readable, (self.mode, records_max), limits, now_ms);
        if acquisition.change.is_dirty {
            // Nobody is promised that.
            drop(self.broker.shares.keeper.keep([partition.clone()]));
        }
        if acquisition.acquired.is_empty() {
            return None;
        }
        let again = acquisition.acquired.iter().filter(|acquired| acquired.delivery_count > 1);
        Metrics::add(&self.broker.metrics.share_redelivered, again.map(|acquired| (acquired.last - acquired.first + 1) as u64).sum());
        Metrics::add(&self.broker.metrics.share_delivered, acquisition.records as u64);
        let is_acquired = |batch: &RecordBatch| {
            let after = acquisition.acquired.partition_point(|acquired| acquired.last < batch.base_offset());
            acquisition.acquired.get(after).is_some_and(|acquired| acquired.first <= batch.last_offset())
        };
        let batches = taken.batches.into_iter().filter(is_acquired).map(Piece::Batch).collect();
        let acquired = acquisition.acquired.iter().map(told).collect();
        Some(Delivery { records: Records::from_pieces(batches), acquired, count: acquisition.records })
    }

    /// The share partition. One that is new begins where the group's properties say, and not before that is durable.
    async fn begin(&self, read: ReadPlace, log: &Arc<Partition>) -> Result<Arc<SharePartition>, ErrorCode> {
        let place = place(&self.group, read);
        if let Some(partition) = self.broker.shares.get(&place) {
            return Ok(partition);
        }
        let positions = log.positions();
        let end = if self.settings.is_read_committed { positions.stable_offset } else { positions.high_watermark };
        let start = match self.settings.offset_reset {
            ShareOffsetReset::Latest => end,
            ShareOffsetReset::Earliest => positions.start_offset,
            ShareOffsetReset::ByDuration(ms) => first_offset_from(&self.broker, log, self.broker.clock.now_ms() - ms).await?.unwrap_or(end),
        };
        let (partition, kept) = self.broker.shares.get_or_begin(&place, log.clone(), start);
        if let Some(kept) = kept {
            settled(kept).await.map_err(|error| error.code())?;
        }
        Ok(partition)
    }

    /// Reads batches; `None` if there are none yet.
    async fn take(&self, log: &Arc<Partition>, from: i64, bytes_max: usize) -> Result<Option<ReadBatches>, ErrorCode> {
        let mut from = from;
        loop {
            // Records below were removed meanwhile: the next look begins behind them.
            let Ok(read) = log.read(from, bytes_max, self.settings.is_read_committed) else { return Ok(None) };
            let (batches, behind, end) = match read.outcome {
                None => return Ok(None),
                Some(ReadOutcome::Batches(batches)) => (batches, None, read.end),
                Some(ReadOutcome::Cold { plan, end, behind }) => {
                    let batches = off_thread(move || plan.read(bytes_max)).await?.map_err(|error| read_error(&self.broker, &error))?;
                    (batches, behind, end)
                }
            };
            let batches: Vec<RecordBatch> = batches.into_iter().filter(|batch| batch.base_offset() < end).collect();
            match (batches.last(), behind) {
                (Some(last), _) => {
                    let until = last.last_offset() + 1;
                    let batches = batches.into_iter().filter(|batch| is_delivered(batch, &read.aborted)).collect();
                    return Ok(Some(ReadBatches { batches, until }));
                }
                (None, Some(behind)) if behind < end => from = behind,
                (None, _) => return Ok(None),
            }
        }
    }
}

/// Whether members get a batch: no markers, and nothing of a transaction that was aborted.
fn is_delivered(batch: &RecordBatch, aborted: &[Aborted]) -> bool {
    let is_of = |aborted: &Aborted| {
        aborted.producer_id == batch.producer_id() && (aborted.first_offset..=aborted.last_offset).contains(&batch.base_offset())
    };
    let was_aborted = batch.is_transactional() && aborted.iter().any(is_of);
    !batch.is_control() && !was_aborted
}

fn told(acquired: &Acquired) -> AcquiredRecords {
    AcquiredRecords { first_offset: acquired.first, last_offset: acquired.last, delivery_count: acquired.delivery_count as i16 }
}
