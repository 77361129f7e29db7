//! Joining: for the first time, again, or in the place of a static member.

use bytes::Bytes;
use millstream_protocol::Str;
use millstream_protocol::message::join_group::JoinGroupRequest;
use tokio::sync::oneshot;

use super::member::{ClassicMember, is_same, knows, protocols, rebalance_timeout_ms};
use super::{Change, Classic, ClassicState, Now};
use crate::group::error::JoinAnswer;
use crate::group::{Client, JoinRefused, MemberError};
use crate::limit;

/// A member that cannot heartbeat yet, since it waits for its first answer, is given up after this.
const NEW_MEMBER_TIMEOUT_MS: i64 = 5 * 60 * 1000;

/// The client that asks.
pub(in crate::group) struct Joining<'a> {
    pub request: &'a JoinGroupRequest,
    pub version: i16,
    pub client: Client,
}

impl Joining<'_> {
    /// From this version on a member learns its id before it counts (KIP-394).
    pub(in crate::group) fn needs_known_id(&self) -> bool {
        self.version >= 4 && self.request.group_instance_id.is_none()
    }
}

fn new_member_id(prefix: &str) -> Str {
    format!("{prefix}-{}", crate::group::member_id::uuid()).into()
}

impl Classic {
    /// A member joins; the answer may come later.
    pub(in crate::group) fn join(&mut self, joining: Joining<'_>, answer: oneshot::Sender<JoinAnswer>, now: &Now) -> Change {
        match self.try_join(joining, answer, now) {
            Ok(change) => change,
            Err((answer, told)) => {
                // The client may have hung up.
                let _ = answer.send(told);
                Change::None
            }
        }
    }

    #[expect(clippy::result_large_err, reason = "the answer and its way back, used at once")]
    fn try_join(
        &mut self,
        joining: Joining<'_>,
        answer: oneshot::Sender<JoinAnswer>,
        now: &Now,
    ) -> Result<Change, (oneshot::Sender<JoinAnswer>, JoinAnswer)> {
        let request = joining.request;
        let member_id = request.member_id.detached();
        let instance_id = request.group_instance_id.as_ref().map(Str::detached);
        let refused = |member_id: Str, error: MemberError| Err(JoinRefused { member_id, error });
        if self.is_full(&member_id, now) {
            return Err((answer, refused(Str::default(), MemberError::GroupFull)));
        }
        if !self.supports(request) {
            return Err((answer, refused(member_id, MemberError::OtherProtocol)));
        }
        if member_id.is_empty() {
            let new_id = new_member_id(instance_id.as_ref().unwrap_or(&joining.client.id));
            let replaced = instance_id.as_ref().and_then(|instance_id| self.by_instance.get(instance_id).cloned());
            if let (Some(instance_id), Some(old_id)) = (&instance_id, replaced) {
                return Ok(self.replace(&old_id, new_id, instance_id.clone(), &joining, answer, now));
            }
            if joining.needs_known_id() {
                if self.promised.len() >= limit::PROMISED_MEMBER_IDS_MAX {
                    return Err((answer, refused(member_id, MemberError::GroupFull)));
                }
                self.promised.insert(new_id.clone(), now.ms + i64::from(request.session_timeout_ms));
                return Err((answer, refused(new_id, MemberError::IdRequired)));
            }
            return Ok(self.add(new_id, &joining, answer, now));
        }
        if self.promised.contains_key(&member_id) && instance_id.is_none() {
            return Ok(self.add(member_id, &joining, answer, now));
        }
        if let Err(error) = self.check_member(&member_id, instance_id.as_ref()) {
            return Err((answer, refused(member_id, error)));
        }
        let is_leader = self.leader.as_ref() == Some(&member_id);
        let is_same = self.members.get(&member_id).is_some_and(|member| is_same(&member.protocols, &request.protocols));
        match self.state {
            ClassicState::Empty => Err((answer, refused(member_id, MemberError::UnknownMember))),
            // It missed the answer, or nothing changed for it: the generation stands.
            ClassicState::Completing if is_same => Err((answer, Ok(self.joined(&member_id)))),
            ClassicState::Stable if is_same && !is_leader => Err((answer, Ok(self.joined(&member_id)))),
            ClassicState::Preparing | ClassicState::Completing | ClassicState::Stable => Ok(self.rejoin(&member_id, &joining, answer, now)),
        }
    }

    fn is_full(&self, member_id: &Str, now: &Now) -> bool {
        match self.state {
            ClassicState::Empty => false,
            // A client that comes too late is refused, even if it was a member; one that waits already may ask again.
            ClassicState::Preparing => {
                let is_waiting = self.members.get(member_id).is_some_and(|member| member.joining.is_some());
                !is_waiting && self.members.values().filter(|member| member.joining.is_some()).count() >= now.size_max
            }
            ClassicState::Completing | ClassicState::Stable => !self.members.contains_key(member_id) && self.members.len() >= now.size_max,
        }
    }

    fn supports(&self, request: &JoinGroupRequest) -> bool {
        if request.protocol_type.is_empty() || request.protocols.is_empty() || request.protocols.len() > limit::MEMBER_PROTOCOLS_MAX {
            return false;
        }
        if self.state == ClassicState::Empty || self.members.is_empty() {
            return true;
        }
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && request.protocols.iter().any(|offered| self.members.values().all(|member| knows(&member.protocols, &offered.name)))
    }

    fn add(&mut self, id: Str, joining: &Joining<'_>, answer: oneshot::Sender<JoinAnswer>, now: &Now) -> Change {
        let request = joining.request;
        self.promised.remove(&id);
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.detached());
        }
        if let Some(instance_id) = &request.group_instance_id {
            self.by_instance.insert(instance_id.detached(), id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        let session_timeout_ms = i64::from(request.session_timeout_ms);
        let member = ClassicMember {
            instance_id: request.group_instance_id.as_ref().map(Str::detached),
            client: joining.client.clone(),
            session_timeout_ms,
            rebalance_timeout_ms: rebalance_timeout_ms(request),
            protocols: protocols(request),
            assignment: Bytes::new(),
            joining: Some(answer),
            syncing: None,
            has_synced: false,
            is_new: true,
            deadline_ms: now.ms + NEW_MEMBER_TIMEOUT_MS,
        };
        self.members.insert(id, member);
        if let Some(rebalance) = &mut self.rebalance {
            rebalance.has_new_member = true;
        }
        self.rebalance_or_complete(now)
    }

    fn rejoin(&mut self, id: &Str, joining: &Joining<'_>, answer: oneshot::Sender<JoinAnswer>, now: &Now) -> Change {
        if let Some(member) = self.members.get_mut(id) {
            let request = joining.request;
            member.protocols = protocols(request);
            member.session_timeout_ms = request.session_timeout_ms.into();
            member.rebalance_timeout_ms = rebalance_timeout_ms(request);
            member.joining = Some(answer);
            member.deadline_ms = now.ms + member.session_timeout_ms;
        }
        self.rebalance_or_complete(now)
    }

    /// A static member comes back under a new id: a client with the old one is fenced (KIP-345).
    fn replace(
        &mut self,
        old_id: &Str,
        new_id: Str,
        instance_id: Str,
        joining: &Joining<'_>,
        answer: oneshot::Sender<JoinAnswer>,
        now: &Now,
    ) -> Change {
        let Some(mut member) = self.members.remove(old_id) else { return Change::None };
        if let Some(fenced) = member.joining.take() {
            let _ = fenced.send(Err(JoinRefused { member_id: old_id.clone(), error: MemberError::InstanceFenced }));
        }
        if let Some(fenced) = member.syncing.take() {
            let _ = fenced.send(Err(MemberError::InstanceFenced));
        }
        let old_leader = self.leader.clone();
        let was_leader = old_leader.as_ref() == Some(old_id);
        if was_leader {
            self.leader = Some(new_id.clone());
        }
        self.by_instance.insert(instance_id, new_id.clone());
        let old_protocols = std::mem::replace(&mut member.protocols, protocols(joining.request));
        member.session_timeout_ms = joining.request.session_timeout_ms.into();
        member.rebalance_timeout_ms = rebalance_timeout_ms(joining.request);
        member.deadline_ms = now.ms + member.session_timeout_ms;
        let keeps_protocol = is_same(&old_protocols, &joining.request.protocols);
        self.members.insert(new_id.clone(), member);
        if self.state == ClassicState::Stable && (keeps_protocol || self.selected_protocol() == self.protocol_name) {
            let mut response = self.joined(&new_id);
            if joining.version >= 9 {
                response.skip_assignment = was_leader;
            } else {
                // It must not take itself for the leader: the assignment stands.
                response.leader = old_leader.unwrap_or_default();
                response.members.clear();
            }
            let _ = answer.send(Ok(response));
            return Change::Settled;
        }
        if let Some(member) = self.members.get_mut(&new_id) {
            member.joining = Some(answer);
        }
        self.rebalance_or_complete(now)
    }
}
