//! Committing offsets as a member of a group.

use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::message::offset_commit::{OffsetCommitPartition, OffsetCommitRequest, OffsetCommitTopic};
use millstream_protocol::{ErrorCode, Str};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::admin::checked;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::topic_partition::TopicPartition;

const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long a commit is tried again when the application waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How long when the group waits for it.
pub(super) const PATIENCE_IN_REBALANCE: Duration = Duration::from_secs(5);

/// Who a consumer is to its group at present: what a transaction needs to carry the group's offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMetadata {
    /// The group.
    pub group_id: Str,
    /// The member's id; empty before it has joined.
    pub member_id: Str,
    /// The group's generation, or the member's epoch; -1 before it has joined.
    pub generation: i32,
    /// The member's lasting name.
    pub instance_id: Option<Str>,
}

impl GroupMetadata {
    /// A group without members: whoever commits for it is believed.
    pub fn without_members(group_id: impl Into<Str>) -> Self {
        GroupMetadata { group_id: group_id.into(), member_id: Str::default(), generation: -1, instance_id: None }
    }
}

/// An offset to commit, with a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The next offset to be read.
    pub offset: i64,
    /// Whatever who commits wants to know again.
    pub metadata: String,
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        OffsetAndMetadata { offset, metadata: String::new() }
    }
}

/// Who a consumer is to its group, and was.
#[derive(Debug)]
pub(super) struct Membership {
    pub now: GroupMetadata,
    /// As the group knew it before it forgot it.
    before: GroupMetadata,
    /// Counts how often the group forgot it: what was read by the member that it was then is not for the one that it is to commit.
    pub incarnation: u64,
}

impl Membership {
    pub(super) fn new(now: GroupMetadata) -> Self {
        Membership { before: now.clone(), now, incarnation: 0 }
    }

    /// The group has forgotten it.
    pub(super) fn forgotten(&mut self, member_id: Str) -> u64 {
        if self.now.generation >= 0 {
            self.before = self.now.clone();
        }
        self.now.member_id = member_id;
        self.now.generation = -1;
        self.incarnation += 1;
        self.incarnation
    }

    /// Who it was or is as the incarnation; the group refuses who it was.
    pub(super) fn of(&self, incarnation: u64) -> GroupMetadata {
        if self.incarnation == incarnation { self.now.clone() } else { self.before.clone() }
    }
}

/// Commits offsets in the name of a member. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Commits {
    pub(super) client: Client,
    pub(super) membership: Arc<Mutex<Membership>>,
    pub(super) incarnation: u64,
    pub(super) patience: Duration,
}

impl Commits {
    /// Commits: for each partition the next offset to be read. Tries again for a while where the broker may come round.
    ///
    /// # Errors
    /// When the partitions belong to another member by now, or the broker refuses.
    pub async fn commit(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), Error> {
        let deadline = Instant::now() + self.patience;
        loop {
            let error = match self.commit_once(offsets).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let may_pass = match error.code() {
                // The generation moves on, and this member with it; if not, it hears that it was forgotten.
                Some(ErrorCode::STALE_MEMBER_EPOCH | ErrorCode::ILLEGAL_GENERATION | ErrorCode::REBALANCE_IN_PROGRESS) => true,
                // It is gone, and with it the place.
                Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => false,
                _ => error.is_retriable(),
            };
            if !may_pass {
                return Err(error);
            }
            if Instant::now() + RETRY_PAUSE >= deadline {
                return Err(Error::new(ErrorKind::TimedOut, format!("given up after {} s: {error}", self.patience.as_secs())));
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Commits once.
    pub(super) async fn commit_once(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), Error> {
        let identity = {
            let membership = self.membership.lock();
            if membership.incarnation == self.incarnation { Some(membership.now.clone()) } else { None }
        };
        match identity {
            Some(identity) => self.commit_as(&identity, offsets).await,
            None if offsets.is_empty() => Ok(()),
            None => Err(self.is_no_member()),
        }
    }

    fn is_no_member(&self) -> Error {
        let doing = format!("committing offsets of group {}", self.membership.lock().now.group_id);
        let sentence = "this consumer is not the member any more that read the records";
        Error::refused(ErrorCode::UNKNOWN_MEMBER_ID, doing, Some(sentence))
    }

    async fn commit_as(&self, identity: &GroupMetadata, offsets: &[(TopicPartition, i64)]) -> Result<(), Error> {
        let mut topics: Vec<OffsetCommitTopic> = Vec::new();
        for (partition, offset) in offsets {
            let committed = OffsetCommitPartition { partition_index: partition.partition, committed_offset: *offset, ..Default::default() };
            match topics.iter_mut().find(|topic| topic.name == partition.topic) {
                Some(topic) => topic.partitions.push(committed),
                None => topics.push(OffsetCommitTopic { name: partition.topic.clone(), partitions: vec![committed], ..Default::default() }),
            }
        }
        if topics.is_empty() {
            return Ok(());
        }
        if identity.generation < 0 {
            // An empty group would take it from anybody.
            return Err(self.is_no_member());
        }
        let request = OffsetCommitRequest {
            group_id: identity.group_id.clone(),
            generation_id_or_member_epoch: identity.generation,
            member_id: identity.member_id.clone(),
            group_instance_id: identity.instance_id.clone(),
            topics,
            ..Default::default()
        };
        // The newest version names topics by their ids.
        for topic in self.client.ask_at_most(request, 9).await?.topics {
            for partition in topic.partitions {
                let doing = format!("committing the offset of group {} in {}-{}", identity.group_id, topic.name, partition.partition_index);
                checked(partition.error_code, doing, None)?;
            }
        }
        Ok(())
    }
}
