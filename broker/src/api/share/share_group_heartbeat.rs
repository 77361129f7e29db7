//! ShareGroupHeartbeat (KIP-932): a member of a share group joins, goes on, or leaves; the answer may have its assignment.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::Response;
use millstream_protocol::message::share_group_heartbeat::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};

use crate::api::Context;
use crate::broker::Broker;
use crate::journal::durable;

pub(crate) fn share_group_heartbeat(
    broker: &Arc<Broker>,
    context: &Context,
    request: &ShareGroupHeartbeatRequest,
) -> BoxFuture<'static, Response> {
    let answered = broker.groups.share_heartbeat(request, context.client());
    let mut response = answered.unwrap_or_else(|error| ShareGroupHeartbeatResponse {
        error_code: error.code(),
        error_message: Some(error.to_string().into()),
        ..Default::default()
    });
    let broker = broker.clone();
    async move {
        // No restart tells a lower epoch.
        if response.error_code.is_none()
            && let Err(error) = durable(broker.groups.settled()).await
        {
            response.error_code = error.code();
        }
        response.into()
    }
    .boxed()
}
