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
/// How long a commit is tried again.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// Commits offsets in the name of a member. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Commits {
    pub(super) client: Client,
    pub(super) identity: Arc<Mutex<GroupMetadata>>,
}

impl Commits {
    /// Commits: for each partition the next offset to be read. Tries again for a minute while the broker may come round.
    ///
    /// # Errors
    /// When the partitions belong to another member by now, or the broker refuses.
    pub async fn commit(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let identity = self.identity.lock().clone();
            let error = match self.commit_as(&identity, offsets).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            // The epoch moved between looking and asking: this member still is one, and is asked anew.
            let is_stale = error.code() == Some(ErrorCode::STALE_MEMBER_EPOCH) && *self.identity.lock() != identity;
            if !(error.is_retriable() || is_stale) {
                return Err(error);
            }
            if Instant::now() + RETRY_PAUSE >= deadline {
                return Err(Error::new(ErrorKind::TimedOut, format!("given up after {} s: {error}", PATIENCE.as_secs())));
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Commits once.
    pub(super) async fn commit_once(&self, offsets: &[(TopicPartition, i64)]) -> Result<(), Error> {
        let identity = self.identity.lock().clone();
        self.commit_as(&identity, offsets).await
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
            let doing = format!("committing offsets of group {}", identity.group_id);
            return Err(Error::refused(ErrorCode::UNKNOWN_MEMBER_ID, doing, Some("this consumer is not a member at present")));
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
