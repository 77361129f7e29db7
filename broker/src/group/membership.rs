//! Members: joining, assigning, showing that they are there, leaving.

use millstream_protocol::message::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use millstream_protocol::message::heartbeat::HeartbeatRequest;
use millstream_protocol::message::join_group::{JoinGroupRequest, JoinGroupResponse};
use millstream_protocol::message::leave_group::{LeaveGroupRequest, LeaveGroupResponse, LeavingMember, LeftMember};
use millstream_protocol::message::sync_group::{SyncGroupRequest, SyncGroupResponse};
use millstream_protocol::{ErrorCode, Str, TopicId};
use tokio::sync::oneshot;

use super::classic::{Classic, Joining, Now, join_failed, sync_failed};
use super::consumer::{Changes, Consumer, LEAVE, LEAVE_STATIC, RefusedHeartbeat, Surroundings};
use super::entries::{classic_entry, consumer_entries};
use super::record::Key;
use super::shelf::{Group, GroupKind};
use super::{Client, Groups, consumer, is_group_id};
use crate::catalog::Listing;
use crate::journal::JournalEntry;

impl Groups {
    /// A member joins a classic group. The answer comes when the group has settled.
    pub(crate) fn join(&self, request: &JoinGroupRequest, version: i16, client: Client) -> oneshot::Receiver<JoinGroupResponse> {
        let (sender, receiver) = oneshot::channel();
        let fail = |sender: oneshot::Sender<JoinGroupResponse>, code| {
            // The other end is right here.
            let _ = sender.send(join_failed(&request.member_id, code));
        };
        if !is_group_id(&request.group_id) {
            fail(sender, ErrorCode::INVALID_GROUP_ID);
        } else if !self.settings.session_timeout_ms.contains(&request.session_timeout_ms.into()) {
            fail(sender, ErrorCode::INVALID_SESSION_TIMEOUT);
        } else if !request.member_id.is_empty() && !self.shelf.lock().groups.contains_key(&request.group_id) {
            fail(sender, ErrorCode::UNKNOWN_MEMBER_ID);
        } else {
            let id = &request.group_id;
            self.with_new(
                id,
                |now| GroupKind::Classic(Classic::new(now.wall_ms)),
                |group, now, entries| {
                    let joining = Joining { request, version, client };
                    match classic_kind(id, group, now.wall_ms, entries) {
                        Some(classic) => {
                            let change = classic.join(joining, sender, now);
                            entries.extend(classic_entry(id, classic, change));
                        }
                        None => match self.join_consumers(joining, group, now, entries) {
                            // The other end is right here.
                            Ok(response) => drop(sender.send(response)),
                            Err(code) => fail(sender, code),
                        },
                    }
                },
            );
        }
        receiver
    }

    /// A member of the classic protocol joins a group that has consumers.
    fn join_consumers(
        &self,
        joining: Joining<'_>,
        group: &mut Group,
        now: &Now,
        entries: &mut Vec<JournalEntry>,
    ) -> Result<JoinGroupResponse, ErrorCode> {
        let id = &joining.request.group_id;
        let GroupKind::Consumer(consumer) = &mut group.kind else { return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL) };
        let listing = self.catalog.listing();
        let (epoch, mut changes) = (consumer.epoch, Changes::default());
        let downgrade = (self.settings.is_downgrade_allowed, self.settings.size_max);
        let joined = consumer.join(joining, downgrade, &self.world(id, &listing, now), &mut changes)?;
        match joined.replaced_the_last {
            None => entries.extend(consumer_entries(id, consumer, changes)),
            Some(is_rebalancing) => self.downgrade(id, group, epoch, is_rebalancing, changes, now, entries),
        }
        Ok(joined.response)
    }

    /// What a consumer group does not know by itself.
    fn world<'a>(&'a self, id: &str, listing: &'a Listing, now: &Now) -> Surroundings<'a> {
        Surroundings {
            now_ms: now.ms,
            listing,
            settings: self.owns.holding(id, self.of_all()),
            size_max: self.settings.consumer_size_max,
            assignors: &self.settings.assignors,
        }
    }

    /// A member asks for its share, which may have to wait for the leader.
    pub(crate) fn sync(&self, request: SyncGroupRequest, version: i16) -> oneshot::Receiver<SyncGroupResponse> {
        let (sender, receiver) = oneshot::channel();
        if !is_group_id(&request.group_id) {
            let _ = sender.send(sync_failed(ErrorCode::INVALID_GROUP_ID));
            return receiver;
        }
        if version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
            let _ = sender.send(sync_failed(ErrorCode::INCONSISTENT_GROUP_PROTOCOL));
            return receiver;
        }
        let id = request.group_id.clone();
        // Without a group the sender goes, and the receiver knows.
        self.with(&id, |group, now, entries| match &mut group.kind {
            GroupKind::Classic(classic) => {
                let change = classic.sync(request, sender, now);
                entries.extend(classic_entry(&id, classic, change));
            }
            GroupKind::Consumer(consumer) => {
                let synced = consumer.sync(&request, &self.catalog.listing(), now.ms);
                let _ = sender.send(synced.unwrap_or_else(sync_failed));
            }
        });
        receiver
    }

    /// A member of a classic group shows that it is there.
    pub(crate) fn heartbeat(&self, request: &HeartbeatRequest) -> ErrorCode {
        if !is_group_id(&request.group_id) {
            return ErrorCode::INVALID_GROUP_ID;
        }
        let act = |group: &mut Group, now: &Now| match &mut group.kind {
            GroupKind::Classic(classic) => {
                classic.heartbeat(&request.member_id, request.group_instance_id.as_ref(), request.generation_id, now)
            }
            GroupKind::Consumer(consumer) => consumer.classic_heartbeat(request, now.ms),
        };
        let mut shelf = self.shelf.lock();
        // A member that has to join a consumer group again has a deadline for it.
        let is_due_sooner = shelf.groups.get(&request.group_id).is_some_and(|group| matches!(group.kind, GroupKind::Consumer(_)));
        let code = if is_due_sooner {
            self.with_locked(&mut shelf, &request.group_id, |group, now, _| act(group, now))
        } else {
            self.look_locked(&mut shelf, &request.group_id, act)
        };
        code.unwrap_or(ErrorCode::UNKNOWN_MEMBER_ID)
    }

    /// Members leave a classic group, or are removed from a group of any kind by their lasting names.
    pub(crate) fn leave(&self, request: LeaveGroupRequest, version: i16) -> LeaveGroupResponse {
        if !is_group_id(&request.group_id) {
            return LeaveGroupResponse { error_code: ErrorCode::INVALID_GROUP_ID, ..Default::default() };
        }
        let id = &request.group_id;
        let leaving =
            if version >= 3 { request.members } else { vec![LeavingMember { member_id: request.member_id, ..Default::default() }] };
        let code = |result: Result<(), ErrorCode>| result.err().unwrap_or(ErrorCode::NONE);
        let left = self.with(id, |group, now, entries| match &mut group.kind {
            GroupKind::Classic(classic) => {
                let mut leave = |member: &LeavingMember| {
                    let change = classic.leave(&member.member_id, member.group_instance_id.as_ref(), now)?;
                    entries.extend(classic_entry(id, classic, change));
                    Ok(())
                };
                leaving.iter().map(|member| code(leave(member))).collect()
            }
            GroupKind::Consumer(_) => self.take_members(id, group, now, entries, |consumer, changes| {
                let found = leaving.iter().map(|member| consumer.find(&member.member_id, member.group_instance_id.as_ref()));
                let found: Vec<Result<Str, ErrorCode>> = found.collect();
                consumer.remove_all(&found.iter().flatten().cloned().collect(), changes);
                found.into_iter().map(|found| code(found.map(drop))).collect()
            }),
        });
        let left = left.unwrap_or_else(|| vec![ErrorCode::UNKNOWN_MEMBER_ID; leaving.len()]);
        if version < 3 {
            return LeaveGroupResponse { error_code: left[0], ..Default::default() };
        }
        let members = leaving.into_iter().zip(left);
        LeaveGroupResponse {
            members: members
                .map(|(member, error_code)| LeftMember {
                    member_id: member.member_id,
                    group_instance_id: member.group_instance_id,
                    error_code,
                })
                .collect(),
            ..Default::default()
        }
    }

    /// A member of a consumer group: joins, goes on, or leaves.
    pub(crate) fn consumer_heartbeat(
        &self,
        request: &ConsumerGroupHeartbeatRequest,
        version: i16,
        client: Client,
    ) -> ConsumerGroupHeartbeatResponse {
        self.try_consumer_heartbeat(request, version, client).unwrap_or_else(|(error_code, sentence)| ConsumerGroupHeartbeatResponse {
            error_code,
            error_message: Some(sentence.into()),
            ..Default::default()
        })
    }

    fn try_consumer_heartbeat(
        &self,
        request: &ConsumerGroupHeartbeatRequest,
        version: i16,
        client: Client,
    ) -> Result<ConsumerGroupHeartbeatResponse, RefusedHeartbeat> {
        consumer::check(request, version, &self.settings.assignors)?;
        if !is_group_id(&request.group_id) {
            return Err((ErrorCode::INVALID_GROUP_ID, "The group id is too long.".into()));
        }
        let id = &request.group_id;
        if matches!(request.member_epoch, LEAVE | LEAVE_STATIC) {
            let left = self.with(id, |group, now, entries| match &group.kind {
                GroupKind::Classic(_) => Err(not_a_consumer_group(id)),
                GroupKind::Consumer(_) => self.take_members(id, group, now, entries, |consumer, changes| consumer.leave(request, changes)),
            });
            left.unwrap_or_else(|| Err((ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {id} not found."))))?;
            return Ok(ConsumerGroupHeartbeatResponse {
                member_id: Some(request.member_id.clone()),
                member_epoch: request.member_epoch,
                ..Default::default()
            });
        }
        let member_id = if request.member_id.is_empty() { TopicId(rand::random()).to_string().into() } else { request.member_id.clone() };
        let act = |group: &mut Group, now: &Now, entries: &mut Vec<JournalEntry>| {
            // Of two requests the later one knows no older topics.
            let listing = self.catalog.listing();
            let world = self.world(id, &listing, now);
            let mut changes = Changes::default();
            if let GroupKind::Classic(classic) = &mut group.kind {
                let upgraded = if request.member_epoch == 0 { self.upgraded(classic, &listing, now) } else { None };
                let mut consumer = upgraded.ok_or_else(|| not_a_consumer_group(id))?;
                // A refused member changes nothing.
                let answer = consumer.heartbeat(request, &member_id, client, &world, &mut changes)?;
                changes.is_group_changed = true;
                changes.members.extend(consumer.members.keys().cloned());
                classic.refuse_waiting(ErrorCode::REBALANCE_IN_PROGRESS);
                entries.extend(consumer_entries(id, &consumer, changes));
                group.kind = GroupKind::Consumer(consumer);
                return Ok(answer);
            }
            let GroupKind::Consumer(consumer) = &mut group.kind else { return Err(not_a_consumer_group(id)) };
            let answer = consumer.heartbeat(request, &member_id, client, &world, &mut changes);
            entries.extend(consumer_entries(id, consumer, changes));
            answer
        };
        if request.member_epoch == 0 {
            return self.with_new(id, |_| GroupKind::Consumer(Consumer::new()), act);
        }
        self.with(id, act).unwrap_or_else(|| Err((ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {id} not found."))))
    }
}

fn not_a_consumer_group(id: &str) -> RefusedHeartbeat {
    (ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {id} is not a consumer group."))
}

/// The group as a classic one; an empty consumer group becomes one.
fn classic_kind<'g>(id: &str, group: &'g mut Group, wall_ms: i64, entries: &mut Vec<JournalEntry>) -> Option<&'g mut Classic> {
    if matches!(&group.kind, GroupKind::Consumer(consumer) if consumer.members.is_empty()) {
        group.kind = GroupKind::Classic(Classic::new(wall_ms));
        entries.push(Key::Group { group: id.to_owned() }.forget());
    }
    match &mut group.kind {
        GroupKind::Classic(classic) => Some(classic),
        GroupKind::Consumer(_) => None,
    }
}
