//! Records leave their members without an acknowledgement: locks end, members go, the log or an administrator moves on.

use std::ops::{ControlFlow, RangeInclusive};

use super::chunk::Among;
use super::slot::{ArchiveReason, NO_TIME, RecordSlot, RecordState};
use super::{ShareLimits, ShareWindow, WindowChange};

impl RecordSlot {
    /// Ends a lock. The record is given up if it was delivered as often as the group allows.
    pub(super) fn give_back(&mut self, limits: &ShareLimits, not_before_ms: Option<i64>) {
        if self.delivery_count >= limits.deliveries_max {
            self.become_state(limits.given_up(ArchiveReason::Exhausted));
        } else {
            self.become_state(RecordState::Available);
            self.time_ms = not_before_ms.unwrap_or(NO_TIME);
        }
    }
}

impl ShareWindow {
    /// Ends locks and delays whose time has come.
    pub(crate) fn expire(&mut self, limits: &ShareLimits, now_ms: i64) -> WindowChange {
        let mut change = WindowChange { has_available: self.end_delays(now_ms), ..WindowChange::default() };
        while let Some(due) = self.locks.pop_due(now_ms) {
            let stored = &mut self.stored;
            self.chunks.change(due.first..=due.last, Among::Acquired, |offset, slot| {
                if slot.time_ms == due.time_ms {
                    slot.give_back(limits, None);
                    stored.mark_dirty(offset);
                    change.note(offset, slot);
                }
                ControlFlow::Continue(())
            });
        }
        self.settle();
        change
    }

    /// Makes records available whose not-before time has come. The disk need not know: a time that has passed says the same.
    pub(super) fn end_delays(&mut self, now_ms: i64) -> bool {
        let mut has_any = false;
        while let Some(due) = self.delays.pop_due(now_ms) {
            self.chunks.change(due.first..=due.last, Among::All, |_, slot| {
                if slot.state == RecordState::Available && slot.time_ms == due.time_ms {
                    slot.time_ms = NO_TIME;
                    has_any = true;
                }
                ControlFlow::Continue(())
            });
        }
        has_any
    }

    /// Ends all locks of a member whose session was closed, or that has left.
    pub(crate) fn release_owner(&mut self, owner: u32, limits: &ShareLimits) -> WindowChange {
        self.change_all(self.start..=self.end, Among::Acquired, |slot| {
            let is_owner = slot.owner == owner;
            if is_owner {
                slot.give_back(limits, None);
            }
            is_owner
        })
    }

    /// The dead letters of a range are durable.
    pub(crate) fn archived(&mut self, range: RangeInclusive<i64>) -> WindowChange {
        self.change_all(range, Among::All, |slot| {
            let is_archiving = matches!(slot.state, RecordState::Archiving(_));
            if is_archiving {
                slot.become_state(RecordState::Archived);
            }
            is_archiving
        })
    }

    /// The log begins at an offset now: everything below is done, whatever its state was.
    pub(crate) fn start_at(&mut self, offset: i64) -> WindowChange {
        if offset <= self.start {
            return WindowChange::default();
        }
        self.chunks.change(self.start..=offset - 1, Among::All, |_, slot| {
            slot.become_state(RecordState::Archived);
            ControlFlow::Continue(())
        });
        (self.start, self.end) = (offset, self.end.max(offset));
        self.settle();
        WindowChange { is_dirty: true, ..WindowChange::default() }
    }

    /// Shows slots to a function that says whether it changed them.
    fn change_all(
        &mut self,
        range: RangeInclusive<i64>,
        among: Among,
        mut change_slot: impl FnMut(&mut RecordSlot) -> bool,
    ) -> WindowChange {
        let mut change = WindowChange::default();
        let stored = &mut self.stored;
        self.chunks.change(range, among, |offset, slot| {
            if change_slot(slot) {
                stored.mark_dirty(offset);
                change.note(offset, slot);
            }
            ControlFlow::Continue(())
        });
        self.settle();
        change
    }
}
