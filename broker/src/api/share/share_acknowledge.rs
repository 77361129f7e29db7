//! ShareAcknowledge: what became of records that a member of a share group acquired.

// Replaced with the records' half.

use millstream_protocol::ErrorCode;
use millstream_protocol::message::share_acknowledge::ShareAcknowledgeResponse;

pub(crate) fn share_acknowledge() -> ShareAcknowledgeResponse {
    ShareAcknowledgeResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, ..Default::default() }
}
