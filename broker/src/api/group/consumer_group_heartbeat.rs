//! ConsumerGroupHeartbeat (KIP-848): a member joins, goes on, or leaves; the answer may have its assignment.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::Response;
use millstream_protocol::message::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

use crate::api::Context;
use crate::broker::Broker;
use crate::journal::durable;

pub(crate) fn consumer_group_heartbeat(
    broker: &Arc<Broker>,
    context: &Context,
    request: &ConsumerGroupHeartbeatRequest,
) -> BoxFuture<'static, Response> {
    let answered = broker.groups.consumer_heartbeat(request, context.version, context.client());
    let mut response = answered.unwrap_or_else(|error| ConsumerGroupHeartbeatResponse {
        error_code: error.code(),
        error_message: Some(error.to_string().into()),
        ..Default::default()
    });
    let broker = broker.clone();
    async move {
        if response.error_code.is_none()
            && let Err(error) = durable(broker.groups.settled()).await
        {
            response.error_code = error.code();
        }
        response.into()
    }
    .boxed()
}
