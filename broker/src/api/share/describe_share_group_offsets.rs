//! DescribeShareGroupOffsets: how far share groups have come.

// Replaced with the records' half.

use millstream_protocol::ErrorCode;
use millstream_protocol::message::describe_share_group_offsets::{
    DescribeShareGroupOffsetsGroup, DescribeShareGroupOffsetsGroupResult, DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsResponse,
};

pub(crate) fn describe_share_group_offsets(request: &DescribeShareGroupOffsetsRequest) -> DescribeShareGroupOffsetsResponse {
    let failed = |group: &DescribeShareGroupOffsetsGroup| DescribeShareGroupOffsetsGroupResult {
        group_id: group.group_id.clone(),
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        ..Default::default()
    };
    DescribeShareGroupOffsetsResponse { groups: request.groups.iter().map(failed).collect(), ..Default::default() }
}
