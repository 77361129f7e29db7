//! What groups have committed, and moving it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use millstream_protocol::message::list_offsets::{EARLIEST, LATEST};
use millstream_protocol::message::offset_commit::{OffsetCommitPartition, OffsetCommitRequest, OffsetCommitTopic};
use millstream_protocol::message::offset_fetch::{OffsetFetchGroup, OffsetFetchGroupTopic, OffsetFetchRequest};
use millstream_protocol::{ErrorCode, Str};
use serde::Serialize;
use tokio::time::Instant;

use super::{Admin, SHARE};
use crate::client::CoordinatorKind;
use crate::consumer::OffsetAndMetadata;
use crate::error::{Error, ErrorKind, checked, missing};
use crate::reader::Start;
use crate::topic_partition::TopicPartition;

/// The newest versions that name topics; later ones have their ids, which say nothing to people.
const OFFSET_FETCH_BY_NAME: i16 = 9;
const OFFSET_COMMIT_BY_NAME: i16 = 9;

/// A committed offset that is to be moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OffsetReset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// What is committed; `None`: nothing yet.
    pub from: Option<i64>,
    /// What is to be committed.
    pub to: i64,
}

/// Whether the broker was found to be the coordinator just now, and still reads what it has to know.
fn is_starting(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)
}

const STOP_THEM: &str = "the group has members: stop them first, or they would commit over it";

const STARTING_PAUSE: Duration = Duration::from_millis(100);
const STARTING_PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn by_topic(partitions: impl IntoIterator<Item = (String, i32)>) -> BTreeMap<String, Vec<i32>> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(partition);
    }
    topics
}

impl Admin {
    /// What a group has committed, by topic and partition; with `None`, everywhere. A partition without an offset is left out.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn committed_offsets(&self, id: &str, partitions: Option<&[(String, i32)]>) -> Result<BTreeMap<(String, i32), i64>, Error> {
        let committed = self.committed(id, partitions).await?;
        Ok(committed.into_iter().map(|(partition, committed)| (partition, committed.offset)).collect())
    }

    /// The same with the notes that were committed.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn committed(
        &self,
        id: &str,
        partitions: Option<&[(String, i32)]>,
    ) -> Result<BTreeMap<(String, i32), OffsetAndMetadata>, Error> {
        let topic = |(name, partition_indexes): (String, Vec<i32>)| OffsetFetchGroupTopic {
            name: name.into(),
            partition_indexes,
            ..Default::default()
        };
        let topics = partitions.map(|partitions| by_topic(partitions.to_vec()).into_iter().map(topic).collect());
        self.client.find_coordinator(CoordinatorKind::Group, id).await?;
        let deadline = Instant::now() + STARTING_PATIENCE;
        let group = OffsetFetchGroup { group_id: id.into(), topics, ..Default::default() };
        let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
        let group = loop {
            let answer = self.client.ask_at_most(request.clone(), OFFSET_FETCH_BY_NAME).await?;
            let group = answer.groups.into_iter().next().ok_or_else(|| missing(format!("group {id}")))?;
            if !is_starting(group.error_code) || Instant::now() >= deadline {
                break group;
            }
            tokio::time::sleep(STARTING_PAUSE).await;
        };
        checked(group.error_code, format!("asking for the offsets of group {id}"), None)?;
        let mut committed = BTreeMap::new();
        for topic in group.topics {
            for partition in topic.partitions {
                let place = format!("{}-{}", topic.name, partition.partition_index);
                checked(partition.error_code, format!("asking for the offset of group {id} in {place}"), None)?;
                if partition.committed_offset >= 0 {
                    let metadata = partition.metadata.map(|text| text.to_string()).unwrap_or_default();
                    let found = OffsetAndMetadata { offset: partition.committed_offset, metadata };
                    committed.insert((topic.name.to_string(), partition.partition_index), found);
                }
            }
        }
        Ok(committed)
    }

    /// What each of many groups has committed. A group that the broker does not tell of is left out.
    pub(super) async fn committed_by_groups(&self, ids: &[&str]) -> Result<HashMap<String, BTreeMap<(String, i32), i64>>, Error> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let groups = ids.iter().map(|id| OffsetFetchGroup { group_id: (*id).into(), topics: None, ..Default::default() }).collect();
        let answer = self.client.ask_at_most(OffsetFetchRequest { groups, ..Default::default() }, OFFSET_FETCH_BY_NAME).await?;
        let mut committed = HashMap::new();
        for group in answer.groups.into_iter().filter(|group| group.error_code.is_none()) {
            let topics = group.topics.into_iter().flat_map(|topic| {
                let name = topic.name.to_string();
                topic.partitions.into_iter().map(move |partition| ((name.clone(), partition.partition_index), partition.committed_offset))
            });
            committed.insert(group.group_id.to_string(), topics.filter(|(_, offset)| *offset >= 0).collect());
        }
        Ok(committed)
    }

    /// Says what moving a group's offsets would do: in the topics given, or else in those that it has offsets in.
    ///
    /// # Errors
    /// When there is nothing to move, the group has members, a topic does not exist, or the connection ends.
    pub async fn plan_reset(&self, id: &str, topics: &[String], to: Start) -> Result<Vec<OffsetReset>, Error> {
        let invalid = |sentence: String| Err(Error::new(ErrorKind::InvalidInput, sentence));
        match to {
            Start::Offset(below) | Start::Time(below) if below < 0 => {
                return invalid(format!("offsets and timestamps are not below 0, as {below} is"));
            }
            _ if id.is_empty() => return invalid("a group has an id that is not empty".into()),
            _ => {}
        }
        let found = match self.describe_group(id).await {
            Ok(found) => Some(found),
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => None,
            Err(error) => return Err(error),
        };
        if found.as_ref().is_some_and(|found| !found.members.is_empty()) {
            return Err(Error::refused(ErrorCode::NON_EMPTY_GROUP, format!("moving the offsets of group {id}"), Some(STOP_THEM)));
        }
        let committed = match found.filter(|found| found.group.kind == SHARE) {
            Some(found) => found.offsets.into_iter().filter_map(|at| Some(((at.topic, at.partition), at.committed_offset?))).collect(),
            None => self.committed_offsets(id, None).await?,
        };
        let topics: BTreeSet<String> =
            if topics.is_empty() { by_topic(committed.keys().cloned()).into_keys().collect() } else { topics.iter().cloned().collect() };
        if topics.is_empty() {
            return invalid(format!("group {id} has no offsets: name the topics to set some"));
        }
        let mut plan = Vec::new();
        for name in topics {
            let topic = self.client.topic(&name).await?;
            let starts = self.offsets_at(&topic, EARLIEST).await?;
            let ends = self.offsets_at(&topic, LATEST).await?;
            let times = match to {
                Start::Time(timestamp_ms) => self.offsets_at(&topic, timestamp_ms).await?,
                _ => Vec::new(),
            };
            for partition in 0..topic.partitions {
                let at = |offsets: &[Option<i64>]| offsets.get(partition as usize).copied().flatten();
                let (start, end) = (at(&starts).unwrap_or(0), at(&ends).unwrap_or(0));
                let to = match to {
                    Start::Beginning => start,
                    Start::End => end,
                    Start::Offset(offset) => offset.clamp(start, end),
                    // Nothing is as late as that: then the end.
                    Start::Time(_) => at(&times).unwrap_or(end),
                };
                let from = committed.get(&(name.clone(), partition)).copied();
                plan.push(OffsetReset { topic: name.clone(), partition, from, to });
            }
        }
        Ok(plan)
    }

    /// Moves a group's offsets. The group must have no members. A share group begins there anew, whatever it did before.
    ///
    /// # Errors
    /// With the broker's reason when it refuses.
    pub async fn reset_offsets(&self, id: &str, plan: &[OffsetReset]) -> Result<(), Error> {
        if self.groups().await?.iter().any(|group| group.id == id && group.kind == SHARE) {
            return self.alter_share_offsets(id, plan).await;
        }
        let offsets: Vec<_> = plan.iter().map(|reset| (TopicPartition::new(reset.topic.as_str(), reset.partition), reset.to)).collect();
        self.commit_offsets(id, &offsets).await
    }

    /// Commits offsets of a group without members.
    ///
    /// # Errors
    /// With the broker's reason when it refuses.
    pub async fn commit_offsets<O: Clone + Into<OffsetAndMetadata>>(&self, id: &str, offsets: &[(TopicPartition, O)]) -> Result<(), Error> {
        let mut topics: BTreeMap<&Str, Vec<OffsetCommitPartition>> = BTreeMap::new();
        for (partition, offset) in offsets {
            let committed: OffsetAndMetadata = offset.clone().into();
            topics.entry(&partition.topic).or_default().push(OffsetCommitPartition {
                partition_index: partition.partition,
                committed_offset: committed.offset,
                committed_metadata: Some(committed.metadata.into()),
                ..Default::default()
            });
        }
        let topics =
            topics.into_iter().map(|(name, partitions)| OffsetCommitTopic { name: name.clone(), partitions, ..Default::default() });
        let request = OffsetCommitRequest { group_id: id.into(), topics: topics.collect(), ..Default::default() };
        self.client.find_coordinator(CoordinatorKind::Group, id).await?;
        let deadline = Instant::now() + STARTING_PATIENCE;
        let topics = loop {
            let topics = self.client.ask_at_most(request.clone(), OFFSET_COMMIT_BY_NAME).await?.topics;
            let mut codes = topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
            if !codes.any(is_starting) || Instant::now() >= deadline {
                break topics;
            }
            tokio::time::sleep(STARTING_PAUSE).await;
        };
        for topic in topics {
            for partition in topic.partitions {
                let doing = format!("moving the offset of group {id} in {}-{}", topic.name, partition.partition_index);
                // A commit that names no member is refused while there are members.
                if partition.error_code == ErrorCode::UNKNOWN_MEMBER_ID {
                    return Err(Error::refused(ErrorCode::NON_EMPTY_GROUP, doing, Some(STOP_THEM)));
                }
                checked(partition.error_code, doing, None)?;
            }
        }
        Ok(())
    }
}
