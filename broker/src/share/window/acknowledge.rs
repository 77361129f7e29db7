//! A member says what became of records that it holds. All that it says in one call happens, or nothing.

use std::ops::ControlFlow;

use thiserror::Error;

use super::chunk::Among;
use super::slot::{ArchiveReason, RecordState};
use super::{ShareLimits, ShareWindow, WindowChange};

/// What became of a range of records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AcknowledgeRange<'a> {
    pub first: i64,
    pub last: i64,
    /// Kafka's numbers: 0 gap, 1 accept, 2 release, 3 reject, 4 renew. One for all, or one for each offset.
    pub types: &'a [i8],
    /// What is released is not delivered again before this has passed.
    pub delay_ms: i64,
}

/// Why nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum AcknowledgeError {
    /// The ranges or types make no sense, or offsets were never acquired.
    #[error("acknowledgements are not in order, of unknown types or beyond what was acquired")]
    Invalid,
    /// Some record is not locked by the member, or not any more.
    #[error("a record is not held by the member")]
    NotHeld,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AcknowledgeType {
    Gap,
    Accept,
    Release,
    Reject,
    Renew,
}

impl AcknowledgeType {
    fn of(number: i8) -> Option<Self> {
        [Self::Gap, Self::Accept, Self::Release, Self::Reject, Self::Renew].get(usize::try_from(number).ok()?).copied()
    }
}

impl ShareWindow {
    /// Changes records that a member holds. Offsets below the start are ignored.
    pub(crate) fn acknowledge(
        &mut self,
        owner: u32,
        ranges: &[AcknowledgeRange<'_>],
        limits: &ShareLimits,
        now_ms: i64,
    ) -> Result<WindowChange, AcknowledgeError> {
        self.check_form(ranges)?;
        // As in Kafka 4.3: a range that begins with the last offset of the one before says of a record what is decided by then.
        let is_twice = ranges.windows(2).any(|pair| pair[0].last == pair[1].first && pair[1].first >= self.start);
        if is_twice || !ranges.iter().all(|range| self.holds(owner, range, now_ms)) {
            return Err(AcknowledgeError::NotHeld);
        }
        let mut change = WindowChange::default();
        for range in ranges {
            self.apply(range, limits, now_ms, &mut change);
        }
        self.settle();
        Ok(change)
    }

    fn check_form(&self, ranges: &[AcknowledgeRange<'_>]) -> Result<(), AcknowledgeError> {
        let mut previous = None;
        for range in ranges {
            let is_in_order = range.first <= range.last && previous.is_none_or(|previous| previous <= range.first);
            let has_types = range.types.len() == 1 || range.last.checked_sub(range.first) == Some(range.types.len() as i64 - 1);
            let are_known = range.types.iter().all(|number| AcknowledgeType::of(*number).is_some());
            if !is_in_order || !has_types || !are_known || range.last >= self.end {
                return Err(AcknowledgeError::Invalid);
            }
            previous = Some(range.last);
        }
        Ok(())
    }

    /// Whether the member holds every record of a range.
    fn holds(&self, owner: u32, range: &AcknowledgeRange<'_>, now_ms: i64) -> bool {
        let mut expected = range.first.max(self.start);
        for (offset, slot) in self.chunks.slots(expected..=range.last) {
            if offset != expected || !slot.is_held_by(owner, now_ms) {
                return false;
            }
            expected += 1;
        }
        expected > range.last
    }

    fn apply(&mut self, range: &AcknowledgeRange<'_>, limits: &ShareLimits, now_ms: i64, change: &mut WindowChange) {
        let mut first = range.first;
        for alike in range.types.chunk_by(|before, next| before == next) {
            let last = if range.types.len() == 1 { range.last } else { first + alike.len() as i64 - 1 };
            let times = Times {
                lock_ms: now_ms.saturating_add(limits.lock_ms),
                not_before_ms: (range.delay_ms > 0).then(|| now_ms.saturating_add(range.delay_ms)),
            };
            if let Some(to) = alike.first().and_then(|number| AcknowledgeType::of(*number))
                && last >= self.start
            {
                self.apply_one(first.max(self.start), last, to, &times, limits, change);
            }
            first = last + 1;
        }
    }

    /// Does one thing to a range of records that were checked.
    fn apply_one(&mut self, first: i64, last: i64, to: AcknowledgeType, times: &Times, limits: &ShareLimits, change: &mut WindowChange) {
        let stored = &mut self.stored;
        self.chunks.change(first..=last, Among::Acquired, |offset, slot| {
            match to {
                AcknowledgeType::Gap => slot.become_state(RecordState::Archived),
                AcknowledgeType::Accept => slot.become_state(RecordState::Acknowledged),
                AcknowledgeType::Release => slot.give_back(limits, times.not_before_ms),
                AcknowledgeType::Reject => slot.become_state(limits.given_up(ArchiveReason::Rejected)),
                AcknowledgeType::Renew => {
                    slot.time_ms = times.lock_ms;
                    return ControlFlow::Continue(());
                }
            }
            stored.mark_dirty(offset);
            change.note(offset, slot);
            ControlFlow::Continue(())
        });
        match (to, times.not_before_ms) {
            (AcknowledgeType::Renew, _) => self.locks.push(times.lock_ms, first, last),
            (AcknowledgeType::Release, Some(not_before_ms)) => self.delays.push(not_before_ms, first, last),
            _ => {}
        }
    }
}

/// The times that records may get.
struct Times {
    lock_ms: i64,
    not_before_ms: Option<i64>,
}
