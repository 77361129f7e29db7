//! A member of a consumer group: what it wants, what it has, and until when it is one.

use std::collections::{BTreeMap, BTreeSet};

use millstream_protocol::{Str, TopicId};

use super::classic_side::ClassicSide;
use super::pattern::Pattern;
use crate::catalog::Topics;
use crate::group::assignor::Partitions;
use crate::group::{Client, MemberError};

/// Where a member is on its way to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::group) enum MemberState {
    /// It has what it is to have.
    Stable,
    /// It has to give partitions up, and to say that it did.
    Revoking,
    /// It waits for partitions that others have not given up.
    Waiting,
}

/// A member.
#[derive(Debug, Clone)]
pub(in crate::group) struct Member {
    pub instance_id: Option<Str>,
    pub rack_id: Option<Str>,
    pub client: Client,
    pub rebalance_timeout_ms: i64,
    pub subscribed_names: BTreeSet<Str>,
    pub subscribed_regex: Option<Pattern>,
    pub assignor: Option<Str>,
    pub epoch: i32,
    pub previous_epoch: i32,
    pub state: MemberState,
    pub assigned: Partitions,
    pub revoking: Partitions,
    /// In which epoch it got each of these.
    pub since: BTreeMap<(TopicId, i32), i32>,
    /// It speaks the classic protocol.
    pub classic: Option<ClassicSide>,
    pub session_ends_ms: i64,
    pub revoke_ends_ms: Option<i64>,
}

impl Member {
    pub(in crate::group) fn new(client: Client) -> Self {
        Member {
            instance_id: None,
            rack_id: None,
            client,
            rebalance_timeout_ms: 0,
            subscribed_names: BTreeSet::new(),
            subscribed_regex: None,
            assignor: None,
            epoch: 0,
            previous_epoch: -1,
            state: MemberState::Stable,
            assigned: Partitions::new(),
            revoking: Partitions::new(),
            since: BTreeMap::new(),
            classic: None,
            session_ends_ms: 0,
            revoke_ends_ms: None,
        }
    }

    /// When something is due.
    pub(super) fn due_ms(&self) -> impl Iterator<Item = i64> + '_ {
        let classic = self.classic.iter().flat_map(|classic| classic.join_ends_ms.into_iter().chain(classic.sync_ends_ms));
        self.revoke_ends_ms.into_iter().chain([self.session_ends_ms]).chain(classic)
    }

    /// The topics that it is subscribed to.
    pub(super) fn subscribed(&self, topics: &Topics) -> BTreeSet<TopicId> {
        let matched = self.subscribed_regex.iter().flat_map(|pattern| pattern.matches(topics));
        self.subscribed_names.iter().chain(matched).filter_map(|name| topics.get(name)).map(|(topic, _)| *topic).collect()
    }

    /// The error for a member that names an epoch that is not its own.
    pub(in crate::group) fn stale(&self) -> MemberError {
        if self.classic.is_some() { MemberError::StaleGeneration } else { MemberError::StaleEpoch }
    }

    /// Whether it says of itself what it said before.
    pub(super) fn has_same_wishes(&self, other: &Member) -> bool {
        self.subscribed_names == other.subscribed_names
            && self.subscribed_regex == other.subscribed_regex
            && self.assignor == other.assignor
            && self.rack_id == other.rack_id
            && self.instance_id == other.instance_id
            && self.rebalance_timeout_ms == other.rebalance_timeout_ms
            && self.client == other.client
            && self.classic.as_ref().map(ClassicSide::wishes) == other.classic.as_ref().map(ClassicSide::wishes)
    }
}
