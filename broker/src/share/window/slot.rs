//! What a share group knows of one record.

use serde::{Deserialize, Serialize};

/// The time of a slot that waits for none.
pub(super) const NO_TIME: i64 = i64::MIN;

/// Why a record is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ArchiveReason {
    /// A member rejected it.
    Rejected,
    /// It was delivered as often as the group allows.
    Exhausted,
}

/// What may happen to a record next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordState {
    /// It may be delivered, after its not-before time if it has one.
    Available,
    /// A member holds its acquisition lock.
    Acquired,
    /// A member accepted it.
    Acknowledged,
    /// It is given up as soon as its dead letter is durable.
    Archiving(ArchiveReason),
    /// It is given up, or was never there.
    Archived,
}

impl RecordState {
    /// Whether nothing happens to the record any more.
    pub(crate) fn is_terminal(self) -> bool {
        matches!(self, Self::Acknowledged | Self::Archived)
    }
}

/// One record. There may be millions, so it is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordSlot {
    /// The lock's deadline while Acquired, the not-before time while Available, [`NO_TIME`] otherwise.
    pub time_ms: i64,
    /// Who holds the lock, while Acquired.
    pub owner: u32,
    pub delivery_count: u16,
    pub state: RecordState,
}

const _: () = assert!(size_of::<RecordSlot>() <= 16);

impl RecordSlot {
    /// A place without a record.
    pub(super) const GAP: Self = Self { time_ms: NO_TIME, owner: 0, delivery_count: 0, state: RecordState::Archived };

    /// Whether it may be delivered now: what has a not-before time waits until that is taken off.
    pub(super) fn is_free(&self) -> bool {
        self.state == RecordState::Available && self.time_ms == NO_TIME
    }

    pub(super) fn is_held_by(&self, owner: u32, now_ms: i64) -> bool {
        self.state == RecordState::Acquired && self.owner == owner && self.time_ms > now_ms
    }

    /// Leaves a lock or a not-before time behind.
    pub(super) fn become_state(&mut self, state: RecordState) {
        (self.state, self.owner, self.time_ms) = (state, 0, NO_TIME);
    }
}
