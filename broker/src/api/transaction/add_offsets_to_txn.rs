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
use crate::transaction::{ProducerIdentity, TransactionError};

pub(crate) fn add_offsets_to_txn(
    broker: &Arc<Broker>,
    context: &Context,
    request: &AddOffsetsToTxnRequest,
) -> BoxFuture<'static, Response> {
    let who = ProducerIdentity { producer_id: request.producer_id, epoch: request.producer_epoch };
    let added = if request.transactional_id.is_empty() {
        Err(TransactionError::NoId)
    } else {
        let place = (journal::OFFSETS.to_owned(), 0);
        let prepared = broker.groups.prepare().map_err(TransactionError::from);
        prepared.and_then(|()| broker.transactions.add(&request.transactional_id, who, vec![place]))
    };
    let is_old = context.version < 2;
    async move {
        let added = match added {
            Ok(acknowledged) => durable(acknowledged).await.map_err(TransactionError::from),
            Err(error) => Err(error),
        };
        let error_code = added.err().map_or(ErrorCode::NONE, |error| fenced_as(error, is_old));
        AddOffsetsToTxnResponse { error_code, ..Default::default() }.into()
    }
    .boxed()
}
