//! AlterShareGroupOffsets: where share groups without members go on.

// Replaced with the records' half.

use millstream_protocol::ErrorCode;
use millstream_protocol::message::alter_share_group_offsets::AlterShareGroupOffsetsResponse;

pub(crate) fn alter_share_group_offsets() -> AlterShareGroupOffsetsResponse {
    AlterShareGroupOffsetsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, ..Default::default() }
}
