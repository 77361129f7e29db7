//! Appending a batch: its producer, its offset, and writing it. What comes of its acknowledgement is `durability`'s.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millstream_protocol::record::RecordBatch;

use super::durability::Acknowledged;
use super::error::AppendError;
use super::producers::{Producers, Verdict};
use super::{Partition, State};
use crate::config::TopicSettings;
use crate::durable;
use crate::log::LogError;
use crate::log::batch_facts::BatchFacts;

/// What an append came to.
#[derive(Debug)]
pub(crate) struct AppendOutcome {
    pub base_offset: i64,
    pub log_append_time_ms: i64,
    pub start_offset: i64,
    /// Resolves when the batch is where the producer wants it; `None` when it is already.
    pub acknowledged: Acknowledged,
}

impl Partition {
    /// Appends a batch that passed its checks. `is_verified` says that the coordinator of its transaction knows of it.
    pub(crate) fn append(
        self: &Arc<Self>,
        batch: RecordBatch,
        acks: i16,
        now_ms: i64,
        is_verified: bool,
    ) -> Result<AppendOutcome, AppendError> {
        let settings = self.settings();
        let mut state = self.state.lock();
        self.check_writable()?;
        let (base_offset, last_offset, append_time) = match state.producers.check(&batch, is_verified) {
            Verdict::Fenced => return Err(AppendError::ProducerFenced),
            Verdict::OutOfOrder => return Err(AppendError::OutOfOrder),
            Verdict::Unverified => return Err(AppendError::NotAdded),
            Verdict::NotTransactional => return Err(AppendError::OutsideOfTransaction),
            Verdict::Duplicate(appended) => (appended.base_offset, appended.last_offset, appended.timestamp),
            Verdict::New => self.place(&mut state, batch, now_ms, &settings)?,
        };
        let wants_sync = acks == -1 && settings.is_synced_before_ack();
        let acknowledged = self.acknowledge(&mut state, last_offset, wants_sync, &settings);
        Ok(AppendOutcome { base_offset, log_append_time_ms: append_time, start_offset: state.facts.start_offset, acknowledged })
    }

    pub(super) fn check_writable(&self) -> Result<(), AppendError> {
        if self.is_failed.load(Ordering::Acquire) {
            return Err(AppendError::DiskFailed);
        }
        if self.is_deleted.load(Ordering::Acquire) {
            return Err(AppendError::BeingDeleted);
        }
        if self.is_closed.load(Ordering::Acquire) {
            return Err(AppendError::Stopping);
        }
        Ok(())
    }

    /// Gives a batch its place and writes it: its first and last offset, and its time if that is the broker's.
    pub(super) fn place(
        self: &Arc<Self>,
        state: &mut State,
        batch: RecordBatch,
        now_ms: i64,
        settings: &TopicSettings,
    ) -> Result<(i64, i64, i64), AppendError> {
        if batch.total_bytes() as u64 > settings.log.segment_bytes {
            return Err(AppendError::LargerThanSegment);
        }
        let batch = batch.stamped(state.log.next_offset(), state.leader_epoch());
        if let Err(error) = self.write(state, &batch, now_ms, settings) {
            self.write_failed(state, &error);
            return Err(AppendError::NotWritten(error));
        }
        state.is_refusing = false;
        let time = if batch.has_log_append_time() { batch.max_timestamp() } else { -1 };
        let (base, last) = (batch.base_offset(), batch.last_offset());
        if let Some(ended) = state.producers.record(&BatchFacts::from(&batch), now_ms) {
            state.aborted.extend(ended.aborted);
            state.ending.push_back(ended);
        }
        state.tail.push(batch);
        Ok((base, last, time))
    }

    fn write(self: &Arc<Self>, state: &mut State, batch: &RecordBatch, now_ms: i64, settings: &TopicSettings) -> Result<(), LogError> {
        if state.log.is_roll_due(batch.total_bytes(), now_ms, &settings.log) {
            self.roll(state)?;
        }
        state.is_closed_saved = false;
        state.log.append(batch, now_ms, &settings.log)?;
        state.durability.unflushed_records += i64::from(batch.record_count());
        state.durability.unflushed_since_ms.get_or_insert(now_ms);
        Ok(())
    }

    /// Ends the active segment. Only appends that asked for stable storage wait for the sync that seals it.
    pub(super) fn roll(self: &Arc<Self>, state: &mut State) -> Result<(), LogError> {
        // Also when there are none: without it the next start would look for them in all segments.
        let aborted = state.aborted_from(state.log.active_base()).to_vec();
        state.log.roll(durable::encode(Producers::VERSION, &state.producers), aborted)?;
        self.queue_flush(state);
        Ok(())
    }

    pub(super) fn write_failed(&self, state: &mut State, error: &LogError) {
        // Once: clients try again many times a second, for as long as there is no room.
        if !std::mem::replace(&mut state.is_refusing, true) {
            tracing::error!(topic = self.topic, partition = self.index, "append failed: {error}; said again only after one that succeeds");
        }
        self.stop_if_failed(state, error);
    }
}
