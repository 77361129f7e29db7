//! Members: joining, assigning, showing that they are there, leaving.

use millstream_protocol::message::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use millstream_protocol::message::heartbeat::HeartbeatRequest;
use millstream_protocol::message::join_group::JoinGroupRequest;
use millstream_protocol::message::leave_group::LeavingMember;
use millstream_protocol::message::sync_group::SyncGroupRequest;
use millstream_protocol::{Str, TopicId};
use tokio::sync::oneshot;

use super::classic::{Classic, Joining, Now};
use super::consumer::{Changes, Consumer, LEAVE, LEAVE_STATIC, Surroundings};
use super::entries::{classic_entry, consumer_entries};
use super::error::{GroupError, HeartbeatError, JoinAnswer, JoinRefused, MemberError, SyncAnswer};
use super::mixed::Downgrade;
use super::record::Key;
use super::shelf::{Group, GroupKind};
use super::{Client, Groups, consumer, is_group_id};
use crate::catalog::Listing;
use crate::journal::JournalEntry;

impl Groups {
    /// A member joins a classic group. The answer comes when the group has settled.
    pub(crate) fn join(&self, request: &JoinGroupRequest, version: i16, client: Client) -> oneshot::Receiver<JoinAnswer> {
        let (sender, receiver) = oneshot::channel();
        let fail = |sender: oneshot::Sender<JoinAnswer>, error: MemberError| {
            // The other end is right here.
            let _ = sender.send(Err(JoinRefused { member_id: request.member_id.clone(), error }));
        };
        if !is_group_id(&request.group_id) {
            fail(sender, MemberError::InvalidGroupId);
        } else if !self.settings.session_timeout_ms.contains(&request.session_timeout_ms.into()) {
            fail(sender, MemberError::InvalidSessionTimeout);
        } else if !request.member_id.is_empty() && !self.shelf.lock().groups.contains_key(&request.group_id) {
            fail(sender, MemberError::UnknownMember);
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
                        // The other end is right here.
                        None => drop(sender.send(self.join_consumers(joining, group, now, entries))),
                    }
                },
            );
        }
        receiver
    }

    /// A member of the classic protocol joins a group that has consumers.
    fn join_consumers(&self, joining: Joining<'_>, group: &mut Group, now: &Now, entries: &mut Vec<JournalEntry>) -> JoinAnswer {
        let JoinGroupRequest { group_id: id, .. } = joining.request;
        let GroupKind::Consumer(consumer) = &mut group.kind else {
            // A share group, whose members nobody else can be.
            return Err(JoinRefused { member_id: Str::default(), error: MemberError::OtherProtocol });
        };
        let listing = self.catalog.listing();
        let (epoch, mut changes) = (consumer.epoch, Changes::default());
        let downgrade = (self.settings.is_downgrade_allowed, self.settings.size_max);
        let joined = consumer.join(joining, downgrade, &self.world(id, &listing, now), &mut changes)?;
        match joined.replaced_the_last {
            None => entries.extend(consumer_entries(id, consumer, changes)),
            Some(is_rebalancing) => self.downgrade(id, group, &Downgrade { generation: epoch, is_rebalancing, changes }, now, entries),
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
    pub(crate) fn sync(&self, request: SyncGroupRequest, version: i16) -> oneshot::Receiver<SyncAnswer> {
        let (sender, receiver) = oneshot::channel();
        if !is_group_id(&request.group_id) {
            let _ = sender.send(Err(MemberError::InvalidGroupId));
            return receiver;
        }
        if version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
            let _ = sender.send(Err(MemberError::OtherProtocol));
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
                let _ = sender.send(consumer.sync(&request, &self.catalog.listing(), now.ms));
            }
            GroupKind::Share(_) => {
                let _ = sender.send(Err(MemberError::UnknownMember));
            }
        });
        receiver
    }

    /// A member of a classic group shows that it is there.
    pub(crate) fn heartbeat(&self, request: &HeartbeatRequest) -> Result<(), MemberError> {
        if !is_group_id(&request.group_id) {
            return Err(MemberError::InvalidGroupId);
        }
        let act = |group: &mut Group, now: &Now| match &mut group.kind {
            GroupKind::Classic(classic) => {
                classic.heartbeat(&request.member_id, request.group_instance_id.as_ref(), request.generation_id, now)
            }
            GroupKind::Consumer(consumer) => consumer.classic_heartbeat(request, now.ms),
            GroupKind::Share(_) => Err(MemberError::UnknownMember),
        };
        let mut shelf = self.shelf.lock();
        // A member that has to join a consumer group again has a deadline for it.
        let is_due_sooner = shelf.groups.get(&request.group_id).is_some_and(|group| matches!(group.kind, GroupKind::Consumer(_)));
        let shown = if is_due_sooner {
            self.with_locked(&mut shelf, &request.group_id, |group, now, _| act(group, now))
        } else {
            self.look_locked(&mut shelf, &request.group_id, act)
        };
        shown.unwrap_or(Err(MemberError::UnknownMember))
    }

    /// Members leave a classic group, or are removed from a group of any kind by their lasting names. Says of each whether it did.
    pub(crate) fn leave(&self, id: &Str, leaving: &[LeavingMember]) -> Result<Vec<Result<(), MemberError>>, MemberError> {
        if !is_group_id(id) {
            return Err(MemberError::InvalidGroupId);
        }
        let left = self.with(id, |group, now, entries| match &mut group.kind {
            GroupKind::Classic(classic) => {
                let leave = |member: &LeavingMember| {
                    let change = classic.leave(&member.member_id, member.group_instance_id.as_ref(), now)?;
                    entries.extend(classic_entry(id, classic, change));
                    Ok(())
                };
                leaving.iter().map(leave).collect()
            }
            GroupKind::Consumer(_) => self.take_members(id, group, now, entries, |consumer, changes| {
                let found = leaving.iter().map(|member| consumer.find(&member.member_id, member.group_instance_id.as_ref()));
                let found: Vec<Result<Str, MemberError>> = found.collect();
                consumer.remove_all(&found.iter().flatten().cloned().collect(), changes);
                found.into_iter().map(|found| found.map(drop)).collect()
            }),
            GroupKind::Share(_) => vec![Err(MemberError::UnknownMember); leaving.len()],
        });
        Ok(left.unwrap_or_else(|| vec![Err(MemberError::UnknownMember); leaving.len()]))
    }

    /// A member of a consumer group: joins, goes on, or leaves.
    pub(crate) fn consumer_heartbeat(
        &self,
        request: &ConsumerGroupHeartbeatRequest,
        version: i16,
        client: Client,
    ) -> Result<ConsumerGroupHeartbeatResponse, HeartbeatError> {
        consumer::check(request, version, &self.settings.assignors)?;
        if !is_group_id(&request.group_id) {
            return Err(HeartbeatError::GroupIdTooLong);
        }
        let id = &request.group_id;
        if matches!(request.member_epoch, LEAVE | LEAVE_STATIC) {
            let left = self.with(id, |group, now, entries| match &group.kind {
                GroupKind::Classic(_) | GroupKind::Share(_) => Err(GroupError::NotConsumer(id.clone()).into()),
                GroupKind::Consumer(_) => self.take_members(id, group, now, entries, |consumer, changes| consumer.leave(request, changes)),
            });
            left.unwrap_or_else(|| Err(GroupError::NotFound(id.clone()).into()))?;
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
                let mut consumer = upgraded.ok_or_else(|| GroupError::NotConsumer(id.clone()))?;
                // A refused member changes nothing.
                let answer = consumer.heartbeat(request, &member_id, client, &world, &mut changes)?;
                changes.is_group_changed = true;
                changes.members.extend(consumer.members.keys().cloned());
                classic.refuse_waiting(MemberError::Rebalancing);
                entries.extend(consumer_entries(id, &consumer, changes));
                group.kind = GroupKind::Consumer(consumer);
                return Ok(answer);
            }
            let GroupKind::Consumer(consumer) = &mut group.kind else { return Err(GroupError::NotConsumer(id.clone()).into()) };
            let answer = consumer.heartbeat(request, &member_id, client, &world, &mut changes);
            entries.extend(consumer_entries(id, consumer, changes));
            answer
        };
        if request.member_epoch == 0 {
            return self.with_new(id, |_| GroupKind::Consumer(Consumer::new()), act);
        }
        self.with(id, act).unwrap_or_else(|| Err(GroupError::NotFound(id.clone()).into()))
    }
}

/// The group as a classic one; an empty consumer group becomes one.
fn classic_kind<'g>(id: &str, group: &'g mut Group, wall_ms: i64, entries: &mut Vec<JournalEntry>) -> Option<&'g mut Classic> {
    if matches!(&group.kind, GroupKind::Consumer(consumer) if consumer.members.is_empty()) {
        group.kind = GroupKind::Classic(Classic::new(wall_ms));
        entries.push(Key::Group { group: id.to_owned() }.forget());
    }
    match &mut group.kind {
        GroupKind::Classic(classic) => Some(classic),
        GroupKind::Consumer(_) | GroupKind::Share(_) => None,
    }
}
