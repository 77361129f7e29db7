//! LeaveGroup: members of a classic group leave.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::leave_group::{LeaveGroupRequest, LeaveGroupResponse, LeavingMember, LeftMember};
use millstream_protocol::{ErrorCode, Response};

use crate::api::Context;
use crate::broker::Broker;
use crate::group::MemberError;
use crate::journal::durable;

pub(crate) fn leave_group(broker: &Arc<Broker>, context: &Context, request: LeaveGroupRequest) -> BoxFuture<'static, Response> {
    let leaving =
        if context.version >= 3 { request.members } else { vec![LeavingMember { member_id: request.member_id, ..Default::default() }] };
    let mut response = match broker.groups.leave(&request.group_id, &leaving) {
        Ok(left) => answer(leaving, left, context.version),
        Err(error) => LeaveGroupResponse { error_code: error.code(), ..Default::default() },
    };
    let broker = broker.clone();
    async move {
        if let Err(error) = durable(broker.groups.settled()).await {
            response.error_code = error.code();
        }
        response.into()
    }
    .boxed()
}

/// Old versions know one member, whose error is that of the answer.
fn answer(leaving: Vec<LeavingMember>, left: Vec<Result<(), MemberError>>, version: i16) -> LeaveGroupResponse {
    let mut codes = left.into_iter().map(|left| left.err().map_or(ErrorCode::NONE, |error| error.code()));
    if version < 3 {
        return LeaveGroupResponse { error_code: codes.next().unwrap_or(ErrorCode::NONE), ..Default::default() };
    }
    let members = leaving.into_iter().zip(codes).map(|(member, error_code)| LeftMember {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code,
    });
    LeaveGroupResponse { members: members.collect(), ..Default::default() }
}
