//! How members leave: they say so, they miss their session timeout, or they do not revoke partitions within their rebalance timeout.

use std::collections::BTreeSet;

use millstream_protocol::Str;
use millstream_protocol::message::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;

use super::member::{Member, MemberState};
use super::partitions::flat;
use super::{Changes, Consumer, LEAVE_STATIC};
use crate::group::HeartbeatError;

impl Consumer {
    /// A member goes: for good, or, a static one, for a while.
    pub(in crate::group) fn leave(&mut self, request: &ConsumerGroupHeartbeatRequest, changes: &mut Changes) -> Result<(), HeartbeatError> {
        let id = match &request.instance_id {
            None => request.member_id.clone(),
            Some(instance_id) => match self.by_instance.get(instance_id) {
                None => return Err(HeartbeatError::UnknownInstance(instance_id.clone())),
                Some(known) if *known != request.member_id => {
                    return Err(HeartbeatError::InstanceOfAnother { instance_id: instance_id.clone(), owner: known.clone() });
                }
                Some(known) => known.clone(),
            },
        };
        let Some(member) = self.members.get_mut(&id) else {
            return Err(HeartbeatError::UnknownMember(id));
        };
        if request.member_epoch == LEAVE_STATIC {
            member.epoch = LEAVE_STATIC;
            member.state = MemberState::Stable;
            member.revoke_ends_ms = None;
            let given_up = std::mem::take(&mut member.revoking);
            flat(&given_up).for_each(|partition| {
                self.owners.remove(&partition);
            });
            // The member that takes its place may still know an older epoch.
            member.since = flat(&member.assigned).map(|partition| (partition, 0)).collect();
            changes.members.insert(id);
        } else {
            self.remove(&id, changes);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &Str, changes: &mut Changes) {
        if self.take_out(id, changes) {
            self.bump(changes);
        }
    }

    fn take_out(&mut self, id: &Str, changes: &mut Changes) -> bool {
        let Some(member) = self.members.remove(id) else { return false };
        if let Some(instance_id) = &member.instance_id {
            self.release(instance_id, id);
        }
        self.targets.remove(id);
        self.owners.retain(|_, owner| owner != id);
        changes.members.insert(id.clone());
        true
    }

    /// Something is due then.
    pub(in crate::group) fn expect(&mut self, due_ms: i64) {
        self.soonest_ms = Some(self.soonest_ms.map_or(due_ms, |soonest_ms| soonest_ms.min(due_ms)));
    }

    /// When to look whether something is due. Every heartbeat puts its member's time off: they are gone through only then.
    pub(in crate::group) fn next_deadline_ms(&self) -> Option<i64> {
        self.soonest_ms
    }

    pub(super) fn look_for_the_soonest(&mut self) {
        self.soonest_ms = self.members.values().flat_map(Member::due_ms).min();
    }

    /// Time has passed: members that missed a deadline, of their session or of a revocation, are removed.
    pub(in crate::group) fn tick(&mut self, now_ms: i64, changes: &mut Changes) {
        let is_over = |member: &Member| member.due_ms().any(|due_ms| due_ms <= now_ms);
        let gone: Vec<Str> = self.members.iter().filter(|(_, member)| is_over(member)).map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.remove(id, changes));
        self.look_for_the_soonest();
    }

    /// Several members go at once.
    pub(in crate::group) fn remove_all(&mut self, ids: &BTreeSet<Str>, changes: &mut Changes) {
        let mut is_any_gone = false;
        ids.iter().for_each(|id| is_any_gone |= self.take_out(id, changes));
        if is_any_gone {
            self.bump(changes);
        }
    }
}
