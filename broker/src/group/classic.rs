//! The state machine of a classic group: members join, one of them assigns, everybody syncs; and again whenever somebody
//! comes or goes. Pure: a request or the time comes in, answers and a record to be kept come out.
//!
//! ```text
//!  Empty ──join──▶ Preparing ──all have joined, or time is up──▶ Completing ──the leader's sync──▶ Stable
//!    ▲                 ▲  │                                          │                              │
//!    └──nobody left────│──┘◀─────────────a member comes or goes──────┴──────────────────────────────┘
//! ```
//!
//! The rules are those of Kafka's `GroupMetadataManager` (`classicGroup…`).

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use millstream_protocol::message::join_group::{JoinGroupRequest, JoinGroupResponse, JoinProtocol, JoinedMember};
use millstream_protocol::message::sync_group::{SyncGroupRequest, SyncGroupResponse};
use millstream_protocol::{ErrorCode, Str};
use tokio::sync::oneshot;

use super::Client;
use super::record::{ClassicMemberValue, ClassicValue};

/// Where the group is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Empty,
    Preparing,
    Completing,
    Stable,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Preparing => "PreparingRebalance",
            State::Completing => "CompletingRebalance",
            State::Stable => "Stable",
        }
    }
}

/// A member that cannot heartbeat yet, since it waits for its first answer, is given up after this.
const NEW_MEMBER_TIMEOUT_MS: i64 = 5 * 60 * 1000;

/// A rebalance that nobody has come to is looked at again after this, however short the members' own timeouts are.
const REBALANCE_PAUSE_MS: i64 = 100;
/// Ids that were given out and not used are kept for a session: no more than this many.
const PROMISED_MAX: usize = 10_000;
/// Clients offer a handful; every one is compared with every member's.
const PROTOCOLS_MAX: usize = 256;

/// A member.
#[derive(Debug)]
pub(super) struct Member {
    pub instance_id: Option<Str>,
    pub client: Client,
    pub session_timeout_ms: i64,
    pub rebalance_timeout_ms: i64,
    /// Ways of assigning with what the leader needs to know, the best first.
    pub protocols: Vec<(Str, Bytes)>,
    pub assignment: Bytes,
    joining: Option<oneshot::Sender<JoinGroupResponse>>,
    syncing: Option<oneshot::Sender<SyncGroupResponse>>,
    has_synced: bool,
    is_new: bool,
    /// When it is gone unless it shows that it is there.
    deadline_ms: i64,
}

impl Member {
    fn is_waiting(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    fn is_expired(&self, now_ms: i64) -> bool {
        self.deadline_ms <= now_ms && (self.is_new || !self.is_waiting())
    }

    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|(name, _)| *name == protocol).map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }
}

/// The wait of a rebalance for its members.
#[derive(Debug, Clone, Copy)]
struct Rebalance {
    ends_ms: i64,
    /// Of an empty group's first one: how much longer it may still be put off while members keep coming.
    initial_left_ms: Option<i64>,
    has_new_member: bool,
}

/// A group.
#[derive(Debug)]
pub(super) struct Classic {
    pub state: State,
    pub generation: i32,
    pub protocol_type: Option<Str>,
    pub protocol_name: Option<Str>,
    pub leader: Option<Str>,
    pub members: BTreeMap<Str, Member>,
    /// When the state changed, wall clock.
    pub changed_ms: i64,
    by_instance: HashMap<Str, Str>,
    /// Ids that were given out and not used yet, and when they are forgotten.
    promised: HashMap<Str, i64>,
    rebalance: Option<Rebalance>,
    /// When members that joined and do not sync are given up.
    sync_ends_ms: Option<i64>,
}

/// What the group does not know by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Monotonic.
    pub ms: i64,
    /// Wall clock.
    pub wall_ms: i64,
    pub initial_delay_ms: i64,
    pub size_max: usize,
}

/// Whether the group has something to be kept.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// A generation has settled.
    Settled,
}

impl Change {
    fn or(self, other: Change) -> Change {
        if self == Change::Settled { self } else { other }
    }
}

/// Who asks.
pub(super) struct Joining<'a> {
    pub request: &'a JoinGroupRequest,
    pub version: i16,
    pub client: Client,
}

impl Joining<'_> {
    /// From this version on a member is told its id before it counts (KIP-394).
    pub(super) fn needs_known_id(&self) -> bool {
        self.version >= 4 && self.request.group_instance_id.is_none()
    }
}

pub(super) fn join_failed(member_id: &Str, error_code: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse { error_code, member_id: member_id.clone(), protocol_name: Some(Str::default()), ..Default::default() }
}

pub(super) fn sync_failed(error_code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code, ..Default::default() }
}

fn new_member_id(prefix: &str) -> Str {
    format!("{prefix}-{}", super::membership::uuid()).into()
}

impl Classic {
    pub(super) fn new(wall_ms: i64) -> Self {
        Classic {
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol_name: None,
            leader: None,
            members: BTreeMap::new(),
            changed_ms: wall_ms,
            by_instance: HashMap::new(),
            promised: HashMap::new(),
            rebalance: None,
            sync_ends_ms: None,
        }
    }

    /// A group as an earlier process kept it. Its members have a whole session to show that they are there.
    pub(super) fn restored(value: ClassicValue, now_ms: i64) -> Self {
        let mut group = Classic::new(value.changed_ms);
        group.generation = value.generation;
        group.protocol_type = value.protocol_type.map(Into::into);
        group.protocol_name = value.protocol_name.map(Into::into);
        group.leader = value.leader.map(Into::into);
        for member in value.members {
            let id = Str::from(member.id);
            let instance_id = member.instance_id.map(Str::from);
            if let Some(instance) = &instance_id {
                group.by_instance.insert(instance.clone(), id.clone());
            }
            let restored = Member {
                instance_id,
                client: Client { id: member.client_id.into(), host: member.client_host.into() },
                session_timeout_ms: member.session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                protocols: member.protocols.into_iter().map(|(name, metadata)| (name.into(), metadata.into())).collect(),
                assignment: member.assignment.into(),
                joining: None,
                syncing: None,
                has_synced: true,
                is_new: false,
                deadline_ms: now_ms + member.session_timeout_ms,
            };
            group.members.insert(id, restored);
        }
        group.state = if group.members.is_empty() { State::Empty } else { State::Stable };
        group
    }

    /// What is kept of it.
    pub(super) fn to_value(&self) -> ClassicValue {
        let member = |(id, member): (&Str, &Member)| ClassicMemberValue {
            id: id.to_string(),
            instance_id: member.instance_id.as_ref().map(ToString::to_string),
            client_id: member.client.id.to_string(),
            client_host: member.client.host.to_string(),
            session_timeout_ms: member.session_timeout_ms,
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            protocols: member.protocols.iter().map(|(name, metadata)| (name.to_string(), metadata.to_vec())).collect(),
            assignment: member.assignment.to_vec(),
        };
        ClassicValue {
            protocol_type: self.protocol_type.as_ref().map(ToString::to_string),
            protocol_name: self.protocol_name.as_ref().map(ToString::to_string),
            generation: self.generation,
            leader: self.leader.as_ref().map(ToString::to_string),
            changed_ms: self.changed_ms,
            members: self.members.iter().map(member).collect(),
        }
    }

    /// Whether it is no more than a name.
    pub(super) fn is_unused(&self) -> bool {
        self.members.is_empty() && self.promised.is_empty()
    }

    fn enter(&mut self, state: State, now: &Now) {
        self.state = state;
        self.changed_ms = now.wall_ms;
    }

    /// Whether a request comes from a member.
    pub(super) fn check_member(&self, member_id: &Str, instance_id: Option<&Str>) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            return match self.by_instance.get(instance_id) {
                None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(known) if known != member_id => Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => Ok(()),
            };
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
    }

    /// A member joins; the answer may come later.
    pub(super) fn join(&mut self, joining: Joining<'_>, answer: oneshot::Sender<JoinGroupResponse>, now: &Now) -> Change {
        match self.try_join(joining, answer, now) {
            Ok(change) => change,
            Err((answer, response)) => {
                // The client may have hung up.
                let _ = answer.send(response);
                Change::None
            }
        }
    }

    #[expect(clippy::result_large_err, reason = "the answer and its way back, used at once")]
    fn try_join(
        &mut self,
        joining: Joining<'_>,
        answer: oneshot::Sender<JoinGroupResponse>,
        now: &Now,
    ) -> Result<Change, (oneshot::Sender<JoinGroupResponse>, JoinGroupResponse)> {
        let request = joining.request;
        let member_id = request.member_id.detached();
        let instance_id = request.group_instance_id.as_ref().map(Str::detached);
        if self.is_full(&member_id, now) {
            return Err((answer, join_failed(&Str::default(), ErrorCode::GROUP_MAX_SIZE_REACHED)));
        }
        if !self.supports(request) {
            return Err((answer, join_failed(&member_id, ErrorCode::INCONSISTENT_GROUP_PROTOCOL)));
        }
        if member_id.is_empty() {
            let new_id = new_member_id(instance_id.as_ref().unwrap_or(&joining.client.id));
            let replaced = instance_id.as_ref().and_then(|instance_id| self.by_instance.get(instance_id).cloned());
            if let (Some(instance_id), Some(old_id)) = (&instance_id, replaced) {
                return Ok(self.replace(&old_id, new_id, instance_id.clone(), &joining, answer, now));
            }
            if joining.needs_known_id() {
                if self.promised.len() >= PROMISED_MAX {
                    return Err((answer, join_failed(&member_id, ErrorCode::GROUP_MAX_SIZE_REACHED)));
                }
                self.promised.insert(new_id.clone(), now.ms + i64::from(request.session_timeout_ms));
                return Err((answer, join_failed(&new_id, ErrorCode::MEMBER_ID_REQUIRED)));
            }
            return Ok(self.add(new_id, &joining, answer, now));
        }
        if self.promised.contains_key(&member_id) && instance_id.is_none() {
            return Ok(self.add(member_id, &joining, answer, now));
        }
        if let Err(code) = self.check_member(&member_id, instance_id.as_ref()) {
            return Err((answer, join_failed(&member_id, code)));
        }
        let is_leader = self.leader.as_ref() == Some(&member_id);
        let is_same = self.members.get(&member_id).is_some_and(|member| is_same(&member.protocols, &request.protocols));
        match self.state {
            State::Empty => Err((answer, join_failed(&member_id, ErrorCode::UNKNOWN_MEMBER_ID))),
            // It missed the answer, or nothing changed for it: the generation stands.
            State::Completing if is_same => Err((answer, self.joined(&member_id))),
            State::Stable if is_same && !is_leader => Err((answer, self.joined(&member_id))),
            State::Preparing | State::Completing | State::Stable => Ok(self.rejoin(&member_id, &joining, answer, now)),
        }
    }

    fn is_full(&self, member_id: &Str, now: &Now) -> bool {
        match self.state {
            State::Empty => false,
            // Who comes too late has to go, even if it was a member; who waits already may ask again.
            State::Preparing => {
                let is_waiting = self.members.get(member_id).is_some_and(|member| member.joining.is_some());
                !is_waiting && self.members.values().filter(|member| member.joining.is_some()).count() >= now.size_max
            }
            State::Completing | State::Stable => !self.members.contains_key(member_id) && self.members.len() >= now.size_max,
        }
    }

    fn supports(&self, request: &JoinGroupRequest) -> bool {
        if request.protocol_type.is_empty() || request.protocols.is_empty() || request.protocols.len() > PROTOCOLS_MAX {
            return false;
        }
        if self.state == State::Empty || self.members.is_empty() {
            return true;
        }
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && request.protocols.iter().any(|offered| self.members.values().all(|member| knows(&member.protocols, &offered.name)))
    }

    fn add(&mut self, id: Str, joining: &Joining<'_>, answer: oneshot::Sender<JoinGroupResponse>, now: &Now) -> Change {
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
        let member = Member {
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

    fn rejoin(&mut self, id: &Str, joining: &Joining<'_>, answer: oneshot::Sender<JoinGroupResponse>, now: &Now) -> Change {
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

    /// A static member comes back under a new id: whoever has the old one is fenced (KIP-345).
    fn replace(
        &mut self,
        old_id: &Str,
        new_id: Str,
        instance_id: Str,
        joining: &Joining<'_>,
        answer: oneshot::Sender<JoinGroupResponse>,
        now: &Now,
    ) -> Change {
        let Some(mut member) = self.members.remove(old_id) else { return Change::None };
        if let Some(fenced) = member.joining.take() {
            let _ = fenced.send(join_failed(old_id, ErrorCode::FENCED_INSTANCE_ID));
        }
        if let Some(fenced) = member.syncing.take() {
            let _ = fenced.send(sync_failed(ErrorCode::FENCED_INSTANCE_ID));
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
        if self.state == State::Stable && (keeps_protocol || self.selected_protocol() == self.protocol_name) {
            let mut response = self.joined(&new_id);
            if joining.version >= 9 {
                response.skip_assignment = was_leader;
            } else {
                // It must not take itself for the leader: the assignment stands.
                response.leader = old_leader.unwrap_or_default();
                response.members.clear();
            }
            let _ = answer.send(response);
            return Change::Settled;
        }
        if let Some(member) = self.members.get_mut(&new_id) {
            member.joining = Some(answer);
        }
        self.rebalance_or_complete(now)
    }

    fn rebalance_or_complete(&mut self, now: &Now) -> Change {
        match self.state {
            State::Preparing => self.maybe_complete_join(now),
            State::Empty | State::Completing | State::Stable => self.prepare(now),
        }
    }

    /// Whoever waits for an answer gets this one.
    pub(super) fn refuse_waiting(&mut self, code: ErrorCode) {
        for (id, member) in &mut self.members {
            if let Some(joining) = member.joining.take() {
                let _ = joining.send(join_failed(id, code));
            }
            if let Some(syncing) = member.syncing.take() {
                let _ = syncing.send(sync_failed(code));
            }
        }
    }

    /// A rebalance begins.
    pub(super) fn prepare(&mut self, now: &Now) -> Change {
        for member in self.members.values_mut() {
            member.has_synced = false;
            if let Some(syncing) = member.syncing.take() {
                let _ = syncing.send(sync_failed(ErrorCode::REBALANCE_IN_PROGRESS));
            }
        }
        self.sync_ends_ms = None;
        let timeout_ms = self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0);
        let is_initial = self.state == State::Empty;
        self.rebalance = Some(if is_initial {
            let delay_ms = now.initial_delay_ms.min(timeout_ms);
            Rebalance { ends_ms: now.ms + delay_ms, initial_left_ms: Some((timeout_ms - delay_ms).max(0)), has_new_member: false }
        } else {
            Rebalance { ends_ms: now.ms + timeout_ms, initial_left_ms: None, has_new_member: false }
        });
        self.enter(State::Preparing, now);
        if is_initial && now.initial_delay_ms > 0 { Change::None } else { self.maybe_complete_join(now) }
    }

    fn maybe_complete_join(&mut self, now: &Now) -> Change {
        let is_delayed = self.rebalance.is_some_and(|rebalance| rebalance.initial_left_ms.is_some() && rebalance.ends_ms > now.ms);
        let all_joined = self.promised.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if self.state == State::Preparing && all_joined && !is_delayed { self.complete_join(now) } else { Change::None }
    }

    /// The wait is over: who has not come is out, and a generation begins.
    fn complete_join(&mut self, now: &Now) -> Change {
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
            self.enter(State::Empty, now);
            return Change::Settled;
        }
        self.protocol_name = self.selected_protocol();
        self.enter(State::Completing, now);
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
                    let _ = joining.send(response);
                }
            }
        }
        Change::None
    }

    /// The generation, as a member is told of it.
    fn joined(&self, member_id: &Str) -> JoinGroupResponse {
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
    pub(super) fn selected_protocol(&self) -> Option<Str> {
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

    /// A member asks for its share; the leader brings everybody's.
    pub(super) fn sync(&mut self, request: SyncGroupRequest, answer: oneshot::Sender<SyncGroupResponse>, now: &Now) -> Change {
        let checked = self.check_member(&request.member_id, request.group_instance_id.as_ref()).and_then(|()| {
            let is_other = |asked: &Option<Str>, is: &Option<Str>| asked.is_some() && asked != is;
            match self.state {
                _ if request.generation_id != self.generation => Err(ErrorCode::ILLEGAL_GENERATION),
                _ if is_other(&request.protocol_type, &self.protocol_type) => Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL),
                _ if is_other(&request.protocol_name, &self.protocol_name) => Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL),
                State::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
                State::Preparing => Err(ErrorCode::REBALANCE_IN_PROGRESS),
                State::Completing | State::Stable => Ok(()),
            }
        });
        if let Err(code) = checked {
            let _ = answer.send(sync_failed(code));
            return Change::None;
        }
        if let Some(member) = self.members.get_mut(&request.member_id) {
            member.has_synced = true;
            member.deadline_ms = now.ms + member.session_timeout_ms;
            member.syncing = Some(answer);
        }
        if self.state == State::Stable {
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
        self.enter(State::Stable, now);
        self.hand_out(now);
        Change::Settled
    }

    fn hand_out(&mut self, now: &Now) {
        for member in self.members.values_mut() {
            if let Some(syncing) = member.syncing.take() {
                member.deadline_ms = now.ms + member.session_timeout_ms;
                let _ = syncing.send(SyncGroupResponse {
                    protocol_type: self.protocol_type.clone(),
                    protocol_name: self.protocol_name.clone(),
                    assignment: member.assignment.clone(),
                    ..Default::default()
                });
            }
        }
        if self.members.values().all(|member| member.has_synced) {
            self.sync_ends_ms = None;
        }
    }

    /// A member shows that it is there.
    pub(super) fn heartbeat(&mut self, member_id: &Str, instance_id: Option<&Str>, generation: i32, now: &Now) -> ErrorCode {
        if let Err(code) = self.check_member(member_id, instance_id) {
            return code;
        }
        if generation != self.generation {
            return ErrorCode::ILLEGAL_GENERATION;
        }
        self.touch(member_id, now);
        match self.state {
            State::Empty => ErrorCode::UNKNOWN_MEMBER_ID,
            State::Preparing => ErrorCode::REBALANCE_IN_PROGRESS,
            State::Completing | State::Stable => ErrorCode::NONE,
        }
    }

    /// A member has shown that it is there.
    pub(super) fn touch(&mut self, member_id: &Str, now: &Now) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.deadline_ms = now.ms + member.session_timeout_ms;
        }
    }

    /// A member goes, or is removed by its lasting name.
    pub(super) fn leave(&mut self, member_id: &Str, instance_id: Option<&Str>, now: &Now) -> Result<Change, ErrorCode> {
        let id = match instance_id {
            None if self.promised.remove(member_id).is_some() => return Ok(self.maybe_complete_join(now)),
            None if self.members.contains_key(member_id) => member_id.clone(),
            None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Some(instance_id) => match self.by_instance.get(instance_id) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(known) if !member_id.is_empty() && known != member_id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(known) => known.clone(),
            },
        };
        Ok(self.remove(&id, now))
    }

    fn remove(&mut self, id: &Str, now: &Now) -> Change {
        if let Some(member) = self.members.get_mut(id)
            && let Some(joining) = member.joining.take()
        {
            let _ = joining.send(join_failed(&Str::default(), ErrorCode::UNKNOWN_MEMBER_ID));
        }
        self.forget(id);
        match self.state {
            State::Preparing => self.maybe_complete_join(now),
            State::Completing | State::Stable => self.prepare(now),
            State::Empty => Change::None,
        }
    }

    fn forget(&mut self, id: &Str) {
        if let Some(member) = self.members.remove(id)
            && let Some(instance_id) = member.instance_id
        {
            self.by_instance.remove(&instance_id);
        }
        if self.leader.as_ref() == Some(id) {
            // Who waits already comes first.
            let next = self.members.iter().find(|(_, member)| member.joining.is_some()).or_else(|| self.members.iter().next());
            self.leader = next.map(|(id, _)| id.clone());
        }
    }

    /// When something is due.
    pub(super) fn next_deadline_ms(&self) -> Option<i64> {
        let members = self.members.values().filter(|member| member.is_new || !member.is_waiting()).map(|member| member.deadline_ms);
        let rebalance = self.rebalance.map(|rebalance| rebalance.ends_ms);
        members.chain(self.promised.values().copied()).chain(rebalance).chain(self.sync_ends_ms).min()
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: &Now) -> Change {
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

pub(super) fn rebalance_timeout_ms(request: &JoinGroupRequest) -> i64 {
    // Version 0 has none.
    if request.rebalance_timeout_ms < 0 { request.session_timeout_ms.into() } else { request.rebalance_timeout_ms.into() }
}

pub(super) fn protocols(request: &JoinGroupRequest) -> Vec<(Str, Bytes)> {
    request.protocols.iter().map(|protocol| (protocol.name.detached(), Bytes::copy_from_slice(&protocol.metadata))).collect()
}

pub(super) fn knows(protocols: &[(Str, Bytes)], name: &Str) -> bool {
    protocols.iter().any(|(known, _)| known == name)
}

fn is_same(known: &[(Str, Bytes)], offered: &[JoinProtocol]) -> bool {
    known.len() == offered.len() && known.iter().zip(offered).all(|((name, metadata), new)| *name == new.name && *metadata == new.metadata)
}
