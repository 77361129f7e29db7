//! Managing groups: who is in them, how far they have come, and moving that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use millstream_protocol::message::consumer_group_describe::{ConsumerGroupDescribeRequest, NamedAssignment};
use millstream_protocol::message::consumer_protocol::ConsumerAssignment;
use millstream_protocol::message::delete_groups::DeleteGroupsRequest;
use millstream_protocol::message::describe_groups::{DescribeGroupsRequest, DescribedMember};
use millstream_protocol::message::list_groups::ListGroupsRequest;
use millstream_protocol::message::list_offsets::{EARLIEST, LATEST};
use millstream_protocol::message::offset_commit::{OffsetCommitPartition, OffsetCommitRequest, OffsetCommitTopic};
use millstream_protocol::message::offset_fetch::{OffsetFetchGroup, OffsetFetchGroupTopic, OffsetFetchRequest};
use millstream_protocol::{ErrorCode, Str};

use serde::Serialize;
use tokio::time::Instant;

use crate::admin::{Admin, checked, missing};
use crate::client::CoordinatorKind;
use crate::consumer::OffsetAndMetadata;
use crate::error::{Error, ErrorKind};
use crate::reader::Start;
use crate::topic_partition::TopicPartition;

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupInfo {
    /// Its id.
    pub id: String,
    /// "classic" or "consumer"; empty from brokers that do not say.
    #[serde(rename = "type")]
    pub kind: String,
    /// "Stable", "Empty", "PreparingRebalance".
    pub state: String,
    /// The kind of client: "consumer", "connect", or empty.
    pub protocol_type: String,
}

/// A group, its members and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupDescription {
    /// What a list says of it.
    #[serde(flatten)]
    pub group: GroupInfo,
    /// How partitions are assigned.
    pub assignor: String,
    /// Its members.
    pub members: Vec<GroupMember>,
    /// Its committed offsets, and the partitions that its members have.
    pub offsets: Vec<GroupOffset>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupMember {
    /// Its id.
    pub id: String,
    /// Its own lasting name.
    pub instance_id: Option<String>,
    /// What its client calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// The partitions that it has.
    pub partitions: Vec<TopicPartition>,
}

/// How far a group has come in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to be read; `None` if a member has the partition and nothing was committed.
    pub committed_offset: Option<i64>,
    /// The end of the partition; `None` if it is gone.
    pub end_offset: Option<i64>,
    /// How many offsets are still to be read; below 0 when the partition ends before what was committed.
    pub lag: Option<i64>,
    /// Who has the partition.
    pub member_id: Option<String>,
}

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

fn by_topic(partitions: impl IntoIterator<Item = (String, i32)>) -> BTreeMap<String, Vec<i32>> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(partition);
    }
    topics
}

impl Admin {
    /// All groups, by id.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn groups(&self) -> Result<Vec<GroupInfo>, Error> {
        let answer = self.client.ask(ListGroupsRequest::default()).await?;
        checked(answer.error_code, "listing groups".into(), None)?;
        let info = |group: millstream_protocol::message::list_groups::ListedGroup| GroupInfo {
            id: group.group_id.to_string(),
            kind: group.group_type.to_string(),
            state: group.group_state.to_string(),
            protocol_type: group.protocol_type.to_string(),
        };
        let mut groups: Vec<GroupInfo> = answer.groups.into_iter().map(info).collect();
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(groups)
    }

    /// A group with its members, offsets and lag.
    ///
    /// # Errors
    /// When it does not exist, or the connection ends.
    pub async fn describe_group(&self, id: &str) -> Result<GroupDescription, Error> {
        let found = self.groups().await?.into_iter().find(|group| group.id == id);
        let group = found.ok_or_else(|| Error::refused(ErrorCode::GROUP_ID_NOT_FOUND, format!("describing group {id}"), None))?;
        let (assignor, members) =
            if group.kind == "consumer" { self.consumer_members(id).await? } else { self.classic_members(id).await? };
        let offsets = self.group_offsets(id, &members).await?;
        Ok(GroupDescription { group, assignor, members, offsets })
    }

    async fn consumer_members(&self, id: &str) -> Result<(String, Vec<GroupMember>), Error> {
        let request = ConsumerGroupDescribeRequest { group_ids: vec![id.into()], ..Default::default() };
        let group = self.client.ask(request).await?.groups.into_iter().next().ok_or_else(|| missing(format!("group {id}")))?;
        checked(group.error_code, format!("describing group {id}"), group.error_message.as_deref())?;
        let partitions = |assignment: NamedAssignment| {
            let topics = assignment.topic_partitions.into_iter();
            topics
                .flat_map(|topic| {
                    topic.partitions.into_iter().map(move |partition| TopicPartition { topic: topic.topic_name.clone(), partition })
                })
                .collect()
        };
        let members = group.members.into_iter().map(|member| GroupMember {
            id: member.member_id.to_string(),
            instance_id: member.instance_id.map(|id| id.to_string()),
            client_id: member.client_id.to_string(),
            host: member.client_host.trim_start_matches('/').to_owned(),
            partitions: partitions(member.assignment),
        });
        Ok((group.assignor_name.to_string(), members.collect()))
    }

    async fn classic_members(&self, id: &str) -> Result<(String, Vec<GroupMember>), Error> {
        let request = DescribeGroupsRequest { groups: vec![id.into()], ..Default::default() };
        let group = self.client.ask(request).await?.groups.into_iter().next().ok_or_else(|| missing(format!("group {id}")))?;
        checked(group.error_code, format!("describing group {id}"), group.error_message.as_deref())?;
        let is_consumer = group.protocol_type == "consumer";
        let partitions = |member: &DescribedMember| -> Vec<TopicPartition> {
            // What other kinds of group assign is their own affair.
            let assignment = ConsumerAssignment::read(member.member_assignment.clone()).ok().filter(|_| is_consumer);
            let topics = assignment.into_iter().flat_map(|assignment| assignment.assigned_partitions);
            topics
                .flat_map(|topic| {
                    topic.partitions.into_iter().map(move |partition| TopicPartition { topic: topic.topic.clone(), partition })
                })
                .collect()
        };
        let members = group.members.into_iter().map(|member| GroupMember {
            partitions: partitions(&member),
            id: member.member_id.to_string(),
            instance_id: member.group_instance_id.map(|id| id.to_string()),
            client_id: member.client_id.to_string(),
            host: member.client_host.trim_start_matches('/').to_owned(),
        });
        Ok((group.protocol_data.to_string(), members.collect()))
    }

    async fn group_offsets(&self, id: &str, members: &[GroupMember]) -> Result<Vec<GroupOffset>, Error> {
        let committed = self.committed_offsets(id, None).await?;
        let assigned = members.iter().flat_map(|member| &member.partitions).map(|place| (place.topic.to_string(), place.partition));
        let places: BTreeSet<(String, i32)> = committed.keys().cloned().chain(assigned).collect();
        let mut offsets = Vec::new();
        for (topic, partitions) in by_topic(places) {
            let ends = match self.client.topic(&topic).await {
                Ok(topic) => self.offsets_at(&topic, LATEST).await?,
                Err(error) if error.code().is_some() => Vec::new(),
                Err(error) => return Err(error),
            };
            for partition in partitions {
                let committed_offset = committed.get(&(topic.clone(), partition)).copied();
                let end_offset = ends.get(partition as usize).copied().flatten();
                let place = TopicPartition::new(topic.as_str(), partition);
                offsets.push(GroupOffset {
                    committed_offset,
                    end_offset,
                    lag: end_offset.zip(committed_offset).map(|(end_offset, committed_offset)| end_offset - committed_offset),
                    member_id: members.iter().find(|member| member.partitions.contains(&place)).map(|member| member.id.clone()),
                    topic: topic.clone(),
                    partition,
                });
            }
        }
        Ok(offsets)
    }

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
        // The newest version names topics by their ids, which says nothing to people.
        let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
        let group = loop {
            let answer = self.client.ask_at_most(request.clone(), 9).await?;
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
        let has_members = match self.describe_group(id).await {
            Ok(found) => !found.members.is_empty(),
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => false,
            Err(error) => return Err(error),
        };
        if has_members {
            return Err(Error::refused(ErrorCode::NON_EMPTY_GROUP, format!("moving the offsets of group {id}"), Some(STOP_THEM)));
        }
        let committed = self.committed_offsets(id, None).await?;
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

    /// Moves a group's offsets. The group must have no members.
    ///
    /// # Errors
    /// With the broker's reason when it refuses.
    pub async fn reset_offsets(&self, id: &str, plan: &[OffsetReset]) -> Result<(), Error> {
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
            let topics = self.client.ask_at_most(request.clone(), 9).await?.topics;
            let mut codes = topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
            if !codes.any(is_starting) || Instant::now() >= deadline {
                break topics;
            }
            tokio::time::sleep(STARTING_PAUSE).await;
        };
        for topic in topics {
            for partition in topic.partitions {
                let doing = format!("moving the offset of group {id} in {}-{}", topic.name, partition.partition_index);
                // Who names no member is none of them.
                if partition.error_code == ErrorCode::UNKNOWN_MEMBER_ID {
                    return Err(Error::refused(ErrorCode::NON_EMPTY_GROUP, doing, Some(STOP_THEM)));
                }
                checked(partition.error_code, doing, None)?;
            }
        }
        Ok(())
    }

    /// Deletes a group without members, and its offsets.
    ///
    /// # Errors
    /// With the broker's reason when it refuses.
    pub async fn delete_group(&self, id: &str) -> Result<(), Error> {
        let answer = self.client.ask(DeleteGroupsRequest { groups_names: vec![id.into()] }).await?;
        let result = answer.results.first().ok_or_else(|| missing(format!("group {id}")))?;
        let sentence = (result.error_code == ErrorCode::NON_EMPTY_GROUP).then_some("the group has members: stop them first");
        checked(result.error_code, format!("deleting group {id}"), sentence)
    }
}
