//! The way of one member to its target assignment: it revokes partitions, says so, and gets those that others have revoked. Kafka's `CurrentAssignmentBuilder`.

use millstream_protocol::Str;

use super::member::{Member, MemberState};
use super::partitions::{both, flat, has, intersects, union, without};
use super::{Changes, Consumer, Surroundings};
use crate::group::assignor::Partitions;

impl Consumer {
    /// Leads a member one step towards its target.
    pub(in crate::group) fn reconcile(
        &mut self,
        id: &Str,
        owned: Option<&Partitions>,
        is_changed: bool,
        world: &Surroundings<'_>,
        changes: &mut Changes,
    ) {
        let Some(mut member) = self.members.remove(id) else { return };
        let is_acknowledged = owned.is_some_and(|owned| !intersects(owned, &member.revoking));
        let is_due = match member.state {
            MemberState::Stable => member.epoch != self.target_epoch,
            MemberState::Revoking => is_acknowledged,
            MemberState::Waiting => true,
        };
        if is_due || is_changed {
            let (epoch, state) = (member.epoch, member.state);
            let (assigned, revoking) = (member.assigned.clone(), member.revoking.clone());
            if is_due {
                let target = self.target_of(id, &member, world);
                self.step(id, &mut member, &target, owned, world);
            } else {
                self.unsubscribe(&mut member, owned, world);
            }
            if (epoch, state) != (member.epoch, member.state) || assigned != member.assigned || revoking != member.revoking {
                changes.members.insert(id.clone());
            }
        }
        self.members.insert(id.clone(), member);
    }

    /// What a member is to have; of a target that is too old, what it is still subscribed to.
    fn target_of(&self, id: &Str, member: &Member, world: &Surroundings<'_>) -> Partitions {
        let mut target = self.targets.get(id).cloned().unwrap_or_default();
        if self.target_epoch < self.epoch {
            let subscribed = member.subscribed(&world.listing.topics);
            target.retain(|topic, _| subscribed.contains(topic));
        }
        target
    }

    /// A member revokes at once what it is no longer subscribed to, whatever its target says.
    fn unsubscribe(&mut self, member: &mut Member, owned: Option<&Partitions>, world: &Surroundings<'_>) {
        let subscribed = member.subscribed(&world.listing.topics);
        let (kept, revoked): (Partitions, Partitions) =
            std::mem::take(&mut member.assigned).into_iter().partition(|(topic, _)| subscribed.contains(topic));
        member.assigned = kept;
        if revoked.is_empty() {
            return;
        }
        let revoking = union(&member.revoking, &revoked);
        if owned.is_none_or(|owned| intersects(owned, &revoking)) {
            self.revoke(member, revoking, world);
        } else {
            self.release_partitions(member, &revoked);
        }
    }

    /// A member has to revoke partitions, and to say that it did.
    fn revoke(&mut self, member: &mut Member, revoking: Partitions, world: &Surroundings<'_>) {
        member.revoking = revoking;
        member.state = MemberState::Revoking;
        // One of the classic protocol has other ways to be late.
        if member.classic.is_none() {
            member.revoke_ends_ms = Some(world.now_ms + member.rebalance_timeout_ms);
            self.expect(world.now_ms + member.rebalance_timeout_ms);
        }
    }

    /// Partitions that a member has revoked are nobody's.
    fn release_partitions(&mut self, member: &mut Member, revoked: &Partitions) {
        flat(revoked).for_each(|partition| {
            self.owners.remove(&partition);
        });
        member.since.retain(|partition, _| has(&member.assigned, partition));
    }

    fn step(&mut self, id: &Str, member: &mut Member, target: &Partitions, owned: Option<&Partitions>, world: &Surroundings<'_>) {
        for partition in flat(&member.revoking) {
            self.owners.remove(&partition);
        }
        member.revoking.clear();
        member.revoke_ends_ms = None;
        let kept = both(&member.assigned, target);
        let revoked = without(&member.assigned, &kept);
        let must_revoke = owned.is_none_or(|owned| intersects(owned, &revoked));
        member.assigned = kept;
        if !revoked.is_empty() && must_revoke {
            self.revoke(member, revoked, world);
            return;
        }
        self.release_partitions(member, &revoked);
        let missing = without(target, &member.assigned);
        let mut is_waiting = false;
        for (topic, partition) in flat(&missing) {
            match self.owners.get(&(topic, partition)) {
                Some(owner) if owner != id => is_waiting = true,
                _ => {
                    member.assigned.entry(topic).or_default().insert(partition);
                    member.since.insert((topic, partition), self.target_epoch);
                    self.owners.insert((topic, partition), id.clone());
                }
            }
        }
        member.state = if is_waiting { MemberState::Waiting } else { MemberState::Stable };
        if member.epoch != self.target_epoch {
            member.previous_epoch = member.epoch;
            member.epoch = self.target_epoch;
        }
    }
}
