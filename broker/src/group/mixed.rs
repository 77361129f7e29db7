//! Members of both protocols in one group, and a group's way from one protocol to the other while it has members (KIP-848).
//!
//! A classic group becomes a consumer group when a consumer joins. Its members go on with their own requests, which are answered
//! from the consumer group: a generation is the member's epoch, and whoever has to do something is told to join again. When the
//! last consumer has gone, it becomes a classic group again.
//!
//! The rules are those of Kafka's `GroupMetadataManager` (`classicGroup…ToConsumerGroup`, `convertTo…`).

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};
use millstream_protocol::message::consumer_protocol::{ConsumerAssignment, OwnedPartitions, Subscription};
use millstream_protocol::message::heartbeat::HeartbeatRequest;
use millstream_protocol::message::join_group::{JoinGroupRequest, JoinGroupResponse};
use millstream_protocol::message::sync_group::{SyncGroupRequest, SyncGroupResponse};
use millstream_protocol::{ErrorCode, Str, TopicId};

use super::Groups;
use super::assignor::Partitions;
use super::classic::{Classic, Joining, Now, knows, protocols, rebalance_timeout_ms};
use super::consumer::{Changes, Consumer, Member, MemberState, World, flat, without};
use super::entries::consumer_entries;
use super::record::{ClassicMemberValue, ClassicSideValue, ClassicValue, GroupValue, Key};
use super::shelf::{Group, Kind};
use crate::catalog::Listing;
use crate::journal::Entry;

/// The kind of classic group that consumers are in.
pub(super) const CONSUMER: &str = "consumer";

/// What a consumer group knows of a member that speaks the classic protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClassicSide {
    pub session_timeout_ms: i64,
    pub protocols: Vec<(Str, Bytes)>,
    /// It was told to join again, and is gone if it does not until then.
    pub join_ends_ms: Option<i64>,
    /// It has joined, and is gone if it does not ask for its share until then.
    pub sync_ends_ms: Option<i64>,
}

impl ClassicSide {
    fn new(session_timeout_ms: i64, protocols: Vec<(Str, Bytes)>) -> Self {
        ClassicSide { session_timeout_ms, protocols, join_ends_ms: None, sync_ends_ms: None }
    }

    /// What is kept of it.
    pub(super) fn wishes(&self) -> (i64, &[(Str, Bytes)]) {
        (self.session_timeout_ms, &self.protocols)
    }

    pub(super) fn to_value(&self) -> ClassicSideValue {
        let protocols = self.protocols.iter().map(|(name, metadata)| (name.to_string(), metadata.to_vec())).collect();
        ClassicSideValue { session_timeout_ms: self.session_timeout_ms, protocols }
    }

    pub(super) fn of_value(value: ClassicSideValue) -> Self {
        let protocols = value.protocols.into_iter().map(|(name, metadata)| (name.into(), metadata.into())).collect();
        ClassicSide::new(value.session_timeout_ms, protocols)
    }

    /// The protocol that it is told of: all of a consumer's protocols carry the same.
    fn protocol(&self) -> Str {
        self.protocols.first().map(|(name, _)| name.clone()).unwrap_or_default()
    }
}

/// How a classic member's joining went.
pub(super) struct Joined {
    pub response: JoinGroupResponse,
    /// It took the place of the last consumer; whether the group has to rebalance for it.
    pub replaced_the_last: Option<bool>,
}

impl Consumer {
    /// What a classic group becomes when a consumer joins it; `None` if its members cannot be understood.
    pub(super) fn of_classic(classic: &Classic, listing: &Listing, now_ms: i64) -> Option<Self> {
        let protocol = classic.protocol_name.as_ref()?;
        let mut consumer = Consumer::new();
        (consumer.epoch, consumer.target_epoch) = (classic.generation, classic.generation);
        for (id, before) in &classic.members {
            let assigned = assigned_partitions(&before.assignment, listing)?;
            let subscription = Subscription::read(before.metadata(protocol)).ok()?;
            let member = Member {
                instance_id: before.instance_id.clone(),
                rack_id: subscription.rack_id.as_ref().map(Str::detached),
                rebalance_timeout_ms: before.rebalance_timeout_ms,
                subscribed_names: subscription.topics.iter().map(Str::detached).collect(),
                epoch: classic.generation,
                previous_epoch: classic.generation,
                since: flat(&assigned).map(|partition| (partition, classic.generation)).collect(),
                classic: Some(ClassicSide::new(before.session_timeout_ms, before.protocols.clone())),
                session_ends_ms: now_ms + before.session_timeout_ms,
                assigned,
                ..Member::new(before.client.clone())
            };
            consumer.targets.insert(id.clone(), member.assigned.clone());
            consumer.members.insert(id.clone(), member);
        }
        consumer.settle(listing);
        Some(consumer)
    }

    /// The classic group that the members are, all of which speak that protocol, with what they are to have.
    fn to_classic(&self, generation: i32, listing: &Listing, now: &Now) -> Classic {
        let text = |text: &Str| text.to_string();
        let member = |(id, member): (&Str, &Member)| {
            let classic = member.classic.as_ref()?;
            Some(ClassicMemberValue {
                id: id.to_string(),
                instance_id: member.instance_id.as_ref().map(text),
                client_id: text(&member.client.id),
                client_host: text(&member.client.host),
                session_timeout_ms: classic.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols: classic.to_value().protocols,
                assignment: Vec::new(),
            })
        };
        let value = ClassicValue {
            protocol_type: Some(CONSUMER.to_owned()),
            protocol_name: None,
            generation,
            leader: self.members.keys().next().map(text),
            changed_ms: now.wall_ms,
            members: self.members.iter().filter_map(member).collect(),
        };
        let mut classic = Classic::restored(value, now.ms);
        classic.protocol_name = classic.selected_protocol();
        let protocol = classic.protocol_name.clone().unwrap_or_default();
        let nothing = Partitions::new();
        for (id, member) in &mut classic.members {
            let target = self.targets.get(id).unwrap_or(&nothing);
            member.assignment = assignment(target, &member.metadata(&protocol), listing);
        }
        classic
    }

    fn count_classic(&self) -> usize {
        self.members.values().filter(|member| member.classic.is_some()).count()
    }

    /// Whether one of the protocols is known to all that speak the classic protocol.
    fn supports(&self, request: &JoinGroupRequest) -> bool {
        let is_known =
            |name: &Str| self.members.values().filter_map(|member| member.classic.as_ref()).all(|side| knows(&side.protocols, name));
        request.protocol_type == CONSUMER && request.protocols.iter().any(|protocol| is_known(&protocol.name))
    }

    /// A member of the classic protocol joins.
    pub(super) fn join(
        &mut self,
        joining: Joining<'_>,
        (is_downgrade_allowed, classic_size_max): (bool, usize),
        world: &World<'_>,
        changes: &mut Changes,
    ) -> Result<Joined, ErrorCode> {
        let request = joining.request;
        let is_new = request.member_id.is_empty();
        let id: Str = if is_new { TopicId(rand::random()).to_string().into() } else { request.member_id.detached() };
        if self.members.len() >= world.size_max && !self.members.contains_key(&id) {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if !self.supports(request) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if is_new && joining.needs_known_id() {
            let response = JoinGroupResponse {
                error_code: ErrorCode::MEMBER_ID_REQUIRED,
                member_id: id,
                protocol_name: Some(Str::default()),
                ..Default::default()
            };
            return Ok(Joined { response, replaced_the_last: None });
        }
        let offered = protocols(request);
        let subscription = offered.first().and_then(|(_, metadata)| Subscription::read(metadata.clone()).ok());
        let known = request.group_instance_id.as_ref().map(|instance_id| self.by_instance.get(instance_id).cloned());
        let mut is_the_last = false;
        match known {
            None => {}
            Some(None) if !is_new => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(Some(known)) if !is_new && known != id => return Err(ErrorCode::FENCED_INSTANCE_ID),
            Some(None) => {}
            Some(Some(known)) => {
                let is_consumer = self.members.get(&known).is_some_and(|member| member.classic.is_none());
                is_the_last = is_consumer
                    && self.count_classic() + 1 == self.members.len()
                    && is_downgrade_allowed
                    && self.members.len() <= classic_size_max;
                if subscription.is_some() && known != id {
                    self.rename(&known, &id, changes);
                }
            }
        }
        // Kafka has no better word for it.
        let subscription = subscription.ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        let before = self.members.get(&id).cloned();
        let mut member = before.clone().unwrap_or_else(|| Member::new(joining.client.clone()));
        if let Some(instance_id) = &request.group_instance_id {
            member.instance_id = Some(instance_id.detached());
        }
        if let Some(rack_id) = &subscription.rack_id {
            member.rack_id = Some(rack_id.detached());
        }
        member.rebalance_timeout_ms = rebalance_timeout_ms(request);
        member.subscribed_names = subscription.topics.iter().map(Str::detached).collect();
        member.subscribed_regex = None;
        member.client = joining.client;
        member.revoke_ends_ms = None;
        let mut side = ClassicSide::new(request.session_timeout_ms.into(), offered);
        side.sync_ends_ms = Some(world.now_ms + member.rebalance_timeout_ms);
        member.session_ends_ms = world.now_ms + side.session_timeout_ms;
        let protocol_name = Some(side.protocol());
        member.classic = Some(side);
        let is_changed = match &before {
            None => !member.subscribed_names.is_empty(),
            Some(before) => before.subscribed_names != member.subscribed_names || before.subscribed_regex.is_some(),
        };
        self.put(&id, member, before.as_ref(), is_changed, world, changes);
        let replaced_the_last = is_the_last.then_some(self.target_epoch < self.epoch);
        if !is_the_last {
            self.compute_target(world, changes);
        }
        if replaced_the_last != Some(true) {
            let owned = by_id(&subscription.owned_partitions, world.listing);
            self.reconcile(&id, Some(&owned), is_changed, world, changes);
        }
        let response = JoinGroupResponse {
            generation_id: self.members[&id].epoch,
            protocol_type: Some(Str::from_static(CONSUMER)),
            protocol_name,
            member_id: id,
            ..Default::default()
        };
        Ok(Joined { response, replaced_the_last })
    }

    /// A member of the classic protocol, by what its request says of it.
    fn classic_member(&self, id: &Str, instance_id: Option<&Str>, generation: i32) -> Result<(&Member, &ClassicSide), ErrorCode> {
        match instance_id.map(|instance_id| self.by_instance.get(instance_id)) {
            Some(None) => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(Some(known)) if known != id => return Err(ErrorCode::FENCED_INSTANCE_ID),
            Some(Some(_)) | None => {}
        }
        let member = self.members.get(id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        let side = member.classic.as_ref().ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        if member.epoch == generation { Ok((member, side)) } else { Err(ErrorCode::ILLEGAL_GENERATION) }
    }

    /// It has to join again, and not too late.
    fn call_back(&mut self, id: &Str, now_ms: i64) {
        let Some(member) = self.members.get_mut(id) else { return };
        let Some(side) = &mut member.classic else { return };
        let due_ms = *side.join_ends_ms.get_or_insert(now_ms + member.rebalance_timeout_ms);
        self.expect(due_ms);
    }

    fn touch(&mut self, id: &Str, now_ms: i64) {
        let Some(member) = self.members.get_mut(id) else { return };
        let Some(side) = &member.classic else { return };
        member.session_ends_ms = now_ms + side.session_timeout_ms;
        let due_ms = member.session_ends_ms;
        self.expect(due_ms);
    }

    /// A member of the classic protocol asks for its share.
    pub(super) fn sync(&mut self, request: &SyncGroupRequest, listing: &Listing, now_ms: i64) -> Result<SyncGroupResponse, ErrorCode> {
        let id = &request.member_id;
        let (member, side) = self.classic_member(id, request.group_instance_id.as_ref(), request.generation_id)?;
        if request.protocol_type.as_ref().is_some_and(|asked| *asked != CONSUMER)
            || request.protocol_name.as_ref().is_some_and(|asked| *asked != side.protocol())
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        // One that has to give up has joined for this target already.
        if self.target_epoch > member.epoch && member.state != MemberState::Revoking {
            self.call_back(id, now_ms);
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        let metadata = side.protocols.first().map(|(_, metadata)| metadata.clone()).unwrap_or_default();
        let assignment = assignment(&member.assigned, &metadata, listing);
        if let Some(side) = self.members.get_mut(id).and_then(|member| member.classic.as_mut()) {
            side.sync_ends_ms = None;
        }
        self.touch(id, now_ms);
        Ok(SyncGroupResponse {
            protocol_type: request.protocol_type.clone(),
            protocol_name: request.protocol_name.clone(),
            assignment,
            ..Default::default()
        })
    }

    /// A member of the classic protocol shows that it is there.
    pub(super) fn classic_heartbeat(&mut self, request: &HeartbeatRequest, now_ms: i64) -> ErrorCode {
        let id = &request.member_id;
        let (member, _) = match self.classic_member(id, request.group_instance_id.as_ref(), request.generation_id) {
            Ok(found) => found,
            Err(code) => return code,
        };
        let is_free = |partition| self.owners.get(&partition).is_none_or(|owner| owner == id);
        let nothing = Partitions::new();
        let has_something_to_do = member.epoch < self.target_epoch
            || match member.state {
                MemberState::Stable => false,
                MemberState::Revoking => true,
                MemberState::Waiting => flat(&without(self.targets.get(id).unwrap_or(&nothing), &member.assigned)).all(is_free),
            };
        self.touch(id, now_ms);
        if !has_something_to_do {
            return ErrorCode::NONE;
        }
        self.call_back(id, now_ms);
        ErrorCode::REBALANCE_IN_PROGRESS
    }
}

impl Groups {
    /// The consumer group that a classic one becomes for a consumer that joins.
    pub(super) fn upgraded(&self, classic: &Classic, listing: &Listing, now: &Now) -> Option<Consumer> {
        if classic.members.is_empty() {
            return Some(Consumer::new());
        }
        let is_possible = self.settings.is_upgrade_allowed
            && classic.protocol_type.as_deref() == Some(CONSUMER)
            && classic.members.len() <= self.settings.consumer_size_max;
        if is_possible { Consumer::of_classic(classic, listing, now.ms) } else { None }
    }

    /// Members may go from a consumer group. If only members of the classic protocol are left, it becomes a classic group.
    pub(super) fn take_members<R>(
        &self,
        id: &str,
        group: &mut Group,
        now: &Now,
        entries: &mut Vec<Entry>,
        take: impl FnOnce(&mut Consumer, &mut Changes) -> R,
    ) -> R {
        let Kind::Consumer(consumer) = &mut group.kind else { unreachable!("only consumer groups are asked") };
        let (count, epoch) = (consumer.members.len(), consumer.epoch);
        let mut changes = Changes::default();
        let result = take(consumer, &mut changes);
        let left = consumer.members.len();
        let is_classic = (1..count).contains(&left) && consumer.count_classic() == left;
        if is_classic && self.settings.is_downgrade_allowed && left <= self.settings.size_max {
            self.downgrade(id, group, epoch, true, changes, now, entries);
        } else {
            entries.extend(consumer_entries(id, consumer, changes));
        }
        result
    }

    /// A consumer group that no consumer is left in becomes a classic group.
    #[expect(clippy::too_many_arguments, reason = "one step of two callers")]
    pub(super) fn downgrade(
        &self,
        id: &str,
        group: &mut Group,
        generation: i32,
        is_rebalancing: bool,
        changes: Changes,
        now: &Now,
        entries: &mut Vec<Entry>,
    ) {
        let Kind::Consumer(consumer) = &group.kind else { return };
        let mut classic = consumer.to_classic(generation, &self.catalog.listing(), now);
        let members: BTreeSet<&Str> = changes.members.iter().chain(consumer.members.keys()).collect();
        entries.extend(members.iter().map(|member| Key::Member { group: id.to_owned(), member: member.to_string() }.forget()));
        let mut value = classic.to_value();
        if is_rebalancing {
            // An end of the process would be the end of the rebalance as well: nobody knows this generation, and all join again.
            value.generation += 1;
            let _ = classic.prepare(now);
        }
        entries.push(Key::Group { group: id.to_owned() }.set(&GroupValue::Classic(value)));
        group.kind = Kind::Classic(classic);
    }
}

/// What a leader assigned; `None` if it cannot be understood, or says more than would be kept.
fn assigned_partitions(bytes: &Bytes, listing: &Listing) -> Option<Partitions> {
    if bytes.is_empty() {
        return Some(Partitions::new());
    }
    let assignment = ConsumerAssignment::read(bytes.clone()).ok()?;
    let says_more = assignment.user_data.is_some_and(|data| !data.is_empty());
    if says_more { None } else { Some(by_id(&assignment.assigned_partitions, listing)) }
}

fn by_id(named: &[OwnedPartitions], listing: &Listing) -> Partitions {
    let mut found: Partitions = BTreeMap::new();
    for topic in named {
        if let Some((topic_id, _)) = listing.topics.get(&topic.topic) {
            found.entry(*topic_id).or_default().extend(topic.partitions.iter().copied());
        }
    }
    found.retain(|_, partitions| !partitions.is_empty());
    found
}

/// An assignment as a leader would have written it, in the version in which the member wrote its subscription.
fn assignment(partitions: &Partitions, metadata: &[u8], listing: &Listing) -> Bytes {
    let named = listing.topics.iter().filter_map(|(name, (topic_id, _))| {
        let partitions = partitions.get(topic_id)?;
        Some(OwnedPartitions { topic: name.clone(), partitions: partitions.iter().copied().collect() })
    });
    let written = ConsumerAssignment { assigned_partitions: named.collect(), user_data: None }.write();
    let (newest, rest) = written.split_at(2);
    let asked = metadata.first_chunk().map_or(0, |version| i16::from_be_bytes(*version));
    let mut bytes = BytesMut::with_capacity(written.len());
    // All versions look alike.
    bytes.put_i16(asked.clamp(0, newest.first_chunk().map_or(0, |version| i16::from_be_bytes(*version))));
    bytes.extend_from_slice(rest);
    bytes.freeze()
}
