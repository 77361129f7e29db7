//! DescribeGroups: classic groups and their members.

use millstream_protocol::message::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup};
use millstream_protocol::{ErrorCode, Str};

use super::GROUP_OPERATIONS;
use crate::api::Context;
use crate::broker::Broker;
use crate::group::GroupError;

pub(crate) fn describe_groups(broker: &Broker, context: &Context, request: &DescribeGroupsRequest) -> DescribeGroupsResponse {
    let describe = |id: &Str| {
        let mut group = broker.groups.describe_classic(id).unwrap_or_else(|error| dead(id, &error, context.version));
        if request.include_authorized_operations && group.error_code.is_none() {
            group.authorized_operations = GROUP_OPERATIONS;
        }
        group
    };
    DescribeGroupsResponse { groups: request.groups.iter().map(describe).collect(), ..Default::default() }
}

/// A group that is not known is dead, and from version 6 on an error.
fn dead(id: &Str, error: &GroupError, version: i16) -> DescribedGroup {
    let is_error = version >= 6;
    DescribedGroup {
        error_code: if is_error { error.code() } else { ErrorCode::NONE },
        error_message: is_error.then(|| error.to_string().into()),
        group_id: id.clone(),
        group_state: Str::from_static("Dead"),
        ..Default::default()
    }
}
