//! Groups: list, describe, delete.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use millstream_protocol::message::consumer_group_describe::{ConsumerGroupDescribeRequest, NamedAssignment};
use millstream_protocol::message::consumer_protocol::ConsumerAssignment;
use millstream_protocol::message::delete_groups::DeleteGroupsRequest;
use millstream_protocol::message::describe_groups::{DescribeGroupsRequest, DescribedMember};
use millstream_protocol::message::list_groups::ListGroupsRequest;
use millstream_protocol::message::list_offsets::LATEST;
use millstream_protocol::{ErrorCode, Str};
use serde::Serialize;

use super::group_offsets::by_topic;
use super::{Admin, SHARE};
use crate::error::{Error, checked, missing};
use crate::isolation::Isolation;
use crate::topic_partition::TopicPartition;

/// What a broker tells of every group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupInfo {
    /// Its id.
    pub id: String,
    /// "classic", "consumer" or "share"; empty from brokers that do not say.
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
    /// The next offset to be read; `None` if a member has the partition and nothing was committed. Of a share group: below it everything is
    /// done.
    pub committed_offset: Option<i64>,
    /// The end of the partition; `None` if it is gone.
    pub end_offset: Option<i64>,
    /// How many offsets are still to be read, or to be done; below 0 when the partition ends before what was committed.
    pub lag: Option<i64>,
    /// The member that has the partition.
    pub member_id: Option<String>,
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupListing {
    /// The group.
    #[serde(flatten)]
    pub group: GroupInfo,
    /// How many members it has; `None` if the broker did not tell.
    pub members: Option<usize>,
    /// How many offsets its members have still to read, over all partitions in which it has committed; `None` without any.
    pub lag: Option<i64>,
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

    /// All groups with their members and lag, by id.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, Error> {
        let groups = self.groups().await?;
        let (share_groups, others): (Vec<&GroupInfo>, Vec<&GroupInfo>) = groups.iter().partition(|group| group.kind == SHARE);
        let shared = self.share_counts(share_groups.iter().map(|group| group.id.as_str().into()).collect()).await?;
        let members = self.member_counts(&others).await?;
        let ids: Vec<&str> = others.iter().map(|group| group.id.as_str()).collect();
        let committed = self.committed_by_groups(&ids).await?;
        let places: BTreeSet<(String, i32)> = committed.values().flat_map(|offsets| offsets.keys().cloned()).collect();
        let places = places.into_iter().map(|(topic, partition)| (TopicPartition::new(topic.as_str(), partition), LATEST));
        let ends = self.look_up_offsets(places.collect(), Isolation::ReadUncommitted).await?;
        let lag_of = |offsets: &BTreeMap<(String, i32), i64>| {
            let lags = offsets.iter().filter_map(|((topic, partition), offset)| {
                let end = ends.get(&TopicPartition::new(topic.as_str(), *partition))?.as_ref().ok()?.as_ref()?;
                Some((end - offset).max(0))
            });
            lags.reduce(|one, other| one + other)
        };
        let listing = |group: GroupInfo| {
            let shared = shared.get(&group.id);
            GroupListing {
                members: members.get(&group.id).copied().or(shared.map(|shared| shared.members)),
                lag: committed.get(&group.id).and_then(lag_of).or(shared.and_then(|shared| shared.lag)),
                group,
            }
        };
        Ok(groups.iter().cloned().map(listing).collect())
    }

    /// How many members each group has. One that went away meanwhile is left out.
    async fn member_counts(&self, groups: &[&GroupInfo]) -> Result<HashMap<String, usize>, Error> {
        let (consumers, classics): (Vec<&GroupInfo>, Vec<&GroupInfo>) = groups.iter().copied().partition(|group| group.kind == "consumer");
        let ids = |groups: Vec<&GroupInfo>| groups.into_iter().map(|group| group.id.as_str().into()).collect::<Vec<Str>>();
        let mut counts = HashMap::new();
        if !consumers.is_empty() {
            let request = ConsumerGroupDescribeRequest { group_ids: ids(consumers), ..Default::default() };
            let found = self.client.ask(request).await?.groups.into_iter().filter(|group| group.error_code.is_none());
            counts.extend(found.map(|group| (group.group_id.to_string(), group.members.len())));
        }
        if !classics.is_empty() {
            let request = DescribeGroupsRequest { groups: ids(classics), ..Default::default() };
            let found = self.client.ask(request).await?.groups.into_iter().filter(|group| group.error_code.is_none());
            counts.extend(found.map(|group| (group.group_id.to_string(), group.members.len())));
        }
        Ok(counts)
    }

    /// A group with its members, offsets and lag.
    ///
    /// # Errors
    /// When it does not exist, or the connection ends.
    pub async fn describe_group(&self, id: &str) -> Result<GroupDescription, Error> {
        let found = self.groups().await?.into_iter().find(|group| group.id == id);
        let group = found.ok_or_else(|| Error::refused(ErrorCode::GROUP_ID_NOT_FOUND, format!("describing group {id}"), None))?;
        if group.kind == SHARE {
            let ((assignor, members), offsets) = (self.share_members(id).await?, self.share_offsets(id).await?);
            return Ok(GroupDescription { group, assignor, members, offsets });
        }
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
