//! What a member has at present, and what happens when that changes: the reader stops or starts, offsets are committed or
//! looked up, who listens is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::message::offset_fetch::{OffsetFetchGroup, OffsetFetchGroupTopic, OffsetFetchRequest};
use millstream_protocol::{ErrorCode, Str};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::super::commit::{Commits, PATIENCE_IN_REBALANCE};
use super::super::{Event, Shared};
use super::RETRY_PAUSE;
use crate::error::{Error, checked, missing};
use crate::topic_partition::TopicPartition;

pub(super) type Partitions = BTreeSet<TopicPartition>;

/// The partitions of a member. Cheap to clone; one change is under way at a time.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    shared: Arc<Shared>,
    events: mpsc::Sender<Event>,
    owned: Arc<Mutex<Partitions>>,
}

impl Assignment {
    pub(super) fn new(shared: Arc<Shared>, events: mpsc::Sender<Event>) -> Self {
        Assignment { shared, events, owned: Arc::default() }
    }

    pub(super) fn owned(&self) -> Partitions {
        self.owned.lock().clone()
    }

    /// Becomes this: gives up what is too much, then takes what is missing.
    pub(super) async fn change_to(&self, target: Partitions) -> Result<(), Error> {
        let owned = self.owned();
        self.give_up(owned.difference(&target).cloned().collect()).await;
        self.take(target.difference(&owned).cloned().collect()).await
    }

    /// Gives partitions up, when the application asks for its next record. When it does not, they count as lost.
    pub(super) async fn give_up(&self, partitions: Partitions) {
        if partitions.is_empty() {
            return;
        }
        let (reply, stopped) = oneshot::channel();
        if self.events.send(Event::Revoked(partitions.clone(), reply)).await.is_err() {
            // The consumer is gone, and nobody cares.
            return;
        }
        let options = &self.shared.options;
        match tokio::time::timeout(options.max_poll_interval, stopped).await {
            Ok(Ok(positions)) => {
                if options.auto_commit.is_some()
                    && let Err(error) = self.commits().commit(&positions).await
                {
                    options.listener.commit_failed(&error);
                }
                self.tell_revoked(&partitions).await;
            }
            Ok(Err(_)) => return,
            Err(_) => {
                let lost: Vec<TopicPartition> = partitions.iter().cloned().collect();
                options.listener.lost(&lost).await;
            }
        }
        self.owned.lock().retain(|partition| !partitions.contains(partition));
    }

    async fn tell_revoked(&self, partitions: &Partitions) {
        let revoked: Vec<TopicPartition> = partitions.iter().cloned().collect();
        self.shared.options.listener.revoked(&revoked, &self.commits()).await;
    }

    fn commits(&self) -> Commits {
        let incarnation = self.shared.membership.lock().incarnation;
        self.shared.commits(incarnation, PATIENCE_IN_REBALANCE)
    }

    /// The consumer is being closed: it has committed, and reads no more.
    pub(super) async fn close(&self) {
        let owned = std::mem::take(&mut *self.owned.lock());
        if !owned.is_empty() {
            self.tell_revoked(&owned).await;
        }
    }

    /// The group has forgotten this member, and others may have everything by now. Its next id, if it has one, is this.
    pub(super) async fn lose_all(&self, member_id: Str) {
        let incarnation = self.shared.membership.lock().forgotten(member_id);
        let lost = std::mem::take(&mut *self.owned.lock());
        // Also when nothing is owned: something may have been about to be.
        if self.events.send(Event::Lost(lost.clone(), incarnation)).await.is_ok() && !lost.is_empty() {
            let lost: Vec<TopicPartition> = lost.into_iter().collect();
            self.shared.options.listener.lost(&lost).await;
        }
    }

    /// The group does not take this member: the application is told.
    pub(super) async fn fail(&self, error: Error) {
        self.lose_all(Str::default()).await;
        // If nobody asks for records any more, nobody can be told.
        let _ = self.events.send(Event::Failed(error)).await;
    }

    /// Takes partitions, from the group's offsets on.
    async fn take(&self, partitions: Partitions) -> Result<(), Error> {
        if partitions.is_empty() {
            return Ok(());
        }
        let committed = loop {
            match self.committed(&partitions).await {
                Ok(committed) => break committed,
                // A transaction decides about an offset, or the epoch has moved: what is there soon counts.
                Err(error) if error.is_retriable() || error.code() == Some(ErrorCode::STALE_MEMBER_EPOCH) => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        };
        let taken: Vec<TopicPartition> = partitions.iter().cloned().collect();
        self.shared.options.listener.assigned(&taken).await;
        let from = |partition: TopicPartition| {
            let offset = committed.get(&partition).copied().unwrap_or(-1);
            (partition, offset)
        };
        self.owned.lock().extend(partitions);
        // When the consumer is gone the member notices by itself.
        let _ = self.events.send(Event::Assigned(taken.into_iter().map(from).collect())).await;
        Ok(())
    }

    async fn committed(&self, partitions: &Partitions) -> Result<BTreeMap<TopicPartition, i64>, Error> {
        let mut topics: Vec<OffsetFetchGroupTopic> = Vec::new();
        for partition in partitions {
            match topics.iter_mut().find(|topic| topic.name == partition.topic) {
                Some(topic) => topic.partition_indexes.push(partition.partition),
                None => topics.push(OffsetFetchGroupTopic {
                    name: partition.topic.clone(),
                    partition_indexes: vec![partition.partition],
                    ..Default::default()
                }),
            }
        }
        let identity = self.shared.membership.lock().now.clone();
        let is_consumer = self.shared.options.protocol == super::GroupProtocol::Consumer;
        let group = OffsetFetchGroup {
            group_id: identity.group_id.clone(),
            member_id: is_consumer.then(|| identity.member_id.clone()),
            member_epoch: if is_consumer { identity.generation } else { -1 },
            topics: Some(topics),
        };
        // The newest version names topics by their ids.
        let request = OffsetFetchRequest { groups: vec![group], require_stable: true, ..Default::default() };
        let answer = self.shared.options.client.ask_at_most(request, 9).await?;
        let group = answer.groups.into_iter().next().ok_or_else(|| missing(format!("group {}", identity.group_id)))?;
        let doing = |place: &str| format!("asking for the offsets of group {}{place}", identity.group_id);
        checked(group.error_code, doing(""), None)?;
        let mut committed = BTreeMap::new();
        for topic in group.topics {
            for partition in topic.partitions {
                let place = TopicPartition::new(topic.name.clone(), partition.partition_index);
                checked(partition.error_code, doing(&format!(" in {place}")), None)?;
                committed.insert(place, partition.committed_offset);
            }
        }
        Ok(committed)
    }

    /// Sleeps until the application asks for a record again, or the consumer is gone.
    pub(super) async fn asked_again(&self) {
        let asked = &self.shared.asked;
        let notified = asked.again.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        // It may have asked while the member was leaving.
        if !asked.is_overdue(self.shared.options.max_poll_interval) {
            return;
        }
        tokio::select! {
            () = notified => {}
            () = self.events.closed() => {}
        }
    }

    /// The names of the topics, for messages.
    pub(super) fn group(&self) -> &Str {
        &self.shared.options.group_id
    }
}

/// How long to wait for something that the closing of a consumer waits for.
pub(super) const CLOSE_PATIENCE: Duration = Duration::from_secs(10);
