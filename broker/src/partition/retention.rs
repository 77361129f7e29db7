//! Where a log begins: DeleteRecords and retention raise its first offset, and segments that hold nothing else go.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millstream_protocol::ErrorCode;

use super::{Partition, State};
use crate::config::TopicSettings;
use crate::log::LogError;
use crate::log::segment::Segment;

impl Partition {
    /// Raises the first offset that is kept, durably, and removes segments that hold nothing else.
    pub(crate) fn delete_records(&self, before: i64) -> Result<i64, ErrorCode> {
        let mut state = self.state.lock();
        let before = if before == -1 { state.high_watermark } else { before };
        if before < 0 || before > state.high_watermark {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        let raised = self.raise_start(&mut state, before);
        raised.map_err(|error| self.refuse_write(&mut state, &error).code)?;
        Ok(state.facts.start_offset)
    }

    /// What has to be done from time to time: quiet producers, segments that are too old or too much.
    pub(crate) fn tend(self: &Arc<Self>, now_ms: i64, producer_expiration_ms: i64) -> Result<(), LogError> {
        let settings = self.settings();
        let mut state = self.state.lock();
        state.producers.expire(now_ms.saturating_sub(producer_expiration_ms));
        if !settings.is_deleted_by_age || self.is_failed.load(Ordering::Acquire) || self.is_deleted.load(Ordering::Acquire) {
            return Ok(());
        }
        let retained = self.retain(&mut state, &settings, now_ms);
        retained.inspect_err(|error| self.stop_if_failed(&mut state, error))
    }

    fn retain(self: &Arc<Self>, state: &mut State, settings: &TopicSettings, now_ms: i64) -> Result<(), LogError> {
        let kept_from_ms = now_ms.saturating_sub(settings.retention_ms);
        let is_old =
            |segment: &Segment| settings.retention_ms >= 0 && segment.newest_ms().is_some_and(|newest_ms| newest_ms < kept_from_ms);
        if state.log.segments().next_back().is_some_and(|active| active.bytes() > 0 && is_old(active)) {
            // On a full disk it cannot end; older segments can still go.
            match self.roll(state) {
                Err(error @ LogError::NoRoom { .. }) => tracing::warn!("a segment cannot end: {error}"),
                other => other?,
            }
        }
        let mut start = state.facts.start_offset;
        let mut bytes = state.log.bytes() as i64;
        for segment in state.log.sealed() {
            let is_surplus = settings.retention_bytes >= 0 && bytes - segment.bytes() as i64 >= settings.retention_bytes;
            // Of one that compaction has emptied there is nothing to keep.
            let is_gone = segment.bytes() == 0 || is_surplus || is_old(segment);
            // The log must not begin behind what is on stable storage.
            let is_settled = !segment.is_sealing() && segment.next_offset() <= state.high_watermark;
            if !is_settled || !segment.has_whole_index() || !is_gone {
                break;
            }
            bytes -= segment.bytes() as i64;
            start = start.max(segment.next_offset());
        }
        self.raise_start(state, start)
    }

    fn raise_start(&self, state: &mut State, start_offset: i64) -> Result<(), LogError> {
        let before = state.facts.start_offset;
        let start_offset = start_offset.max(before);
        let is_gone = |segment: &&Arc<Segment>| segment.next_offset() <= start_offset && !segment.is_sealing();
        let gone = if state.is_compacting { 0 } else { state.log.sealed().iter().take_while(is_gone).count() };
        if start_offset > before {
            state.facts.start_offset = start_offset;
            let saved = match self.save_facts(state) {
                // On a full disk the segments go first: opening takes the first offset that it finds.
                Err(LogError::NoRoom { .. }) if gone > 0 => {
                    state.log.remove_front(gone)?;
                    return self.save_facts(state);
                }
                other => other,
            };
            if let Err(error) = saved {
                state.facts.start_offset = before;
                return Err(error);
            }
        }
        state.forget_aborted();
        state.log.remove_front(gone)
    }
}
