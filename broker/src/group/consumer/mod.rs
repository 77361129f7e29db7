//! The state machine of a consumer group (KIP-848): members say what they want and what they have, the group computes who is
//! to have what, and each member is led there by itself: first it revokes partitions, then it gets those that others have revoked.
//! Nobody stops for anybody else. Pure: a heartbeat or the time comes in, an answer and records to be kept come out.
//!
//! The rules are those of Kafka's `GroupMetadataManager` and `CurrentAssignmentBuilder`.

mod classic_side;
mod identity;
mod kept;
mod leave;
mod member;
mod pace;
mod partitions;
mod pattern;
mod reconcile;
mod request;
mod scope;
mod target;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use millstream_protocol::message::consumer_group_heartbeat::{Assignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use millstream_protocol::{Str, TopicId};

use self::pace::Pace;
use self::request::{to_partitions, update};
use super::assignor::Partitions;
use super::{Client, HeartbeatError};
use crate::catalog::Listing;
use crate::config::group::ConsumerSettings;

pub(super) use classic_side::ClassicSide;
pub(super) use member::{Member, MemberState};
pub(super) use partitions::{flat, union, without};
pub(super) use request::{check, from_partitions};
pub(super) use scope::Scope;

/// Leaves.
pub(super) const LEAVE: i32 = -1;
/// Leaves for a while: a static member that is to come back.
pub(super) const LEAVE_STATIC: i32 = -2;

/// A group.
#[derive(Debug)]
pub(super) struct Consumer {
    pub epoch: i32,
    pub target_epoch: i32,
    /// When the target was computed, as far as is known: a restart forgets it, and the next one need not wait.
    target_ms: Option<i64>,
    pub members: BTreeMap<Str, Member>,
    pub targets: BTreeMap<Str, Partitions>,
    pub by_instance: HashMap<Str, Str>,
    /// Nothing is due before this; it may be less than what is due first.
    soonest_ms: Option<i64>,
    /// The member that owns each partition, or has not revoked it yet.
    pub owners: HashMap<(TopicId, i32), Str>,
    /// The topics as they were when the epoch rose for them, or the target was computed.
    topics: BTreeMap<TopicId, i32>,
    /// Of the listing that they were taken from.
    topics_version: u64,
    pace: Pace,
}

/// What the group does not know by itself.
pub(super) struct Surroundings<'a> {
    pub now_ms: i64,
    pub listing: &'a Listing,
    pub settings: ConsumerSettings,
    pub size_max: usize,
    pub assignors: &'a [String],
}

/// What has to be kept.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub is_group_changed: bool,
    pub members: BTreeSet<Str>,
}

impl Consumer {
    pub(super) fn new() -> Self {
        Consumer {
            epoch: 1,
            target_epoch: 0,
            target_ms: None,
            members: BTreeMap::new(),
            targets: BTreeMap::new(),
            by_instance: HashMap::new(),
            soonest_ms: None,
            owners: HashMap::new(),
            topics: BTreeMap::new(),
            topics_version: 0,
            pace: Pace::default(),
        }
    }

    /// Whether it is no more than a name.
    pub(super) fn is_unused(&self) -> bool {
        self.members.is_empty() && self.epoch <= 1
    }

    /// The state, as it is described.
    pub(super) fn state_name(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.target_epoch {
            "Assigning"
        } else if self.members.values().any(|member| member.state != MemberState::Stable || member.epoch != self.target_epoch) {
            "Reconciling"
        } else {
            "Stable"
        }
    }

    /// A member's heartbeat.
    pub(super) fn heartbeat(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
        member_id: &Str,
        client: Client,
        world: &Surroundings<'_>,
        changes: &mut Changes,
    ) -> Result<ConsumerGroupHeartbeatResponse, HeartbeatError> {
        let id = self.identify(request, member_id, world, changes)?;
        let is_joining = request.member_epoch == 0;
        let before = self.members.get(&id).cloned();
        let mut member = before.clone().unwrap_or_else(|| Member::new(client.clone()));
        update(&mut member, request, client);
        member.session_ends_ms = world.now_ms + world.settings.session_timeout_ms;
        let is_changed = match &before {
            // A member without a subscription changes nothing for the others.
            None => {
                let matched = member.subscribed_regex.as_ref().and_then(|pattern| pattern.matches(&world.listing.topics).next());
                !member.subscribed_names.is_empty() || matched.is_some()
            }
            Some(before) => before.subscribed_names != member.subscribed_names || before.subscribed_regex != member.subscribed_regex,
        };
        self.put(&id, member, before.as_ref(), is_changed, world, changes);
        self.compute_target(world, changes);
        let owned = request.topic_partitions.as_deref().map(to_partitions);
        self.reconcile(&id, owned.as_ref(), is_changed, world, changes);
        let member = &self.members[&id];
        let is_full = is_joining
            || (request.rebalance_timeout_ms != -1
                && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
                && request.topic_partitions.is_some());
        let has_moved = before.is_none_or(|before| before.assigned != member.assigned);
        let heartbeat_interval_ms = self.pace.interval_ms(self.epoch, has_moved, self.members.len(), world);
        Ok(ConsumerGroupHeartbeatResponse {
            member_id: Some(id.clone()),
            member_epoch: member.epoch,
            heartbeat_interval_ms,
            assignment: (is_full || has_moved).then(|| Box::new(Assignment { topic_partitions: from_partitions(&member.assigned) })),
            ..Default::default()
        })
    }

    /// Puts a member in as it is now. The epoch rises when what is wanted has changed, or the topics have.
    pub(super) fn put(
        &mut self,
        id: &Str,
        member: Member,
        before: Option<&Member>,
        is_changed: bool,
        world: &Surroundings<'_>,
        changes: &mut Changes,
    ) {
        member.due_ms().min().into_iter().for_each(|due_ms| self.expect(due_ms));
        if before.is_none_or(|before| !before.has_same_wishes(&member)) {
            changes.members.insert(id.clone());
        }
        let renamed = before.filter(|before| before.instance_id != member.instance_id);
        if let Some(left_behind) = renamed.and_then(|before| before.instance_id.as_ref()) {
            self.release(left_behind, id);
        }
        if let Some(instance_id) = &member.instance_id {
            self.by_instance.insert(instance_id.clone(), id.clone());
        }
        self.members.insert(id.clone(), member);
        let has_new_topics = self.topics_version != world.listing.version && {
            self.topics_version = world.listing.version;
            self.wanted(&world.listing.topics) != self.topics
        };
        if is_changed || has_new_topics {
            self.bump(changes);
        }
    }

    fn bump(&mut self, changes: &mut Changes) {
        self.epoch += 1;
        changes.is_group_changed = true;
    }
}
