//! Transactions as one partition sees them: markers end them, and readers of committed records read up to the last
//! stable offset and learns which producers' batches to leave out. What a transaction is, and how it ends, is decided
//! by its coordinator.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use millstream_protocol::message::describe_producers::ProducerState;
use millstream_protocol::record::Marker;

use super::error::AppendError;
use super::producers::MarkerRefused;
use super::{Acknowledged, Partition, State};
use crate::log::index::Aborted;

impl Partition {
    /// Ends a producer's transaction here. Resolves when the marker is where acknowledged records are.
    pub(crate) fn append_marker(
        self: &Arc<Self>,
        producer_id: i64,
        producer_epoch: i16,
        marker: Marker,
        now_ms: i64,
    ) -> Result<Acknowledged, AppendError> {
        let settings = self.settings();
        let mut state = self.state.lock();
        self.check_writable()?;
        match state.producers.check_marker(producer_id, producer_epoch, marker.coordinator_epoch) {
            Ok(()) => {}
            Err(MarkerRefused::Fenced) => return Err(AppendError::ProducerFenced),
            Err(MarkerRefused::CoordinatorFenced) => return Err(AppendError::CoordinatorFenced),
        }
        let batch = marker.to_batch(producer_id, producer_epoch, now_ms);
        let (_, last_offset, _) = self.place(&mut state, batch, now_ms, &settings)?;
        Ok(self.acknowledge(&mut state, last_offset, settings.is_synced_before_ack(), &settings))
    }

    /// Whether the producer's transaction has begun here.
    pub(crate) fn is_in_transaction(&self, producer_id: i64, producer_epoch: i16) -> bool {
        self.state.lock().producers.is_open(producer_id, producer_epoch)
    }

    /// The highest epoch of a coordinator that ended a transaction of the producer here; -1 before the first.
    pub(crate) fn coordinator_epoch(&self, producer_id: i64) -> i32 {
        self.state.lock().producers.coordinator_epoch(producer_id)
    }

    /// The producers whose transaction is open here, and their epochs.
    pub(crate) fn open_transactions(&self) -> Vec<(i64, i16)> {
        self.state.lock().producers.open().collect()
    }

    /// What is known of each producer.
    pub(crate) fn describe_producers(&self) -> Vec<ProducerState> {
        let state = self.state.lock();
        let describe = |(producer_id, producer): (i64, &super::producers::Producer)| ProducerState {
            producer_id,
            producer_epoch: producer.epoch.into(),
            last_sequence: producer.last_sequence(),
            last_timestamp: producer.last_timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            current_txn_start_offset: producer.open_since.unwrap_or(-1),
        };
        state.producers.all().map(describe).collect()
    }
}

impl State {
    /// Below it every transaction has ended, and everybody may read how. What an open one wrote may have been deleted.
    pub(super) fn stable_offset(&self) -> i64 {
        let ending = self.ending.iter().map(|ended| ended.first_offset).min();
        let unstable = [self.producers.first_open_offset(), ending].into_iter().flatten();
        unstable.fold(self.high_watermark, i64::min).max(self.facts.start_offset)
    }

    /// Those whose marker is not before `offset`.
    pub(super) fn aborted_from(&self, offset: i64) -> &[Aborted] {
        &self.aborted[self.aborted.partition_point(|aborted| aborted.last_offset < offset)..]
    }

    /// Those that a reader of `offset` up to `end` may meet, in the order of their first offsets.
    pub(super) fn aborted_between(&self, offset: i64, end: i64) -> Vec<Aborted> {
        let mut met = Vec::new();
        for aborted in self.aborted_from(offset) {
            if aborted.first_offset < end {
                met.push(*aborted);
            }
            if aborted.stable_offset >= end {
                break;
            }
        }
        met.sort_unstable_by_key(|aborted| aborted.first_offset);
        met
    }

    /// Of those whose marker is in a range, keeps the ones of which it is left: a reader that is told of one without a marker
    /// to end it would leave out what its producer commits later.
    pub(super) fn keep_aborted(&mut self, range: &Range<i64>, kept: &[Aborted]) {
        let place = |offset: i64| self.aborted.partition_point(|aborted| aborted.last_offset < offset);
        let (from, to) = (place(range.start), place(range.end));
        // Of some the records have gone meanwhile.
        let before: HashSet<i64> = self.aborted[from..to].iter().map(|aborted| aborted.last_offset).collect();
        let kept = kept.iter().filter(|aborted| before.contains(&aborted.last_offset)).copied();
        self.aborted.splice(from..to, kept);
    }

    /// Lets go of those whose records are gone.
    pub(super) fn forget_aborted(&mut self) {
        let gone = self.aborted.len() - self.aborted_from(self.facts.start_offset).len();
        self.aborted.drain(..gone);
    }
}
