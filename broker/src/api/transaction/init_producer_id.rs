//! InitProducerId: an identity for an idempotent producer, or for one with a transactional id.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use millstream_protocol::{ErrorCode, Response};

use super::fenced_as;
use crate::api::{Context, read_error};
use crate::broker::Broker;
use crate::transaction::ProducerIdentity;

fn failed(error_code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() }
}

pub(crate) fn init_producer_id(broker: &Arc<Broker>, context: &Context, request: &InitProducerIdRequest) -> BoxFuture<'static, Response> {
    if request.transactional_id.as_deref() == Some("") || (request.producer_id == -1) != (request.producer_epoch == -1) {
        return ready(failed(ErrorCode::INVALID_REQUEST).into()).boxed();
    }
    if request.enable_2pc || request.keep_prepared_txn {
        // Two-phase commits across systems (KIP-939) are not served.
        return ready(failed(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED).into()).boxed();
    }
    let Some(id) = request.transactional_id.clone() else {
        let given = match broker.identity.next_producer_id() {
            Ok(producer_id) => InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() },
            Err(error) => failed(read_error(broker, &error)),
        };
        return ready(given.into()).boxed();
    };
    let known = (request.producer_id != -1).then_some(ProducerIdentity { producer_id: request.producer_id, epoch: request.producer_epoch });
    let (transactions, timeout_ms, version) = (broker.transactions.clone(), request.transaction_timeout_ms, context.version);
    async move {
        if let Err(error) = transactions.prepare() {
            return failed(error.code()).into();
        }
        match transactions.begin(id, known, timeout_ms).await {
            Ok(identity) => {
                InitProducerIdResponse { producer_id: identity.producer_id, producer_epoch: identity.epoch, ..Default::default() }.into()
            }
            Err(error) => failed(fenced_as(error, version < 4)).into(),
        }
    }
    .boxed()
}
