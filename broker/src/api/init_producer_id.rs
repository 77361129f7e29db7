//! InitProducerId: an identity for an idempotent producer.

use millstream_protocol::ErrorCode;
use millstream_protocol::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use super::read_error;
use crate::broker::Broker;

pub(crate) fn init_producer_id(broker: &Broker, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    let failed = |error_code| InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() };
    match request.transactional_id.as_deref() {
        Some("") => return failed(ErrorCode::INVALID_REQUEST),
        // There is no transaction coordinator, and FindCoordinator is not served.
        Some(_) => return failed(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        None => {}
    }
    if (request.producer_id == -1) != (request.producer_epoch == -1) {
        return failed(ErrorCode::INVALID_REQUEST);
    }
    match broker.next_producer_id() {
        Ok(producer_id) => InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() },
        Err(error) => failed(read_error(&error)),
    }
}
