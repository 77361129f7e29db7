//! FindCoordinator: there are no groups and no transactions yet, so there is no coordinator of either.
//!
//! It is served all the same: librdkafka takes a broker without this API for one that is too old for lz4, and sends
//! batches uncompressed without a word.

use millstream_protocol::ErrorCode;
use millstream_protocol::message::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};

const SENTENCE: &str = "this broker has no consumer groups and no transactions yet: assign partitions instead of subscribing";

pub(crate) fn find_coordinator(request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let error_code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
    let error_message = Some(SENTENCE.into());
    FindCoordinatorResponse {
        error_code,
        error_message: error_message.clone(),
        node_id: -1,
        port: -1,
        coordinators: request
            .coordinator_keys
            .into_iter()
            .map(|key| Coordinator { key, node_id: -1, port: -1, error_code, error_message: error_message.clone(), ..Default::default() })
            .collect(),
        ..Default::default()
    }
}
