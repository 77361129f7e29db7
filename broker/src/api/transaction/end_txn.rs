//! EndTxn: a transaction is committed or aborted. The answer comes when its markers are durable.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::Response;
use millstream_protocol::message::end_txn::{EndTxnRequest, EndTxnResponse};

use super::fenced_as;
use crate::api::Context;
use crate::broker::Broker;
use crate::journal::durable;
use crate::transaction::{Ending, ProducerIdentity, TransactionError};

/// From this version of EndTxn on the epoch rises with every end (KIP-890).
const END_BUMPS_SINCE: i16 = 5;

pub(crate) fn end_txn(broker: &Arc<Broker>, context: &Context, request: &EndTxnRequest) -> BoxFuture<'static, Response> {
    let who = ProducerIdentity { producer_id: request.producer_id, epoch: request.producer_epoch };
    let is_bumping = context.version >= END_BUMPS_SINCE;
    let is_old = context.version < 2;
    let ended = if request.transactional_id.is_empty() {
        Err(TransactionError::NoId)
    } else {
        broker.transactions.end(&request.transactional_id, who, request.committed, is_bumping)
    };
    async move {
        let ended = match ended {
            Ok((Ending::Over(acknowledged), next)) => durable(acknowledged).await.map(|()| next).map_err(TransactionError::from),
            Ok((Ending::Marking(marking), next)) => marking.done().await.map(|()| next),
            Err(error) => Err(error),
        };
        match ended {
            Ok(next) => EndTxnResponse { producer_id: next.producer_id, producer_epoch: next.epoch, ..Default::default() }.into(),
            Err(error) => EndTxnResponse { error_code: fenced_as(error, is_old), ..Default::default() }.into(),
        }
    }
    .boxed()
}
