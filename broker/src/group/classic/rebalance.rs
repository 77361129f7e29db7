//! The wait for all members to join, and the generation that begins with its end.

use millstream_protocol::Str;
use millstream_protocol::message::join_group::{JoinGroupResponse, JoinedMember};

use super::member::knows;
use super::{Change, Classic, ClassicState, Now, Rebalance};
use crate::group::MemberError;

/// A rebalance that nobody has come to is looked at again after this, however short the members' own timeouts are.
const REBALANCE_PAUSE_MS: i64 = 100;

impl Classic {
    pub(super) fn rebalance_or_complete(&mut self, now: &Now) -> Change {
        match self.state {
            ClassicState::Preparing => self.maybe_complete_join(now),
            ClassicState::Empty | ClassicState::Completing | ClassicState::Stable => self.prepare(now),
        }
    }

    /// A rebalance begins.
    pub(in crate::group) fn prepare(&mut self, now: &Now) -> Change {
        for member in self.members.values_mut() {
            member.has_synced = false;
            if let Some(syncing) = member.syncing.take() {
                let _ = syncing.send(Err(MemberError::Rebalancing));
            }
        }
        self.sync_ends_ms = None;
        let timeout_ms = self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0);
        let is_initial = self.state == ClassicState::Empty;
        self.rebalance = Some(if is_initial {
            let delay_ms = now.initial_delay_ms.min(timeout_ms);
            Rebalance { ends_ms: now.ms + delay_ms, initial_left_ms: Some((timeout_ms - delay_ms).max(0)), has_new_member: false }
        } else {
            Rebalance { ends_ms: now.ms + timeout_ms, initial_left_ms: None, has_new_member: false }
        });
        self.enter(ClassicState::Preparing, now);
        if is_initial && now.initial_delay_ms > 0 { Change::None } else { self.maybe_complete_join(now) }
    }

    pub(super) fn maybe_complete_join(&mut self, now: &Now) -> Change {
        let is_delayed = self.rebalance.is_some_and(|rebalance| rebalance.initial_left_ms.is_some() && rebalance.ends_ms > now.ms);
        let all_joined = self.promised.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if self.state == ClassicState::Preparing && all_joined && !is_delayed { self.complete_join(now) } else { Change::None }
    }

    /// The wait is over: members that did not join are removed, and a generation begins.
    pub(super) fn complete_join(&mut self, now: &Now) -> Change {
        let absent: Vec<Str> = self
            .members
            .iter()
            .filter(|(_, member)| member.joining.is_none() && member.instance_id.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        absent.iter().for_each(|id| self.forget(id));
        let leader_joined = self.leader.as_ref().and_then(|id| self.members.get(id)).is_some_and(|member| member.joining.is_some());
        if !leader_joined {
            let joined = self.members.iter().find(|(_, member)| member.joining.is_some()).map(|(id, _)| id.clone());
            if joined.is_none() && !self.members.is_empty() {
                // Nobody but static members that are away: wait for them, until their sessions end.
                let timeout_ms = self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0).max(REBALANCE_PAUSE_MS);
                self.rebalance = Some(Rebalance { ends_ms: now.ms + timeout_ms, initial_left_ms: None, has_new_member: false });
                return Change::None;
            }
            self.leader = joined;
        }
        self.rebalance = None;
        self.generation = self.generation.wrapping_add(1).max(1);
        if self.members.is_empty() {
            self.protocol_name = None;
            self.leader = None;
            self.enter(ClassicState::Empty, now);
            return Change::Settled;
        }
        self.protocol_name = self.selected_protocol();
        self.enter(ClassicState::Completing, now);
        let timeout_ms = self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0);
        self.sync_ends_ms = Some(now.ms + timeout_ms);
        let ids: Vec<Str> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.joined(&id);
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
                member.has_synced = false;
                member.deadline_ms = now.ms + member.session_timeout_ms;
                if let Some(joining) = member.joining.take() {
                    let _ = joining.send(Ok(response));
                }
            }
        }
        Change::None
    }

    /// The generation, as members see it.
    pub(super) fn joined(&self, member_id: &Str) -> JoinGroupResponse {
        let protocol = self.protocol_name.clone().unwrap_or_default();
        let is_leader = self.leader.as_ref() == Some(member_id);
        let members = self.members.iter().map(|(id, member)| JoinedMember {
            member_id: id.clone(),
            group_instance_id: member.instance_id.clone(),
            metadata: member.metadata(&protocol),
        });
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: Some(protocol.clone()),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: member_id.clone(),
            members: if is_leader { members.collect() } else { Vec::new() },
            ..Default::default()
        }
    }

    /// Each member votes for the first of its protocols that all know.
    pub(in crate::group) fn selected_protocol(&self) -> Option<Str> {
        let mut votes: Vec<(Str, usize)> = Vec::new();
        let mut common: Vec<&Str> = self.members.values().next()?.protocols.iter().map(|(name, _)| name).collect();
        for member in self.members.values() {
            common.retain(|name| knows(&member.protocols, name));
        }
        for member in self.members.values() {
            let Some((vote, _)) = member.protocols.iter().find(|(name, _)| common.contains(&name)) else { continue };
            match votes.iter_mut().find(|(name, _)| name == vote) {
                Some((_, count)) => *count += 1,
                None => votes.push((vote.clone(), 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name)
    }
}
