//! DescribeGroups: classic groups and their members.

use millstream_protocol::message::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};

use super::GROUP_OPERATIONS;
use crate::api::Context;
use crate::broker::Broker;

pub(crate) fn describe_groups(broker: &Broker, context: &Context, request: &DescribeGroupsRequest) -> DescribeGroupsResponse {
    let describe = |id| {
        let mut group = broker.groups.describe_classic(id, context.version);
        if request.include_authorized_operations && group.error_code.is_none() {
            group.authorized_operations = GROUP_OPERATIONS;
        }
        group
    };
    DescribeGroupsResponse { groups: request.groups.iter().map(describe).collect(), ..Default::default() }
}
