//! LeaveGroup: members of a classic group leave.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::Response;
use millstream_protocol::message::leave_group::LeaveGroupRequest;

use crate::api::Context;
use crate::broker::Broker;
use crate::journal::durable;

pub(crate) fn leave_group(broker: &Arc<Broker>, context: &Context, request: LeaveGroupRequest) -> BoxFuture<'static, Response> {
    let mut response = broker.groups.leave(request, context.version);
    let broker = broker.clone();
    async move {
        if let Err(error) = durable(broker.groups.settled()).await {
            response.error_code = error.code();
        }
        response.into()
    }
    .boxed()
}
