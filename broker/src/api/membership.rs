//! Members of groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, ConsumerGroupHeartbeat.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use millstream_protocol::message::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use millstream_protocol::message::join_group::{JoinGroupRequest, JoinGroupResponse};
use millstream_protocol::message::leave_group::LeaveGroupRequest;
use millstream_protocol::message::sync_group::{SyncGroupRequest, SyncGroupResponse};
use millstream_protocol::{ErrorCode, Response};

use super::Context;
use crate::broker::Broker;
use crate::group::Client;
use crate::journal::durable;

impl Context {
    fn client(&self) -> Client {
        Client::new(self.client_id.as_ref(), self.peer)
    }
}

pub(crate) fn join_group(broker: &Arc<Broker>, context: &Context, request: &JoinGroupRequest) -> BoxFuture<'static, Response> {
    let answer = broker.groups.join(request, context.version, context.client());
    let (broker, member_id, version) = (broker.clone(), request.member_id.clone(), context.version);
    async move {
        let mut response = answer.await.unwrap_or_else(|_| JoinGroupResponse {
            error_code: ErrorCode::UNKNOWN_MEMBER_ID,
            member_id,
            ..Default::default()
        });
        if let Err(code) = durable(broker.groups.settled()).await {
            response.error_code = code;
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

pub(crate) fn sync_group(broker: &Arc<Broker>, context: &Context, request: SyncGroupRequest) -> BoxFuture<'static, Response> {
    let answer = broker.groups.sync(request, context.version);
    let broker = broker.clone();
    async move {
        let unknown = SyncGroupResponse { error_code: ErrorCode::UNKNOWN_MEMBER_ID, ..Default::default() };
        let mut response = answer.await.unwrap_or(unknown);
        // Nobody works with a share that the next start would not know of.
        if response.error_code.is_none()
            && let Err(error_code) = durable(broker.groups.settled()).await
        {
            response = SyncGroupResponse { error_code, ..Default::default() };
        }
        response.into()
    }
    .boxed()
}

pub(crate) fn heartbeat(broker: &Broker, request: &HeartbeatRequest) -> HeartbeatResponse {
    HeartbeatResponse { error_code: broker.groups.heartbeat(request), ..Default::default() }
}

pub(crate) fn leave_group(broker: &Arc<Broker>, context: &Context, request: LeaveGroupRequest) -> BoxFuture<'static, Response> {
    let mut response = broker.groups.leave(request, context.version);
    let broker = broker.clone();
    async move {
        if let Err(code) = durable(broker.groups.settled()).await {
            response.error_code = code;
        }
        response.into()
    }
    .boxed()
}

pub(crate) fn consumer_group_heartbeat(
    broker: &Arc<Broker>,
    context: &Context,
    request: &ConsumerGroupHeartbeatRequest,
) -> BoxFuture<'static, Response> {
    let mut response = broker.groups.consumer_heartbeat(request, context.version, context.client());
    let broker = broker.clone();
    async move {
        if response.error_code.is_none()
            && let Err(code) = durable(broker.groups.settled()).await
        {
            response.error_code = code;
        }
        response.into()
    }
    .boxed()
}
