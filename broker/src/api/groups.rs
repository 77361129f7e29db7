//! Groups for those who look after them: ListGroups, DescribeGroups, ConsumerGroupDescribe, DeleteGroups.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
use millstream_protocol::message::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse, DeletedGroup};
use millstream_protocol::message::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
use millstream_protocol::message::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use millstream_protocol::{Response, Str};

use super::Context;
use crate::broker::Broker;
use crate::group::Listed;
use crate::journal::durable;

/// What a client may do with a group when nothing is forbidden, as Kafka's bit field: read, delete, describe, and the two for
/// properties.
const GROUP_OPERATIONS: i32 = 3400;

pub(crate) fn list_groups(broker: &Broker, request: &ListGroupsRequest) -> ListGroupsResponse {
    let is_wanted = |filter: &[Str], value: &str| filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value));
    let listed = |group: Listed| ListedGroup {
        group_id: group.id,
        protocol_type: group.protocol_type,
        group_state: Str::from_static(group.state),
        group_type: Str::from_static(group.kind),
    };
    let groups = broker.groups.list().into_iter();
    ListGroupsResponse {
        groups: groups
            .filter(|group| is_wanted(&request.states_filter, group.state) && is_wanted(&request.types_filter, group.kind))
            .map(listed)
            .collect(),
        ..Default::default()
    }
}

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

pub(crate) fn consumer_group_describe(broker: &Broker, request: &ConsumerGroupDescribeRequest) -> ConsumerGroupDescribeResponse {
    let describe = |id| {
        let mut group = broker.groups.describe_consumer(id);
        if request.include_authorized_operations && group.error_code.is_none() {
            group.authorized_operations = GROUP_OPERATIONS;
        }
        group
    };
    ConsumerGroupDescribeResponse { groups: request.group_ids.iter().map(describe).collect(), ..Default::default() }
}

pub(crate) fn delete_groups(broker: &Arc<Broker>, request: DeleteGroupsRequest) -> BoxFuture<'static, Response> {
    let delete = |group_id| {
        let error_code = broker.groups.delete(&group_id);
        DeletedGroup { group_id, error_code }
    };
    let names: BTreeSet<Str> = request.groups_names.into_iter().collect();
    let mut results: Vec<DeletedGroup> = names.into_iter().map(delete).collect();
    let broker = broker.clone();
    async move {
        if let Err(code) = durable(broker.groups.settled()).await {
            results.iter_mut().for_each(|result| result.error_code = code);
        }
        DeleteGroupsResponse { results, ..Default::default() }.into()
    }
    .boxed()
}
