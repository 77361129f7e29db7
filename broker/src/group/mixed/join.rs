//! Members of the classic protocol in a consumer group: joining, asking for their shares, showing that they are there.

use millstream_protocol::message::consumer_protocol::Subscription;
use millstream_protocol::message::heartbeat::HeartbeatRequest;
use millstream_protocol::message::join_group::{JoinGroupRequest, JoinGroupResponse};
use millstream_protocol::message::sync_group::{SyncGroupRequest, SyncGroupResponse};
use millstream_protocol::{Str, TopicId};

use super::{CONSUMER, assignment, by_id};
use crate::catalog::Listing;
use crate::group::assignor::Partitions;
use crate::group::classic::{Joining, knows, protocols, rebalance_timeout_ms};
use crate::group::consumer::{Changes, ClassicSide, Consumer, Member, MemberState, Surroundings, flat, without};
use crate::group::error::SyncAnswer;
use crate::group::{JoinRefused, MemberError};

/// How a classic member's joining went.
pub(in crate::group) struct Joined {
    pub response: JoinGroupResponse,
    /// It took the place of the last consumer; whether the group has to rebalance for it.
    pub replaced_the_last: Option<bool>,
}

impl Member {
    /// What it wants, as a member of the classic protocol says it.
    fn wish(&mut self, request: &JoinGroupRequest, subscription: &Subscription) {
        if let Some(instance_id) = &request.group_instance_id {
            self.instance_id = Some(instance_id.detached());
        }
        if let Some(rack_id) = &subscription.rack_id {
            self.rack_id = Some(rack_id.detached());
        }
        self.rebalance_timeout_ms = rebalance_timeout_ms(request);
        self.subscribed_names = subscription.topics.iter().map(Str::detached).collect();
        self.subscribed_regex = None;
        self.revoke_ends_ms = None;
    }
}

impl Consumer {
    /// Whether one of the protocols is known to all that speak the classic protocol.
    fn supports(&self, request: &JoinGroupRequest) -> bool {
        let is_known =
            |name: &Str| self.members.values().filter_map(|member| member.classic.as_ref()).all(|side| knows(&side.protocols, name));
        request.protocol_type == CONSUMER && request.protocols.iter().any(|protocol| is_known(&protocol.name))
    }

    /// A member of the classic protocol joins.
    pub(in crate::group) fn join(
        &mut self,
        joining: Joining<'_>,
        (is_downgrade_allowed, classic_size_max): (bool, usize),
        world: &Surroundings<'_>,
        changes: &mut Changes,
    ) -> Result<Joined, JoinRefused> {
        let request = joining.request;
        let refused = |error: MemberError| JoinRefused { member_id: request.member_id.clone(), error };
        let is_new = request.member_id.is_empty();
        let id: Str = if is_new { TopicId(rand::random()).to_string().into() } else { request.member_id.detached() };
        if self.members.len() >= world.size_max && !self.members.contains_key(&id) {
            return Err(refused(MemberError::GroupFull));
        }
        if !self.supports(request) {
            return Err(refused(MemberError::OtherProtocol));
        }
        if is_new && joining.needs_known_id() {
            return Err(JoinRefused { member_id: id, error: MemberError::IdRequired });
        }
        let offered = protocols(request);
        let subscription = offered.first().and_then(|(_, metadata)| Subscription::read(metadata.clone()).ok());
        let is_downgrade_due = is_downgrade_allowed && self.members.len() <= classic_size_max;
        let is_the_last = self.takes_the_lasts_place(request, &id, is_downgrade_due).map_err(refused)?;
        let subscription = subscription.ok_or_else(|| refused(MemberError::UnreadableSubscription))?;
        if let Some(known) = request.group_instance_id.as_ref().and_then(|instance_id| self.by_instance.get(instance_id)).cloned()
            && known != id
        {
            self.rename(&known, &id, changes);
        }
        let before = self.members.get(&id).cloned();
        let mut member = before.clone().unwrap_or_else(|| Member::new(joining.client.clone()));
        member.client = joining.client;
        member.wish(request, &subscription);
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

    /// Whether a static member comes in the place of the last consumer, which makes the group a classic one.
    fn takes_the_lasts_place(&self, request: &JoinGroupRequest, id: &Str, is_downgrade_due: bool) -> Result<bool, MemberError> {
        let Some(instance_id) = &request.group_instance_id else { return Ok(false) };
        let is_new = request.member_id.is_empty();
        match self.by_instance.get(instance_id) {
            None if is_new => Ok(false),
            None => Err(MemberError::UnknownMember),
            Some(known) if !is_new && known != id => Err(MemberError::InstanceFenced),
            Some(known) => {
                let is_consumer = self.members.get(known).is_some_and(|member| member.classic.is_none());
                Ok(is_consumer && self.count_classic() + 1 == self.members.len() && is_downgrade_due)
            }
        }
    }

    /// A member of the classic protocol, by what its request says of it.
    fn classic_member(&self, id: &Str, instance_id: Option<&Str>, generation: i32) -> Result<(&Member, &ClassicSide), MemberError> {
        match instance_id.map(|instance_id| self.by_instance.get(instance_id)) {
            Some(None) => return Err(MemberError::UnknownMember),
            Some(Some(known)) if known != id => return Err(MemberError::InstanceFenced),
            Some(Some(_)) | None => {}
        }
        let member = self.members.get(id).ok_or(MemberError::UnknownMember)?;
        let side = member.classic.as_ref().ok_or(MemberError::UnknownMember)?;
        if member.epoch == generation { Ok((member, side)) } else { Err(MemberError::StaleGeneration) }
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
    pub(in crate::group) fn sync(&mut self, request: &SyncGroupRequest, listing: &Listing, now_ms: i64) -> SyncAnswer {
        let id = &request.member_id;
        let (member, side) = self.classic_member(id, request.group_instance_id.as_ref(), request.generation_id)?;
        if request.protocol_type.as_ref().is_some_and(|asked| *asked != CONSUMER)
            || request.protocol_name.as_ref().is_some_and(|asked| *asked != side.protocol())
        {
            return Err(MemberError::OtherProtocol);
        }
        // A member that has to revoke partitions has joined for this target already.
        if self.target_epoch > member.epoch && member.state != MemberState::Revoking {
            self.call_back(id, now_ms);
            return Err(MemberError::Rebalancing);
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
    pub(in crate::group) fn classic_heartbeat(&mut self, request: &HeartbeatRequest, now_ms: i64) -> Result<(), MemberError> {
        let id = &request.member_id;
        let (member, _) = self.classic_member(id, request.group_instance_id.as_ref(), request.generation_id)?;
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
            return Ok(());
        }
        self.call_back(id, now_ms);
        Err(MemberError::Rebalancing)
    }
}
