//! Committing offsets as a member of a group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::message::offset_commit::{OffsetCommitPartition, OffsetCommitRequest, OffsetCommitTopic};
use millstream_protocol::{ErrorCode, Str};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::{Error, ErrorKind, checked};
use crate::topic_partition::TopicPartition;

const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// How long a commit is tried again when the application waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How long when the group waits for it.
pub(super) const PATIENCE_IN_REBALANCE: Duration = Duration::from_secs(5);

/// A consumer's identity in its group at present: what a transaction needs to carry the group's offsets.
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
    /// A group without members: any commit for it is taken.
    pub fn without_members(group_id: impl Into<Str>) -> Self {
        GroupMetadata { group_id: group_id.into(), member_id: Str::default(), generation: -1, instance_id: None }
    }
}

/// An offset to commit, with a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The next offset to be read.
    pub offset: i64,
    /// What the committer wants to know again.
    pub metadata: String,
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        OffsetAndMetadata { offset, metadata: String::new() }
    }
}

/// A consumer's identity in its group, and earlier ones.
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

    /// Its identity as that incarnation; the group refuses earlier ones.
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

    /// Commits once. The request goes out at once, in the name of the member of this moment; the future only waits for the answer. So a
    /// commit that is made later, perhaps in the next generation, arrives later.
    pub(super) fn commit_once(&self, offsets: &[(TopicPartition, i64)]) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let asked = self.request(offsets).map(|request| {
            request.map(|request| {
                let group_id = request.group_id.clone();
                // The newest version names topics by their ids.
                (group_id, self.client.ask_at_most(request, 9))
            })
        });
        async move {
            let Some((group_id, answer)) = asked? else { return Ok(()) };
            for topic in answer.await?.topics {
                for partition in topic.partitions {
                    let doing = format!("committing the offset of group {group_id} in {}-{}", topic.name, partition.partition_index);
                    checked(partition.error_code, doing, None)?;
                }
            }
            Ok(())
        }
    }

    /// The request; `None` if there is nothing to commit.
    fn request(&self, offsets: &[(TopicPartition, i64)]) -> Result<Option<OffsetCommitRequest>, Error> {
        if offsets.is_empty() {
            return Ok(None);
        }
        let (identity, incarnation) = {
            let membership = self.membership.lock();
            (membership.now.clone(), membership.incarnation)
        };
        // Without a generation an empty group would take the offsets from anybody.
        if incarnation != self.incarnation || identity.generation < 0 {
            let doing = format!("committing offsets of group {}", identity.group_id);
            let sentence = "this consumer is not the member any more that read the records";
            return Err(Error::refused(ErrorCode::UNKNOWN_MEMBER_ID, doing, Some(sentence)));
        }
        let mut topics: BTreeMap<&Str, Vec<OffsetCommitPartition>> = BTreeMap::new();
        for (TopicPartition { topic, partition }, offset) in offsets {
            let committed = OffsetCommitPartition { partition_index: *partition, committed_offset: *offset, ..Default::default() };
            topics.entry(topic).or_default().push(committed);
        }
        let topic = |(name, partitions): (&Str, _)| OffsetCommitTopic { name: name.clone(), partitions, ..Default::default() };
        Ok(Some(OffsetCommitRequest {
            group_id: identity.group_id,
            generation_id_or_member_epoch: identity.generation,
            member_id: identity.member_id,
            group_instance_id: identity.instance_id,
            topics: topics.into_iter().map(topic).collect(),
            ..Default::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use millstream_protocol::Request;
    use millstream_protocol::message::offset_commit::OffsetCommitResponse;

    use super::*;
    use crate::scripted::{answer, scripted};

    /// An auto-commit is not waited for. Partitions are revoked, committed and given to the next generation before its task first runs: it
    /// must not take the offset back then.
    #[test]
    fn a_commit_is_that_of_the_member_and_the_moment_in_which_it_was_made() {
        let (client, asked) = scripted(|_| answer(OffsetCommitResponse::default()));
        let identity = GroupMetadata { member_id: "m".into(), generation: 1, ..GroupMetadata::without_members("g") };
        let membership = Arc::new(Mutex::new(Membership::new(identity)));
        let commits = Commits { client, membership: membership.clone(), incarnation: 0, patience: PATIENCE };
        let place = TopicPartition::new("t", 0);
        let earlier = commits.commit_once(&[(place.clone(), 5)]);
        membership.lock().now.generation = 2;
        let later = commits.commit_once(&[(place, 9)]);
        later.now_or_never().unwrap().unwrap();
        earlier.now_or_never().unwrap().unwrap();
        let made = asked.all().into_iter().map(|request| match request {
            Request::OffsetCommit(commit) => (commit.generation_id_or_member_epoch, commit.topics[0].partitions[0].committed_offset),
            other => panic!("{other:?}"),
        });
        assert_eq!(made.collect::<Vec<_>>(), [(1, 5), (2, 9)]);
    }
}
