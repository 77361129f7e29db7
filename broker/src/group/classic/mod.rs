//! The state machine of a classic group: members join, one of them assigns, everybody syncs; and again whenever somebody
//! comes or goes. Pure: a request or the time comes in, answers and a record to be kept come out.
//!
//! ```text
//!  Empty ──join──▶ Preparing ──all have joined, or time is up──▶ Completing ──the leader's sync──▶ Stable
//!    ▲                 ▲  │                                          │                              │
//!    └──nobody left────│──┘◀─────────────a member comes or goes──────┴──────────────────────────────┘
//! ```
//!
//! The rules are those of Kafka's `GroupMetadataManager` (`classicGroup…`).

mod join;
mod kept;
mod leave;
mod member;
mod rebalance;
mod sync;

use std::collections::{BTreeMap, HashMap};

use millstream_protocol::Str;

use super::error::{JoinRefused, MemberError};

pub(super) use join::Joining;
pub(super) use member::{ClassicMember, knows, protocols, rebalance_timeout_ms};

/// Where the group is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClassicState {
    Empty,
    Preparing,
    Completing,
    Stable,
}

impl ClassicState {
    pub(super) fn name(self) -> &'static str {
        match self {
            ClassicState::Empty => "Empty",
            ClassicState::Preparing => "PreparingRebalance",
            ClassicState::Completing => "CompletingRebalance",
            ClassicState::Stable => "Stable",
        }
    }
}

/// The wait of a rebalance for its members.
#[derive(Debug, Clone, Copy)]
struct Rebalance {
    ends_ms: i64,
    /// Of an empty group's first one: how much longer it may still be put off while members keep coming.
    initial_left_ms: Option<i64>,
    has_new_member: bool,
}

/// A group.
#[derive(Debug)]
pub(super) struct Classic {
    pub state: ClassicState,
    pub generation: i32,
    pub protocol_type: Option<Str>,
    pub protocol_name: Option<Str>,
    pub leader: Option<Str>,
    pub members: BTreeMap<Str, ClassicMember>,
    /// When the state changed, wall clock.
    pub changed_ms: i64,
    by_instance: HashMap<Str, Str>,
    /// Ids that were given out and not used yet, and when they are forgotten.
    promised: HashMap<Str, i64>,
    rebalance: Option<Rebalance>,
    /// When members that joined and do not sync are given up.
    sync_ends_ms: Option<i64>,
}

/// What the group does not know by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Monotonic.
    pub ms: i64,
    /// Wall clock.
    pub wall_ms: i64,
    pub initial_delay_ms: i64,
    pub size_max: usize,
}

/// Whether the group has something to be kept.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// A generation has settled.
    Settled,
}

impl Change {
    fn or(self, other: Change) -> Change {
        if self == Change::Settled { self } else { other }
    }
}

impl Classic {
    pub(super) fn new(wall_ms: i64) -> Self {
        Classic {
            state: ClassicState::Empty,
            generation: 0,
            protocol_type: None,
            protocol_name: None,
            leader: None,
            members: BTreeMap::new(),
            changed_ms: wall_ms,
            by_instance: HashMap::new(),
            promised: HashMap::new(),
            rebalance: None,
            sync_ends_ms: None,
        }
    }

    /// Whether it is no more than a name.
    pub(super) fn is_unused(&self) -> bool {
        self.members.is_empty() && self.promised.is_empty()
    }

    fn enter(&mut self, state: ClassicState, now: &Now) {
        self.state = state;
        self.changed_ms = now.wall_ms;
    }

    /// Whether a request comes from a member.
    pub(super) fn check_member(&self, member_id: &Str, instance_id: Option<&Str>) -> Result<(), MemberError> {
        if let Some(instance_id) = instance_id {
            return match self.by_instance.get(instance_id) {
                None => Err(MemberError::UnknownMember),
                Some(known) if known != member_id => Err(MemberError::InstanceFenced),
                Some(_) => Ok(()),
            };
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(MemberError::UnknownMember) }
    }

    /// Answers all members that wait.
    pub(super) fn refuse_waiting(&mut self, error: MemberError) {
        for (id, member) in &mut self.members {
            if let Some(joining) = member.joining.take() {
                let _ = joining.send(Err(JoinRefused { member_id: id.clone(), error }));
            }
            if let Some(syncing) = member.syncing.take() {
                let _ = syncing.send(Err(error));
            }
        }
    }

    /// A member shows that it is there.
    pub(super) fn heartbeat(&mut self, member_id: &Str, instance_id: Option<&Str>, generation: i32, now: &Now) -> Result<(), MemberError> {
        self.check_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(MemberError::StaleGeneration);
        }
        self.touch(member_id, now);
        match self.state {
            ClassicState::Empty => Err(MemberError::UnknownMember),
            ClassicState::Preparing => Err(MemberError::Rebalancing),
            ClassicState::Completing | ClassicState::Stable => Ok(()),
        }
    }

    /// A member has shown that it is there.
    pub(super) fn touch(&mut self, member_id: &Str, now: &Now) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.deadline_ms = now.ms + member.session_timeout_ms;
        }
    }
}
