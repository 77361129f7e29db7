//! AddOffsetsToTxn: the offsets of groups join a transaction.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use millstream_protocol::{ErrorCode, Response};

use super::fenced_as;
use crate::api::Context;
use crate::broker::Broker;
use crate::journal::{self, durable};
use crate::transaction::ProducerIdentity;

pub(crate) fn add_offsets_to_txn(
    broker: &Arc<Broker>,
    context: &Context,
    request: &AddOffsetsToTxnRequest,
) -> BoxFuture<'static, Response> {
    let who = ProducerIdentity { producer_id: request.producer_id, epoch: request.producer_epoch };
    let added = if request.transactional_id.is_empty() {
        Err(ErrorCode::INVALID_REQUEST)
    } else {
        let place = (journal::OFFSETS.to_owned(), 0);
        broker.groups.prepare().and_then(|()| broker.transactions.add(&request.transactional_id, who, vec![place]))
    };
    let is_old = context.version < 2;
    async move {
        let added = match added {
            Ok(acknowledged) => durable(acknowledged).await,
            Err(code) => Err(fenced_as(code, is_old)),
        };
        AddOffsetsToTxnResponse { error_code: added.err().unwrap_or(ErrorCode::NONE), ..Default::default() }.into()
    }
    .boxed()
}
