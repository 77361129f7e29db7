//! ListPartitionReassignments: nothing ever moves.

use millstream_protocol::message::list_partition_reassignments::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

/// Nothing ever moves.
pub(crate) fn list_partition_reassignments(_: &ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}
