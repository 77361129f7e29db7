//! The member of a classic group, in which the members assign among themselves: all join, the broker makes one of them the leader,
//! it assigns, and each learns its share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream_protocol::message::consumer_protocol::{ConsumerAssignment, OwnedPartitions, Subscription};
use millstream_protocol::message::heartbeat::HeartbeatRequest;
use millstream_protocol::message::join_group::{JoinGroupRequest, JoinGroupResponse, JoinProtocol};
use millstream_protocol::message::leave_group::{LeaveGroupRequest, LeavingMember};
use millstream_protocol::message::sync_group::{SyncAssignment, SyncGroupRequest};
use millstream_protocol::{ErrorCode, Str};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::super::Shared;
use super::super::assignor::{Assignor, Candidate};
use super::super::options::Subscribed;
use super::assignment::{Assignment, CLOSE_PATIENCE, Partitions};
use super::{Leave, RETRY_PAUSE, Stop, Verdict, verdict};
use crate::client::TopicInfo;
use crate::error::{Error, ErrorKind, checked};
use crate::topic_partition::TopicPartition;

const PROTOCOL_TYPE: &str = "consumer";

struct ClassicMember {
    shared: Arc<Shared>,
    assignment: Assignment,
    member_id: Str,
    generation: i32,
    /// What the leader assigned by: how many partitions each topic has. `None` in a member that is not the leader.
    assigned_by: Option<BTreeMap<Str, i32>>,
}

/// Why a member stops being settled.
enum Unsettled {
    Rebalance,
    Forgotten,
    Overdue,
    Stop(Stop),
}

pub(super) async fn run(shared: Arc<Shared>, assignment: Assignment, mut leaving: mpsc::Receiver<Leave>) {
    let mut member = ClassicMember { shared, assignment: assignment.clone(), member_id: Str::default(), generation: -1, assigned_by: None };
    let stop = loop {
        // Whatever the member waits for, the consumer may be closed meanwhile.
        let unsettled = tokio::select! {
            reply = leaving.recv() => Unsettled::Stop(Stop::Closed(reply)),
            unsettled = member.round() => unsettled,
        };
        match unsettled {
            Unsettled::Rebalance => {}
            Unsettled::Forgotten => member.forget().await,
            Unsettled::Overdue => {
                // When the broker cannot be told, the session ends by itself.
                let _ = member.leave().await;
                member.forget().await;
                tokio::select! {
                    reply = leaving.recv() => break Stop::Closed(reply),
                    () = assignment.asked_again() => {}
                }
            }
            Unsettled::Stop(stop) => break stop,
        }
    };
    match stop {
        Stop::Refused(error) => {
            // If that cannot be told, the session ends by itself.
            let _ = tokio::time::timeout(CLOSE_PATIENCE, member.leave()).await;
            assignment.fail(error).await;
        }
        Stop::Closed(reply) => {
            if reply.is_some() {
                assignment.close().await;
            }
            let left = tokio::time::timeout(CLOSE_PATIENCE, member.leave()).await.unwrap_or(Ok(()));
            if let Some(reply) = reply {
                // The caller of close may have given up waiting.
                let _ = reply.send(left);
            }
        }
    }
}

impl ClassicMember {
    fn is_cooperative(&self) -> bool {
        self.shared.options.assignors.iter().all(|assignor| assignor.is_cooperative())
    }

    /// Joins, takes what it is given, and stays until something changes.
    async fn round(&mut self) -> Unsettled {
        match self.settle().await {
            Ok(()) => self.stay().await,
            Err(unsettled) => unsettled,
        }
    }

    async fn settle(&mut self) -> Result<(), Unsettled> {
        if !self.is_cooperative() {
            self.change_to(Partitions::new()).await?;
        }
        let joined = self.join().await?;
        let target = self.sync(joined).await?;
        let has_given_up = !self.assignment.owned().is_subset(&target);
        self.change_to(target).await?;
        // Other members get revoked partitions when all join again.
        if has_given_up { Err(Unsettled::Rebalance) } else { Ok(()) }
    }

    /// Changes what it has. That may take as long as the application works on a record: it shows that it lives meanwhile.
    async fn change_to(&mut self, target: Partitions) -> Result<(), Unsettled> {
        let assignment = self.assignment.clone();
        let change = assignment.change_to(target);
        tokio::pin!(change);
        let mut heartbeats = tokio::time::interval(self.shared.options.heartbeat_interval);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = &mut change => return changed.map_err(|error| self.unsettled(error)),
                _ = heartbeats.tick(), if self.generation >= 0 => match self.heartbeat().await {
                    Err(error) if verdict(&error) == Verdict::Forgotten => return Err(Unsettled::Forgotten),
                    // It is about to join in any case.
                    Err(_) | Ok(()) => {}
                },
            }
        }
    }

    fn unsettled(&self, error: Error) -> Unsettled {
        match verdict(&error) {
            Verdict::Again => Unsettled::Rebalance,
            Verdict::Forgotten => Unsettled::Forgotten,
            Verdict::Refused => Unsettled::Stop(Stop::Refused(error)),
        }
    }

    async fn forget(&mut self) {
        self.member_id = Str::default();
        self.generation = -1;
        self.assigned_by = None;
        self.assignment.lose_all(Str::default()).await;
    }

    fn tell_identity(&self) {
        let mut membership = self.shared.membership.lock();
        membership.now.member_id = self.member_id.clone();
        membership.now.generation = self.generation;
    }

    fn topics(&self) -> Vec<Str> {
        match &self.shared.options.subscribed {
            Subscribed::Topics(topics) => topics.clone(),
            // The builder refuses a pattern here.
            Subscribed::Pattern(_) => Vec::new(),
        }
    }

    async fn join(&mut self) -> Result<JoinGroupResponse, Unsettled> {
        let options = &self.shared.options;
        loop {
            let subscription = Subscription {
                topics: self.topics(),
                owned_partitions: by_topic(self.assignment.owned()),
                generation_id: self.generation,
                ..Default::default()
            };
            let metadata = subscription.write();
            let protocol = |assignor: &Assignor| JoinProtocol { name: assignor.name().into(), metadata: metadata.clone() };
            let request = JoinGroupRequest {
                group_id: options.group_id.clone(),
                session_timeout_ms: options.session_timeout.as_millis().min(i32::MAX as u128) as i32,
                rebalance_timeout_ms: options.max_poll_interval.as_millis().min(i32::MAX as u128) as i32,
                member_id: self.member_id.clone(),
                group_instance_id: options.instance_id.clone(),
                protocol_type: PROTOCOL_TYPE.into(),
                protocols: options.assignors.iter().map(protocol).collect(),
                reason: None,
            };
            let joined = match self.shared.coordinator.ask(request).await {
                Ok(answer) if answer.error_code == ErrorCode::MEMBER_ID_REQUIRED => {
                    self.member_id = answer.member_id;
                    continue;
                }
                Ok(answer) => checked(answer.error_code, format!("joining group {}", options.group_id), None).map(|()| answer),
                Err(error) => Err(error),
            };
            match joined {
                Ok(answer) => {
                    self.member_id = answer.member_id.clone();
                    self.generation = answer.generation_id;
                    self.tell_identity();
                    return Ok(answer);
                }
                Err(error) if verdict(&error) == Verdict::Again => tokio::time::sleep(RETRY_PAUSE).await,
                Err(error) => return Err(self.unsettled(error)),
            }
        }
    }

    async fn sync(&mut self, joined: JoinGroupResponse) -> Result<Partitions, Unsettled> {
        let is_leader = joined.leader == self.member_id;
        let mut assignments = Vec::new();
        self.assigned_by = None;
        if is_leader && joined.skip_assignment {
            // The assignment stays, and it is still the leader who looks for new partitions (KIP-814).
            let candidates = self.candidates(&joined).map_err(|error| self.unsettled(error))?;
            let topics: BTreeSet<Str> = candidates.iter().flat_map(|member| member.topics.iter().cloned()).collect();
            self.assigned_by = Some(self.counts(topics).await.map_err(|error| self.unsettled(error))?);
        } else if is_leader {
            assignments = self.assign(&joined).await.map_err(|error| self.unsettled(error))?;
        }
        let options = &self.shared.options;
        let request = SyncGroupRequest {
            group_id: options.group_id.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: options.instance_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.into()),
            protocol_name: joined.protocol_name.clone(),
            assignments,
        };
        loop {
            let synced = match self.shared.coordinator.ask(request.clone()).await {
                Ok(answer) => checked(answer.error_code, format!("syncing with group {}", options.group_id), None).map(|()| answer),
                Err(error) => Err(error),
            };
            match synced {
                Ok(answer) if answer.assignment.is_empty() => return Ok(Partitions::new()),
                Ok(answer) => {
                    let assignment = ConsumerAssignment::read(answer.assignment).map_err(|error| {
                        let message = format!("the leader of group {} sent an assignment that cannot be read: {error}", options.group_id);
                        Unsettled::Stop(Stop::Refused(Error::new(ErrorKind::BadAnswer, message)))
                    })?;
                    let topics = assignment.assigned_partitions.into_iter();
                    let partitions = topics.flat_map(|topic| {
                        let name = topic.topic;
                        topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.clone(), partition))
                    });
                    return Ok(partitions.collect());
                }
                Err(error) if error.code().is_none() && verdict(&error) == Verdict::Again => tokio::time::sleep(RETRY_PAUSE).await,
                Err(error) => return Err(self.unsettled(error)),
            }
        }
    }

    /// Assigns, as the leader.
    async fn assign(&mut self, joined: &JoinGroupResponse) -> Result<Vec<SyncAssignment>, Error> {
        let options = &self.shared.options;
        let chosen = options.assignors.iter().find(|assignor| joined.protocol_name.as_deref() == Some(assignor.name()));
        let assignor = chosen.copied().ok_or_else(|| {
            let name = joined.protocol_name.as_deref().unwrap_or_default();
            Error::new(ErrorKind::BadAnswer, format!("the broker chose the assignor {name}, which this member did not offer"))
        })?;
        let candidates = self.candidates(joined)?;
        let topics: BTreeSet<Str> = candidates.iter().flat_map(|member| member.topics.iter().cloned()).collect();
        let counts = self.counts(topics).await?;
        let shares = assignor.assign(&candidates, &counts);
        self.assigned_by = Some(counts);
        let assignment = |(member_id, share): (Str, Partitions)| {
            let assignment = ConsumerAssignment { assigned_partitions: by_topic(share), user_data: None };
            SyncAssignment { member_id, assignment: assignment.write() }
        };
        Ok(shares.into_iter().map(assignment).collect())
    }

    /// The members, as the leader is told of them.
    fn candidates(&self, joined: &JoinGroupResponse) -> Result<Vec<Candidate>, Error> {
        let options = &self.shared.options;
        let mut candidates = Vec::with_capacity(joined.members.len());
        for member in &joined.members {
            let subscription = Subscription::read(member.metadata.clone()).map_err(|error| {
                let message = format!("what member {} of group {} reads cannot be understood: {error}", member.member_id, options.group_id);
                Error::new(ErrorKind::BadAnswer, message)
            })?;
            let owned = subscription.owned_partitions.into_iter().flat_map(|topic| {
                let name = topic.topic;
                topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.clone(), partition))
            });
            candidates.push(Candidate {
                id: member.member_id.clone(),
                instance_id: member.group_instance_id.clone(),
                owned: owned.collect(),
                topics: subscription.topics.into_iter().collect(),
                generation: subscription.generation_id,
            });
        }
        Ok(candidates)
    }

    /// How many partitions topics have; 0 for one that is not there.
    async fn counts(&self, topics: BTreeSet<Str>) -> Result<BTreeMap<Str, i32>, Error> {
        let count = |(topic, found): (Str, Result<TopicInfo, Error>)| match found {
            Ok(found) => Ok((topic, found.partitions)),
            Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok((topic, 0)),
            Err(error) => Err(error),
        };
        self.shared.options.client.topics(topics).await?.into_iter().map(count).collect()
    }

    /// Shows that it lives, until something changes.
    async fn stay(&mut self) -> Unsettled {
        let options = &self.shared.options;
        let mut heartbeats = tokio::time::interval(options.heartbeat_interval);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut refresh = Instant::now() + options.metadata_refresh;
        loop {
            heartbeats.tick().await;
            if self.shared.asked.is_overdue(options.max_poll_interval) {
                return Unsettled::Overdue;
            }
            match self.heartbeat().await {
                Ok(()) => {}
                Err(error) if error.code() == Some(ErrorCode::REBALANCE_IN_PROGRESS) => return Unsettled::Rebalance,
                Err(error) if verdict(&error) == Verdict::Again => {}
                Err(error) => return self.unsettled(error),
            }
            if let Some(before) = self.assigned_by.as_ref().filter(|_| Instant::now() >= refresh) {
                refresh = Instant::now() + options.metadata_refresh;
                // When the broker cannot be asked, the next look will do.
                if self.counts(before.keys().cloned().collect()).await.is_ok_and(|counts| counts != *before) {
                    return Unsettled::Rebalance;
                }
            }
        }
    }

    async fn heartbeat(&self) -> Result<(), Error> {
        let options = &self.shared.options;
        let request = HeartbeatRequest {
            group_id: options.group_id.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: options.instance_id.clone(),
        };
        let answer = self.shared.coordinator.ask(request).await?;
        checked(answer.error_code, format!("being a member of group {}", options.group_id), None)
    }

    /// Leaves the group; with a lasting name it only goes away.
    async fn leave(&self) -> Result<(), Error> {
        let options = &self.shared.options;
        if self.member_id.is_empty() || options.instance_id.is_some() {
            return Ok(());
        }
        let member = LeavingMember { member_id: self.member_id.clone(), group_instance_id: None, reason: None };
        let request = LeaveGroupRequest { group_id: options.group_id.clone(), member_id: self.member_id.clone(), members: vec![member] };
        // Not the member's own connection, on which a join may be waiting.
        let answer = self.shared.options.client.ask(request).await?;
        let code = answer.members.first().map_or(answer.error_code, |member| member.error_code);
        match code {
            ErrorCode::UNKNOWN_MEMBER_ID => Ok(()),
            code => checked(code, format!("leaving group {}", options.group_id), None),
        }
    }
}

fn by_topic(partitions: Partitions) -> Vec<OwnedPartitions> {
    let mut topics: Vec<OwnedPartitions> = Vec::new();
    for TopicPartition { topic, partition } in partitions {
        match topics.last_mut().filter(|last| last.topic == topic) {
            Some(last) => last.partitions.push(partition),
            None => topics.push(OwnedPartitions { topic, partitions: vec![partition] }),
        }
    }
    topics
}
