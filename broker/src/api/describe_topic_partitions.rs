//! DescribeTopicPartitions: topics page by page, sorted by name.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::message::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsPartition, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, DescribeTopicPartitionsTopic,
};

use super::TOPIC_OPERATIONS;
use crate::broker::Broker;
use crate::limit;

pub(crate) fn describe_topic_partitions(broker: &Arc<Broker>, request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let mut names: Vec<String> = match request.topics.is_empty() {
        true => broker.catalog.all().iter().map(|topic| topic.name.clone()).collect(),
        false => request.topics.iter().map(|topic| topic.name.to_string()).collect(),
    };
    names.sort_unstable();
    names.dedup();
    let (first_topic, first_partition) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.to_string(), cursor.partition_index),
        None => (String::new(), 0),
    };
    let mut left = request.response_partition_limit.clamp(1, limit::PARTITIONS_PER_PAGE_MAX);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names.into_iter().filter(|name| *name >= first_topic) {
        let from = if name == first_topic { first_partition } else { 0 };
        let Some(topic) = broker.catalog.get(&name) else {
            let code = match crate::catalog::check_name(&name) {
                _ if name.is_empty() => ErrorCode::UNKNOWN_SERVER_ERROR,
                Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                Err(error) => error.code(),
            };
            response.topics.push(failed(name, code));
            continue;
        };
        let partitions = topic.partitions();
        if from < 0 || (from > 0 && from as usize >= partitions.len()) {
            response.topics.push(failed(name, ErrorCode::INVALID_REQUEST));
            continue;
        }
        if left == 0 {
            response.next_cursor = Some(Box::new(Cursor { topic_name: name.into(), partition_index: from }));
            break;
        }
        let page: Vec<_> =
            partitions.iter().skip(from as usize).take(left as usize).map(|partition| described(partition, broker.node_id())).collect();
        left -= page.len() as i32;
        let next = from + page.len() as i32;
        response.topics.push(DescribeTopicPartitionsTopic {
            name: Some(name.as_str().into()),
            topic_id: topic.id,
            is_internal: crate::journal::is_internal(&topic.name),
            partitions: page,
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..Default::default()
        });
        if (next as usize) < partitions.len() {
            response.next_cursor = Some(Box::new(Cursor { topic_name: name.into(), partition_index: next }));
            break;
        }
    }
    response
}

fn failed(name: String, error_code: ErrorCode) -> DescribeTopicPartitionsTopic {
    let topic_authorized_operations = if name.is_empty() { i32::MIN } else { TOPIC_OPERATIONS };
    DescribeTopicPartitionsTopic { error_code, name: Some(name.into()), topic_authorized_operations, ..Default::default() }
}

fn described(partition: &crate::partition::Partition, node_id: i32) -> DescribeTopicPartitionsPartition {
    DescribeTopicPartitionsPartition {
        partition_index: partition.index,
        leader_id: node_id,
        leader_epoch: partition.positions().leader_epoch,
        replica_nodes: vec![node_id],
        isr_nodes: vec![node_id],
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..Default::default()
    }
}
