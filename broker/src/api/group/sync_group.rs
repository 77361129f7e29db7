//! SyncGroup: a member of a classic group asks for its share.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::Response;
use millstream_protocol::message::sync_group::{SyncGroupRequest, SyncGroupResponse};

use crate::api::Context;
use crate::broker::Broker;
use crate::group::MemberError;
use crate::journal::durable;

pub(crate) fn sync_group(broker: &Arc<Broker>, context: &Context, request: SyncGroupRequest) -> BoxFuture<'static, Response> {
    let answer = broker.groups.sync(request, context.version);
    let broker = broker.clone();
    async move {
        let refused = |error: MemberError| SyncGroupResponse { error_code: error.code(), ..Default::default() };
        let mut response = answer.await.unwrap_or(Err(MemberError::UnknownMember)).unwrap_or_else(refused);
        // Nobody works with a share that the next start would not know of.
        if response.error_code.is_none()
            && let Err(error) = durable(broker.groups.settled()).await
        {
            response = SyncGroupResponse { error_code: error.code(), ..Default::default() };
        }
        response.into()
    }
    .boxed()
}
