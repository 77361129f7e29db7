//! Where a log begins: DeleteRecords and retention raise its first offset, and segments that hold nothing else go.

use std::sync::Arc;

use super::error::{DeleteRecordsError, OffsetOutOfRange};
use super::facts::Facts;
use super::{Partition, State};
use crate::config::TopicSettings;
use crate::log::LogError;
use crate::log::segment::Segment;

impl Partition {
    /// Raises the first offset that is kept, durably, and removes segments that hold nothing else.
    pub(crate) fn delete_records(&self, before: i64) -> Result<i64, DeleteRecordsError> {
        let high_watermark = self.state.lock().high_watermark;
        let before = if before == -1 { high_watermark } else { before };
        if before < 0 || before > high_watermark {
            return Err(OffsetOutOfRange.into());
        }
        self.raise_start(before).map_err(|error| {
            self.write_failed(&mut self.state.lock(), &error);
            DeleteRecordsError::DiskFailed(error)
        })
    }

    /// What has to be done from time to time: quiet producers, segments that are too old or too much.
    pub(crate) fn tend(self: &Arc<Self>, now_ms: i64, producer_expiration_ms: i64) -> Result<(), LogError> {
        let settings = self.settings();
        self.state.lock().producers.expire(now_ms.saturating_sub(producer_expiration_ms));
        if !settings.is_deleted_by_age || self.is_over() {
            return Ok(());
        }
        self.load_indexes();
        let retained = self.retained_from(&settings, now_ms).and_then(|start| self.raise_start(start));
        retained.map(drop).inspect_err(|error| self.stop_if_failed(&mut self.state.lock(), error))
    }

    /// Has the indexes of sealed segments in memory: decisions under the lock must not read the disk.
    pub(super) fn load_indexes(&self) {
        let sealed = self.state.lock().log.sealed().to_vec();
        for segment in sealed {
            if let Err(error) = segment.index() {
                tracing::warn!(topic = self.topic, partition = self.index, "an index cannot be rebuilt now: {error}");
            }
        }
    }

    /// The first offset that is to be kept, by age and size.
    fn retained_from(self: &Arc<Self>, settings: &TopicSettings, now_ms: i64) -> Result<i64, LogError> {
        let mut state = self.state.lock();
        let kept_from_ms = now_ms.saturating_sub(settings.retention_ms);
        let is_old =
            |segment: &Segment| settings.retention_ms >= 0 && segment.newest_ms().is_some_and(|newest_ms| newest_ms < kept_from_ms);
        if state.log.segments().next_back().is_some_and(|active| active.bytes() > 0 && is_old(active)) {
            // On a full disk it cannot end; older segments can still go.
            match self.roll(&mut state) {
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
        Ok(start)
    }

    /// Makes the log begin at an offset, if it does not begin later: saved first, then told, then removed, and neither saving nor
    /// removing happens under the lock that appends need. Says where it begins.
    fn raise_start(&self, start_offset: i64) -> Result<i64, LogError> {
        let saving = self.saving();
        let (facts, is_raised, has_gone) = {
            let state = self.state.lock();
            let start_offset = start_offset.max(state.facts.start_offset);
            let facts = Facts { start_offset, ..state.facts.clone() };
            (facts, start_offset > state.facts.start_offset, state.gone_before(start_offset) > 0)
        };
        let saved = if is_raised { self.write_facts(&facts, &saving) } else { Ok(()) };
        let is_full = matches!(&saved, Err(LogError::NoRoom { .. }) if has_gone);
        if !is_full {
            saved?;
        }
        let gone = {
            let mut state = self.state.lock();
            state.facts.start_offset = facts.start_offset;
            state.forget_aborted();
            let count = state.gone_before(facts.start_offset);
            state.log.take_front(count)
        };
        gone.iter().try_for_each(|segment| segment.remove(&*self.disk))?;
        if is_full {
            // On a full disk the segments go first: opening takes the first offset that it finds.
            self.write_facts(&facts, &saving)?;
        }
        Ok(facts.start_offset)
    }
}

impl State {
    /// How many segments hold nothing from an offset on. None may be removed while compaction or a sync has it.
    fn gone_before(&self, start_offset: i64) -> usize {
        let is_gone = |segment: &&Arc<Segment>| segment.next_offset() <= start_offset && !segment.is_sealing();
        if self.is_compacting { 0 } else { self.log.sealed().iter().take_while(is_gone).count() }
    }
}
