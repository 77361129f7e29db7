//! The leader brings everybody's share, and everybody fetches it.

use std::collections::HashMap;

use bytes::Bytes;
use millstream_protocol::Str;
use millstream_protocol::message::sync_group::{SyncGroupRequest, SyncGroupResponse};
use tokio::sync::oneshot;

use super::{Change, Classic, ClassicState, Now};
use crate::group::MemberError;
use crate::group::error::SyncAnswer;

impl Classic {
    /// A member asks for its share; the leader brings everybody's.
    pub(in crate::group) fn sync(&mut self, request: SyncGroupRequest, answer: oneshot::Sender<SyncAnswer>, now: &Now) -> Change {
        let checked = self.check_member(&request.member_id, request.group_instance_id.as_ref()).and_then(|()| {
            let is_other = |asked: &Option<Str>, is: &Option<Str>| asked.is_some() && asked != is;
            match self.state {
                _ if request.generation_id != self.generation => Err(MemberError::StaleGeneration),
                _ if is_other(&request.protocol_type, &self.protocol_type) => Err(MemberError::OtherProtocol),
                _ if is_other(&request.protocol_name, &self.protocol_name) => Err(MemberError::OtherProtocol),
                ClassicState::Empty => Err(MemberError::UnknownMember),
                ClassicState::Preparing => Err(MemberError::Rebalancing),
                ClassicState::Completing | ClassicState::Stable => Ok(()),
            }
        });
        if let Err(error) = checked {
            let _ = answer.send(Err(error));
            return Change::None;
        }
        if let Some(member) = self.members.get_mut(&request.member_id) {
            member.has_synced = true;
            member.deadline_ms = now.ms + member.session_timeout_ms;
            member.syncing = Some(answer);
        }
        if self.state == ClassicState::Stable {
            self.hand_out(now);
            return Change::None;
        }
        if self.leader.as_ref() != Some(&request.member_id) {
            return Change::None;
        }
        let shares = request.assignments.into_iter();
        let mut shares: HashMap<Str, Bytes> = shares.map(|share| (share.member_id, Bytes::copy_from_slice(&share.assignment))).collect();
        for (id, member) in &mut self.members {
            member.assignment = shares.remove(id).unwrap_or_default();
        }
        self.enter(ClassicState::Stable, now);
        self.hand_out(now);
        Change::Settled
    }

    fn hand_out(&mut self, now: &Now) {
        for member in self.members.values_mut() {
            if let Some(syncing) = member.syncing.take() {
                member.deadline_ms = now.ms + member.session_timeout_ms;
                let _ = syncing.send(Ok(SyncGroupResponse {
                    protocol_type: self.protocol_type.clone(),
                    protocol_name: self.protocol_name.clone(),
                    assignment: member.assignment.clone(),
                    ..Default::default()
                }));
            }
        }
        if self.members.values().all(|member| member.has_synced) {
            self.sync_ends_ms = None;
        }
    }
}
