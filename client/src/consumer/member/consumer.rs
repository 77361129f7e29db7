//! The member of a group in which the broker assigns (KIP-848): heartbeats tell the broker what this member reads and has, and
//! their answers what it is to have.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::consumer_group_heartbeat::{
    Assignment as ToHave, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
};
use millstream_protocol::message::metadata::{MetadataRequest, MetadataRequestTopic};
use millstream_protocol::{Str, TopicId};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::Shared;
use super::super::options::Subscribed;
use super::assignment::{Assignment, CLOSE_PATIENCE, Partitions};
use super::{Leave, RETRY_PAUSE, Stop, Verdict, verdict};
use crate::error::Error;
use crate::topic_partition::TopicPartition;

/// The epoch that joins.
const JOIN: i32 = 0;
/// The epoch that leaves.
const LEAVE: i32 = -1;
/// The epoch with which a member with a lasting name goes for a while.
const LEAVE_FOR_A_WHILE: i32 = -2;

struct ConsumerMember {
    shared: Arc<Shared>,
    assignment: Assignment,
    member_id: Str,
    epoch: i32,
    /// What the broker was last told that this member has; `None` if it is to be told everything.
    reported: Option<Partitions>,
    target: Option<Partitions>,
    topics: HashMap<TopicId, Str>,
}

pub(super) async fn run(shared: Arc<Shared>, assignment: Assignment, mut leaving: mpsc::Receiver<Leave>) {
    let member_id = TopicId(rand::random()).to_string().into();
    let mut member = ConsumerMember {
        shared,
        assignment: assignment.clone(),
        member_id,
        epoch: JOIN,
        reported: None,
        target: None,
        topics: HashMap::new(),
    };
    match member.live(&mut leaving).await {
        Stop::Refused(error) => {
            // If that cannot be told, the session ends by itself.
            let _ = tokio::time::timeout(CLOSE_PATIENCE, member.leave(LEAVE)).await;
            assignment.fail(error).await;
        }
        Stop::Closed(reply) => {
            if reply.is_some() {
                assignment.close().await;
            }
            let left = match tokio::time::timeout(CLOSE_PATIENCE, member.leave(LEAVE_FOR_A_WHILE)).await {
                Ok(left) => left,
                Err(_) => Ok(()),
            };
            if let Some(reply) = reply {
                // The caller of close may have given up waiting.
                let _ = reply.send(left);
            }
        }
    }
}

impl ConsumerMember {
    async fn live(&mut self, leaving: &mut mpsc::Receiver<Leave>) -> Stop {
        let mut next = Instant::now();
        let mut changing: Option<BoxFuture<'static, Result<(), Error>>> = None;
        loop {
            if changing.is_none()
                && let Some(target) = self.target.clone().filter(|target| *target != self.assignment.owned())
            {
                let assignment = self.assignment.clone();
                changing = Some(async move { assignment.change_to(target).await }.boxed());
            }
            let changed = async {
                match &mut changing {
                    Some(change) => change.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                reply = leaving.recv() => return Stop::Closed(reply),
                result = changed => {
                    changing = None;
                    match result {
                        // What it has now is told at once: others may wait for it.
                        Ok(()) => next = Instant::now(),
                        Err(error) if verdict(&error) == Verdict::Refused => return Stop::Refused(error),
                        // It has been forgotten, which the next heartbeat will say.
                        Err(_) => next = Instant::now(),
                    }
                }
                () = tokio::time::sleep_until(next) => {
                    if self.shared.asked.is_overdue(self.shared.options.max_poll_interval) {
                        changing = None;
                        if let Some(stop) = self.pause(leaving).await {
                            return stop;
                        }
                    }
                    match self.heartbeat(changing.is_none()).await {
                        Ok(interval) => next = Instant::now() + interval,
                        Err(error) => match verdict(&error) {
                            Verdict::Again => {
                                // Whether the broker heard the last one is not known.
                                self.reported = None;
                                next = Instant::now() + RETRY_PAUSE;
                            }
                            Verdict::Forgotten => {
                                changing = None;
                                self.forget().await;
                                next = Instant::now();
                            }
                            Verdict::Refused => return Stop::Refused(error),
                        },
                    }
                }
            }
        }
    }

    async fn forget(&mut self) {
        (self.epoch, self.reported, self.target) = (JOIN, None, None);
        self.assignment.lose_all(self.member_id.clone()).await;
    }

    fn tell_identity(&self) {
        let mut membership = self.shared.membership.lock();
        membership.now.member_id = self.member_id.clone();
        membership.now.generation = if self.epoch == JOIN { -1 } else { self.epoch };
    }

    /// The application takes too long over a record: others get the partitions until it asks for the next.
    async fn pause(&mut self, leaving: &mut mpsc::Receiver<Leave>) -> Option<Stop> {
        // If the broker cannot be told, the session ends by itself.
        let _ = self.leave(LEAVE).await;
        self.forget().await;
        tokio::select! {
            reply = leaving.recv() => Some(Stop::Closed(reply)),
            () = self.assignment.asked_again() => None,
        }
    }

    async fn leave(&mut self, epoch_with_instance: i32) -> Result<(), Error> {
        if self.epoch == JOIN {
            return Ok(());
        }
        let instance_id = self.shared.options.instance_id.clone();
        let request = ConsumerGroupHeartbeatRequest {
            group_id: self.assignment.group().clone(),
            member_id: self.member_id.clone(),
            member_epoch: if instance_id.is_some() { epoch_with_instance } else { LEAVE },
            instance_id,
            ..Default::default()
        };
        let answer = self.shared.options.client.ask(request).await?;
        match refused(&answer, self.assignment.group()) {
            Err(error) if verdict(&error) != Verdict::Forgotten => Err(error),
            _ => Ok(()),
        }
    }

    /// Shows that it lives; answers when to do so next.
    async fn heartbeat(&mut self, is_settled: bool) -> Result<Duration, Error> {
        let options = &self.shared.options;
        let is_whole = self.reported.is_none();
        let owned = self.assignment.owned();
        // While it gives up and takes, the broker knows what it had before.
        let is_news = is_whole || (is_settled && self.reported.as_ref() != Some(&owned));
        let (mut names, mut pattern) = (None, None);
        match &options.subscribed {
            Subscribed::Topics(topics) if is_whole => names = Some(topics.clone()),
            Subscribed::Pattern(regex) if is_whole => pattern = Some(regex.clone()),
            Subscribed::Topics(_) | Subscribed::Pattern(_) => {}
        }
        let request = ConsumerGroupHeartbeatRequest {
            group_id: options.group_id.clone(),
            member_id: self.member_id.clone(),
            member_epoch: self.epoch,
            instance_id: options.instance_id.clone(),
            rack_id: None,
            rebalance_timeout_ms: if is_whole { options.max_poll_interval.as_millis().min(i32::MAX as u128) as i32 } else { -1 },
            subscribed_topic_names: names,
            subscribed_topic_regex: pattern,
            server_assignor: options.remote_assignor.clone().filter(|_| is_whole),
            topic_partitions: is_news.then(|| self.by_id(&owned)),
        };
        let answer = self.shared.coordinator.ask(request).await?;
        refused(&answer, &self.shared.options.group_id)?;
        if is_news {
            self.reported = Some(owned);
        }
        self.epoch = answer.member_epoch;
        // A broker may have a name of its own for this member.
        if let Some(member_id) = answer.member_id.filter(|id| !id.is_empty()) {
            self.member_id = member_id;
        }
        self.tell_identity();
        if let Some(to_have) = answer.assignment {
            self.target = Some(self.by_name(*to_have).await?);
        }
        Ok(Duration::from_millis(answer.heartbeat_interval_ms.max(100) as u64))
    }

    fn by_id(&self, partitions: &Partitions) -> Vec<TopicPartitions> {
        let mut topics: Vec<TopicPartitions> = Vec::new();
        for partition in partitions {
            let Some(topic_id) = self.topics.iter().find(|(_, name)| **name == partition.topic).map(|(id, _)| *id) else { continue };
            match topics.iter_mut().find(|topic| topic.topic_id == topic_id) {
                Some(topic) => topic.partitions.push(partition.partition),
                None => topics.push(TopicPartitions { topic_id, partitions: vec![partition.partition] }),
            }
        }
        topics
    }

    async fn by_name(&mut self, to_have: ToHave) -> Result<Partitions, Error> {
        let ids = to_have.topic_partitions.iter().map(|topic| topic.topic_id).filter(|id| !self.topics.contains_key(id));
        let unknown: Vec<_> = ids.map(|topic_id| MetadataRequestTopic { name: None, topic_id }).collect();
        if !unknown.is_empty() {
            let request = MetadataRequest { topics: Some(unknown), allow_auto_topic_creation: false, ..Default::default() };
            for found in self.shared.coordinator.ask(request).await?.topics {
                // Deleted meanwhile: the broker will take it back.
                let Some(name) = found.name else { continue };
                // A topic made anew has its name with another id.
                self.topics.retain(|_, known| *known != name);
                self.topics.insert(found.topic_id, name);
            }
        }
        let mut partitions = Partitions::new();
        for topic in to_have.topic_partitions {
            let Some(name) = self.topics.get(&topic.topic_id) else { continue };
            partitions.extend(topic.partitions.into_iter().map(|partition| TopicPartition::new(name.clone(), partition)));
        }
        Ok(partitions)
    }
}

fn refused(answer: &ConsumerGroupHeartbeatResponse, group: &str) -> Result<(), Error> {
    if answer.error_code.is_none() {
        return Ok(());
    }
    Err(Error::refused(answer.error_code, format!("being a member of group {group}"), answer.error_message.as_deref()))
}
