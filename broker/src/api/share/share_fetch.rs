//! ShareFetch: records for a member of a share group.

// Replaced with the records' half.

use millstream_protocol::ErrorCode;
use millstream_protocol::message::share_fetch::ShareFetchResponse;

pub(crate) fn share_fetch() -> ShareFetchResponse {
    ShareFetchResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, ..Default::default() }
}
