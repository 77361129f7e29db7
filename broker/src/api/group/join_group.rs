//! JoinGroup: a member joins a classic group. The answer comes when the group has settled.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::Response;
use millstream_protocol::message::join_group::{JoinGroupRequest, JoinGroupResponse};

use crate::api::Context;
use crate::broker::Broker;
use crate::group::{JoinRefused, MemberError};
use crate::journal::durable;

pub(crate) fn join_group(broker: &Arc<Broker>, context: &Context, request: &JoinGroupRequest) -> BoxFuture<'static, Response> {
    let answer = broker.groups.join(request, context.version, context.client());
    let unknown = JoinRefused { member_id: request.member_id.clone(), error: MemberError::UnknownMember };
    let (broker, version) = (broker.clone(), context.version);
    async move {
        let refused = |JoinRefused { member_id, error }| JoinGroupResponse { error_code: error.code(), member_id, ..Default::default() };
        let mut response = answer.await.unwrap_or(Err(unknown)).unwrap_or_else(refused);
        if let Err(error) = durable(broker.groups.settled()).await {
            response.error_code = error.code();
        }
        // An answer without a protocol has a null only where the version knows one.
        if version < 7 {
            response.protocol_name.get_or_insert_default();
        } else if !response.error_code.is_none() || response.protocol_name.as_deref() == Some("") {
            response.protocol_name = None;
        }
        response.into()
    }
    .boxed()
}
