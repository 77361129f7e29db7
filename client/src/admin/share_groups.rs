//! Share groups (KIP-932), as descriptions of groups have them: the committed offset of a partition is where the group begins in it, and its
//! lag is what is not done yet.

use std::collections::{BTreeMap, HashMap};

use millstream_protocol::Str;
use millstream_protocol::message::alter_share_group_offsets::{
    AlterShareGroupOffsetsPartition, AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsTopic,
};
use millstream_protocol::message::describe_share_group_offsets::{DescribeShareGroupOffsetsGroup, DescribeShareGroupOffsetsRequest};
use millstream_protocol::message::list_offsets::LATEST;
use millstream_protocol::message::share_group_describe::{DescribedShareGroup, ShareGroupDescribeRequest};

use super::Admin;
use super::group_offsets::OffsetReset;
use super::groups::{GroupMember, GroupOffset};
use crate::error::{Error, checked, missing};
use crate::topic_partition::TopicPartition;

/// Of a share group in a list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ShareCounts {
    pub members: usize,
    /// `None` before its first partition.
    pub lag: Option<i64>,
}

impl Admin {
    async fn described_share_groups(&self, ids: Vec<Str>) -> Result<Vec<DescribedShareGroup>, Error> {
        Ok(self.client.ask(ShareGroupDescribeRequest { group_ids: ids, ..Default::default() }).await?.groups)
    }

    /// Members and lag of each. One that went away meanwhile is left out.
    pub(super) async fn share_counts(&self, ids: Vec<Str>) -> Result<HashMap<String, ShareCounts>, Error> {
        let mut counts: HashMap<String, ShareCounts> = HashMap::new();
        if ids.is_empty() {
            return Ok(counts);
        }
        for group in self.described_share_groups(ids.clone()).await?.into_iter().filter(|group| group.error_code.is_none()) {
            counts.insert(group.group_id.to_string(), ShareCounts { members: group.members.len(), lag: None });
        }
        let groups = ids.into_iter().map(|group_id| DescribeShareGroupOffsetsGroup { group_id, topics: None }).collect();
        for group in self.client.ask(DescribeShareGroupOffsetsRequest { groups }).await?.groups {
            let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
            let lag = partitions.filter(|partition| partition.lag >= 0).map(|partition| partition.lag).reduce(|one, other| one + other);
            if let Some(counts) = counts.get_mut(&*group.group_id) {
                counts.lag = lag;
            }
        }
        Ok(counts)
    }

    pub(super) async fn share_members(&self, id: &str) -> Result<(String, Vec<GroupMember>), Error> {
        let group = self.described_share_groups(vec![id.into()]).await?.into_iter().next().ok_or_else(|| missing(format!("group {id}")))?;
        checked(group.error_code, format!("describing group {id}"), group.error_message.as_deref())?;
        let members = group.members.into_iter().map(|member| {
            let topics = member.assignment.topic_partitions.into_iter();
            let partitions = topics.flat_map(|topic| {
                topic.partitions.into_iter().map(move |partition| TopicPartition { topic: topic.topic_name.clone(), partition })
            });
            GroupMember {
                partitions: partitions.collect(),
                id: member.member_id.to_string(),
                instance_id: None,
                client_id: member.client_id.to_string(),
                host: member.client_host.trim_start_matches('/').to_owned(),
            }
        });
        Ok((group.assignor_name.to_string(), members.collect()))
    }

    pub(super) async fn alter_share_offsets(&self, id: &str, plan: &[OffsetReset]) -> Result<(), Error> {
        let mut topics: BTreeMap<&str, Vec<AlterShareGroupOffsetsPartition>> = BTreeMap::new();
        for reset in plan {
            let partition = AlterShareGroupOffsetsPartition { partition_index: reset.partition, start_offset: reset.to };
            topics.entry(&reset.topic).or_default().push(partition);
        }
        let topics =
            topics.into_iter().map(|(name, partitions)| AlterShareGroupOffsetsTopic { topic_name: name.into(), partitions }).collect();
        let answer = self.client.ask(AlterShareGroupOffsetsRequest { group_id: id.into(), topics }).await?;
        checked(answer.error_code, format!("moving the offsets of group {id}"), answer.error_message.as_deref())?;
        for topic in answer.responses {
            for partition in topic.partitions {
                let doing = format!("moving the offset of group {id} in {}-{}", topic.topic_name, partition.partition_index);
                checked(partition.error_code, doing, partition.error_message.as_deref())?;
            }
        }
        Ok(())
    }

    pub(super) async fn share_offsets(&self, id: &str) -> Result<Vec<GroupOffset>, Error> {
        let groups = vec![DescribeShareGroupOffsetsGroup { group_id: id.into(), topics: None }];
        let answer = self.client.ask(DescribeShareGroupOffsetsRequest { groups }).await?;
        let group = answer.groups.into_iter().next().ok_or_else(|| missing(format!("group {id}")))?;
        checked(group.error_code, format!("describing group {id}"), group.error_message.as_deref())?;
        let mut offsets: BTreeMap<(String, i32), GroupOffset> = BTreeMap::new();
        for topic in group.topics {
            let name = topic.topic_name.to_string();
            let ends = match self.client.topic(&name).await {
                Ok(topic) => self.offsets_at(&topic, LATEST).await?,
                Err(error) if error.code().is_some() => Vec::new(),
                Err(error) => return Err(error),
            };
            for partition in topic.partitions.into_iter().filter(|partition| partition.error_code.is_none()) {
                let index = partition.partition_index;
                let offset = GroupOffset {
                    topic: name.clone(),
                    partition: index,
                    committed_offset: Some(partition.start_offset).filter(|offset| *offset >= 0),
                    end_offset: ends.get(index as usize).copied().flatten(),
                    lag: Some(partition.lag).filter(|lag| *lag >= 0),
                    // Several may have it.
                    member_id: None,
                };
                offsets.insert((name.clone(), index), offset);
            }
        }
        Ok(offsets.into_values().collect())
    }
}
