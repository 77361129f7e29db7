//! DescribeShareGroupOffsets: where share groups begin in their partitions, and how much is left to them. As in Kafka, a group that is not
//! there has begun nowhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::message::describe_share_group_offsets::{
    DescribeShareGroupOffsetsGroup, DescribeShareGroupOffsetsGroupResult, DescribeShareGroupOffsetsPartitionResult,
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse, DescribeShareGroupOffsetsTopicResult,
};

use super::place;
use crate::broker::Broker;
use crate::share::partition::SharePartition;

/// Of a partition that the group has not begun.
const NO_OFFSET: i64 = -1;

pub(crate) fn describe_share_group_offsets(
    broker: &Broker,
    request: DescribeShareGroupOffsetsRequest,
) -> DescribeShareGroupOffsetsResponse {
    let groups = request.groups.into_iter().map(|group| describe(broker, group)).collect();
    DescribeShareGroupOffsetsResponse { groups, ..Default::default() }
}

fn describe(broker: &Broker, asked: DescribeShareGroupOffsetsGroup) -> DescribeShareGroupOffsetsGroupResult {
    let mut result = DescribeShareGroupOffsetsGroupResult { group_id: asked.group_id.clone(), ..Default::default() };
    match asked.topics {
        Some(topics) => {
            for topic in topics {
                let known = broker.catalog.get(&topic.topic_name);
                let partitions = topic.partitions.iter().map(|index| match &known {
                    None => unknown(*index),
                    Some(known) if known.partition(*index).is_none() => unknown(*index),
                    Some(known) => match broker.shares.get(&place(&asked.group_id, (known.id, *index))) {
                        Some(partition) => begun(&partition),
                        None => not_begun(*index),
                    },
                });
                result.topics.push(DescribeShareGroupOffsetsTopicResult {
                    topic_id: known.as_ref().map(|known| known.id).unwrap_or_default(),
                    partitions: partitions.collect(),
                    topic_name: topic.topic_name,
                });
            }
        }
        None => {
            let mut topics: BTreeMap<_, Vec<Arc<SharePartition>>> = BTreeMap::new();
            broker.shares.of_group(&asked.group_id).into_iter().for_each(|one| topics.entry(one.place.topic).or_default().push(one));
            for (topic_id, mut partitions) in topics {
                let Some(topic) = broker.catalog.get_by_id(topic_id) else { continue };
                partitions.sort_by_key(|partition| partition.place.partition);
                let partitions = partitions.iter().map(|partition| begun(partition)).collect();
                result.topics.push(DescribeShareGroupOffsetsTopicResult { topic_name: topic.name.as_str().into(), topic_id, partitions });
            }
        }
    }
    result
}

fn unknown(partition_index: i32) -> DescribeShareGroupOffsetsPartitionResult {
    let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    DescribeShareGroupOffsetsPartitionResult {
        partition_index,
        start_offset: NO_OFFSET,
        error_code: code,
        error_message: Some(code.sentence().into()),
        ..Default::default()
    }
}

fn not_begun(partition_index: i32) -> DescribeShareGroupOffsetsPartitionResult {
    DescribeShareGroupOffsetsPartitionResult { partition_index, start_offset: NO_OFFSET, ..Default::default() }
}

/// The lag is what is not done yet (KIP-1226): records behind the window, and those in it that wait, are locked or become dead letters.
fn begun(partition: &SharePartition) -> DescribeShareGroupOffsetsPartitionResult {
    let (start_offset, end, counts) = partition.describe();
    let positions = partition.log.positions();
    DescribeShareGroupOffsetsPartitionResult {
        partition_index: partition.place.partition,
        start_offset,
        leader_epoch: positions.leader_epoch,
        lag: (positions.high_watermark - end).max(0) + counts.undone() as i64,
        ..Default::default()
    }
}
