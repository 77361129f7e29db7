//! Members: joining, assigning, showing that they are there, leaving.

use millstream_protocol::message::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use millstream_protocol::message::heartbeat::HeartbeatRequest;
use millstream_protocol::message::join_group::{JoinGroupRequest, JoinGroupResponse};
use millstream_protocol::message::leave_group::{LeaveGroupRequest, LeaveGroupResponse, LeavingMember, LeftMember};
use millstream_protocol::message::sync_group::{SyncGroupRequest, SyncGroupResponse};
use millstream_protocol::{ErrorCode, TopicId};
use tokio::sync::oneshot;

use super::classic::{Classic, Joining, join_failed, sync_failed};
use super::consumer::{Changes, Consumer, LEAVE, LEAVE_STATIC, Refused};
use super::record::Key;
use super::{Client, Group, Groups, Kind, World, classic_entry, consumer, consumer_entries, is_group_id};

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
                |now| Kind::Classic(Classic::new(now.wall_ms)),
                |group, now, entries| match classic_kind(id, group, now.wall_ms, entries) {
                    Some(classic) => {
                        let change = classic.join(Joining { request, version, client }, sender, now);
                        entries.extend(classic_entry(id, classic, change));
                    }
                    None => fail(sender, ErrorCode::INCONSISTENT_GROUP_PROTOCOL),
                },
            );
        }
        receiver
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
        self.with(&id, |group, now, entries| {
            if let Kind::Classic(classic) = &mut group.kind {
                let change = classic.sync(request, sender, now);
                entries.extend(classic_entry(&id, classic, change));
            }
        });
        receiver
    }

    /// A member of a classic group shows that it is there.
    pub(crate) fn heartbeat(&self, request: &HeartbeatRequest) -> ErrorCode {
        if !is_group_id(&request.group_id) {
            return ErrorCode::INVALID_GROUP_ID;
        }
        let code = self.look(&request.group_id, |group, now| match &mut group.kind {
            Kind::Classic(classic) => classic.heartbeat(&request.member_id, request.group_instance_id.as_ref(), request.generation_id, now),
            Kind::Consumer(_) => ErrorCode::UNKNOWN_MEMBER_ID,
        });
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
        let left = self.with(id, |group, now, entries| {
            let mut left = Vec::new();
            for member in &leaving {
                let instance_id = member.group_instance_id.as_ref();
                let result = match &mut group.kind {
                    Kind::Classic(classic) => classic.leave(&member.member_id, instance_id, now).map(|change| {
                        entries.extend(classic_entry(id, classic, change));
                    }),
                    Kind::Consumer(consumer) => {
                        let mut changes = Changes::default();
                        let removed = consumer.remove_by_admin(&member.member_id, instance_id, &mut changes);
                        entries.extend(consumer_entries(id, consumer, changes));
                        removed
                    }
                };
                left.push(result.err().unwrap_or(ErrorCode::NONE));
            }
            left
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
    ) -> Result<ConsumerGroupHeartbeatResponse, Refused> {
        consumer::check(request, version, &self.settings.assignors)?;
        if !is_group_id(&request.group_id) {
            return Err((ErrorCode::INVALID_GROUP_ID, "The group id is too long.".into()));
        }
        let id = &request.group_id;
        if matches!(request.member_epoch, LEAVE | LEAVE_STATIC) {
            let left = self.with(id, |group, _, entries| {
                let Kind::Consumer(consumer) = &mut group.kind else { return Err(not_a_consumer_group(id)) };
                let mut changes = Changes::default();
                let left = consumer.leave(request, &mut changes);
                entries.extend(consumer_entries(id, consumer, changes));
                left
            });
            left.unwrap_or_else(|| Err((ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {id} not found."))))?;
            return Ok(ConsumerGroupHeartbeatResponse {
                member_id: Some(request.member_id.clone()),
                member_epoch: request.member_epoch,
                ..Default::default()
            });
        }
        let member_id = if request.member_id.is_empty() { TopicId(rand::random()).to_string().into() } else { request.member_id.clone() };
        let act = |group: &mut Group, now: &super::Now, entries: &mut Vec<_>| {
            // Of two requests the later one knows no older topics.
            let listing = self.catalog.listing();
            let world = World {
                now_ms: now.ms,
                listing: &listing,
                session_timeout_ms: self.settings.consumer_session_timeout_ms,
                heartbeat_ms: self.settings.consumer_heartbeat_ms,
                size_max: self.settings.consumer_size_max,
                assignors: &self.settings.assignors,
            };
            // Who was only told an id is no member yet.
            let is_free = matches!(&group.kind, Kind::Classic(classic) if classic.members.is_empty());
            if is_free && request.member_epoch == 0 {
                group.kind = Kind::Consumer(Consumer::new());
            }
            let Kind::Consumer(consumer) = &mut group.kind else { return Err(not_a_consumer_group(id)) };
            let mut changes = Changes::default();
            let answer = consumer.heartbeat(request, &member_id, client, &world, &mut changes);
            entries.extend(consumer_entries(id, consumer, changes));
            answer
        };
        if request.member_epoch == 0 {
            return self.with_new(id, |_| Kind::Consumer(Consumer::new()), act);
        }
        self.with(id, act).unwrap_or_else(|| Err((ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {id} not found."))))
    }
}

fn not_a_consumer_group(id: &str) -> Refused {
    (ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {id} is not a consumer group."))
}

/// A random id that the broker gives out, in the usual form.
pub(super) fn uuid() -> String {
    let hex = format!("{:032x}", rand::random::<u128>());
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The group as a classic one; an empty consumer group becomes one.
fn classic_kind<'g>(id: &str, group: &'g mut Group, wall_ms: i64, entries: &mut Vec<crate::journal::Entry>) -> Option<&'g mut Classic> {
    if matches!(&group.kind, Kind::Consumer(consumer) if consumer.members.is_empty()) {
        group.kind = Kind::Classic(Classic::new(wall_ms));
        entries.push(Key::Group { group: id.to_owned() }.forget());
    }
    match &mut group.kind {
        Kind::Classic(classic) => Some(classic),
        Kind::Consumer(_) => None,
    }
}
