//! DeleteShareGroupOffsets: share groups without members forget how far they have come.

// Replaced with the records' half.

use millstream_protocol::ErrorCode;
use millstream_protocol::message::delete_share_group_offsets::DeleteShareGroupOffsetsResponse;

pub(crate) fn delete_share_group_offsets() -> DeleteShareGroupOffsetsResponse {
    DeleteShareGroupOffsetsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, ..Default::default() }
}
