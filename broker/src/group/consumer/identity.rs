//! Which member a request means: ids, the lasting names of static members, and epochs.

use millstream_protocol::Str;
use millstream_protocol::message::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;

use super::member::Member;
use super::request::to_partitions;
use super::{Changes, Consumer, LEAVE_STATIC, Surroundings};
use crate::group::{HeartbeatError, MemberError};

impl Consumer {
    /// Finds the member or makes room for it, and compares epochs.
    pub(super) fn identify(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
        member_id: &Str,
        world: &Surroundings<'_>,
        changes: &mut Changes,
    ) -> Result<Str, HeartbeatError> {
        let is_joining = request.member_epoch == 0;
        let id = member_id.detached();
        if let Some(instance_id) = &request.instance_id {
            match self.by_instance.get(instance_id).cloned() {
                Some(known) if known == id => {}
                Some(known) if is_joining => {
                    // In the classic protocol the later one takes the place.
                    let gives_way = |member: &Member| member.epoch == LEAVE_STATIC || member.classic.is_some();
                    if !self.members.get(&known).is_some_and(gives_way) {
                        return Err(HeartbeatError::InstanceInUse { member: id, instance_id: instance_id.clone(), owner: known });
                    }
                    if self.members.contains_key(&id) {
                        return Err(HeartbeatError::HasAPlace { member: id, other: known });
                    }
                    self.rename(&known, &id, changes);
                    return Ok(id);
                }
                Some(known) => {
                    return Err(HeartbeatError::InstanceFenced { member: id, instance_id: instance_id.clone(), by: known });
                }
                None if is_joining => {}
                None => return Err(HeartbeatError::UnknownInstance(instance_id.clone())),
            }
        }
        let Some(member) = self.members.get(&id) else {
            if !is_joining {
                return Err(HeartbeatError::UnknownMember(id));
            }
            if self.members.len() >= world.size_max {
                return Err(HeartbeatError::GroupFull(world.size_max));
            }
            return Ok(id);
        };
        let (asked, epoch) = (request.member_epoch, member.epoch);
        if is_joining || asked == epoch {
            return Ok(id);
        }
        let owns_less = || {
            let Some(owned) = request.topic_partitions.as_deref().map(to_partitions) else { return false };
            owned.iter().all(|(topic, partitions)| member.assigned.get(topic).is_some_and(|assigned| partitions.is_subset(assigned)))
        };
        // It missed the answer that told it of its new epoch.
        if asked == member.previous_epoch && asked < epoch && owns_less() {
            return Ok(id);
        }
        Err(HeartbeatError::EpochFenced { asked, known: epoch })
    }

    /// A static member comes back under another id and takes over what it had.
    pub(in crate::group) fn rename(&mut self, old_id: &Str, new_id: &Str, changes: &mut Changes) {
        let Some(mut member) = self.members.remove(old_id) else { return };
        if let Some(target) = self.targets.remove(old_id) {
            self.targets.insert(new_id.clone(), target);
        }
        self.owners.values_mut().filter(|owner| *owner == old_id).for_each(|owner| *owner = new_id.clone());
        member.epoch = 0;
        member.previous_epoch = -1;
        if let Some(instance_id) = &member.instance_id {
            self.by_instance.insert(instance_id.clone(), new_id.clone());
        }
        self.members.insert(new_id.clone(), member);
        changes.members.extend([old_id.clone(), new_id.clone()]);
    }

    /// A lasting name is free again, if it is still this member's.
    pub(super) fn release(&mut self, instance_id: &Str, id: &Str) {
        if self.by_instance.get(instance_id) == Some(id) {
            self.by_instance.remove(instance_id);
        }
    }

    /// The member that a LeaveGroup means.
    pub(in crate::group) fn find(&self, id: &Str, instance_id: Option<&Str>) -> Result<Str, MemberError> {
        match instance_id.map(|instance_id| self.by_instance.get(instance_id)) {
            Some(None) => Err(MemberError::UnknownMember),
            Some(Some(known)) if !id.is_empty() && known != id => Err(MemberError::InstanceFenced),
            Some(Some(known)) => Ok(known.clone()),
            None if self.members.contains_key(id) => Ok(id.detached()),
            None => Err(MemberError::UnknownMember),
        }
    }
}
