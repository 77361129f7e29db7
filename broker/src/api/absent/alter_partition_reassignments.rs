//! AlterPartitionReassignments: a partition is on the one broker, and there is no other.

use millstream_protocol::message::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignPartitionResult, ReassignTopicResult,
};
use millstream_protocol::{ErrorCode, Str};

use crate::api::partition;
use crate::broker::Broker;

/// A partition is where it is: moving it to the one broker is done already, and there is no other.
pub(crate) fn alter_partition_reassignments(
    broker: &Broker,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let reassign = |topic: &str, index: i32, replicas: Option<Vec<i32>>| match replicas {
        _ if partition(broker, topic, index).is_err() => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        None => ErrorCode::NO_REASSIGNMENT_IN_PROGRESS,
        Some(replicas) if replicas == [broker.node_id()] => ErrorCode::NONE,
        Some(_) => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
    };
    let responses = request.topics.into_iter().map(|topic| ReassignTopicResult {
        partitions: topic
            .partitions
            .into_iter()
            .map(|asked| {
                let error_code = reassign(&topic.name, asked.partition_index, asked.replicas);
                let error_message = (!error_code.is_none()).then(|| Str::from_static(error_code.sentence()));
                ReassignPartitionResult { partition_index: asked.partition_index, error_code, error_message }
            })
            .collect(),
        name: topic.name,
    });
    AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        responses: responses.collect(),
        ..Default::default()
    }
}
