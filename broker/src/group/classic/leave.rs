//! How members go: they say so, or they are silent for too long.

use millstream_protocol::Str;

use super::{Change, Classic, ClassicState, Now, Rebalance};
use crate::group::{JoinRefused, MemberError};

impl Classic {
    /// A member goes, or is removed by its lasting name.
    pub(in crate::group) fn leave(&mut self, member_id: &Str, instance_id: Option<&Str>, now: &Now) -> Result<Change, MemberError> {
        let id = match instance_id {
            None if self.promised.remove(member_id).is_some() => return Ok(self.maybe_complete_join(now)),
            None if self.members.contains_key(member_id) => member_id.clone(),
            None => return Err(MemberError::UnknownMember),
            Some(instance_id) => match self.by_instance.get(instance_id) {
                None => return Err(MemberError::UnknownMember),
                Some(known) if !member_id.is_empty() && known != member_id => return Err(MemberError::InstanceFenced),
                Some(known) => known.clone(),
            },
        };
        Ok(self.remove(&id, now))
    }

    pub(super) fn remove(&mut self, id: &Str, now: &Now) -> Change {
        if let Some(member) = self.members.get_mut(id)
            && let Some(joining) = member.joining.take()
        {
            let _ = joining.send(Err(JoinRefused { member_id: Str::default(), error: MemberError::UnknownMember }));
        }
        self.forget(id);
        match self.state {
            ClassicState::Preparing => self.maybe_complete_join(now),
            ClassicState::Completing | ClassicState::Stable => self.prepare(now),
            ClassicState::Empty => Change::None,
        }
    }

    pub(super) fn forget(&mut self, id: &Str) {
        if let Some(member) = self.members.remove(id)
            && let Some(instance_id) = member.instance_id
        {
            self.by_instance.remove(&instance_id);
        }
        if self.leader.as_ref() == Some(id) {
            // Members that wait already come first.
            let next = self.members.iter().find(|(_, member)| member.joining.is_some()).or_else(|| self.members.iter().next());
            self.leader = next.map(|(id, _)| id.clone());
        }
    }

    /// When something is due.
    pub(in crate::group) fn next_deadline_ms(&self) -> Option<i64> {
        let members = self.members.values().filter(|member| member.is_new || !member.is_waiting()).map(|member| member.deadline_ms);
        let rebalance = self.rebalance.map(|rebalance| rebalance.ends_ms);
        members.chain(self.promised.values().copied()).chain(rebalance).chain(self.sync_ends_ms).min()
    }

    /// Time has passed.
    pub(in crate::group) fn tick(&mut self, now: &Now) -> Change {
        let mut change = Change::None;
        let before = self.promised.len();
        self.promised.retain(|_, deadline_ms| *deadline_ms > now.ms);
        if self.promised.len() < before {
            change = change.or(self.maybe_complete_join(now));
        }
        let expired: Vec<Str> = self.members.iter().filter(|(_, member)| member.is_expired(now.ms)).map(|(id, _)| id.clone()).collect();
        for id in expired {
            change = change.or(self.remove(&id, now));
        }
        if self.sync_ends_ms.is_some_and(|ends_ms| ends_ms <= now.ms) {
            self.sync_ends_ms = None;
            let late: Vec<Str> = self.members.iter().filter(|(_, member)| !member.has_synced).map(|(id, _)| id.clone()).collect();
            if !late.is_empty() {
                late.iter().for_each(|id| self.forget(id));
                change = change.or(self.prepare(now));
            }
        }
        if let Some(rebalance) = self.rebalance.filter(|rebalance| rebalance.ends_ms <= now.ms) {
            match rebalance.initial_left_ms {
                Some(left_ms) if rebalance.has_new_member && left_ms > 0 => {
                    let delay_ms = now.initial_delay_ms.min(left_ms);
                    self.rebalance =
                        Some(Rebalance { ends_ms: now.ms + delay_ms, initial_left_ms: Some(left_ms - delay_ms), has_new_member: false });
                }
                _ => change = change.or(self.complete_join(now)),
            }
        }
        change
    }
}
