//! ListGroups: all groups, or those of some states and types.

use millstream_protocol::Str;
use millstream_protocol::message::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

use crate::broker::Broker;
use crate::group::Listed;

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
