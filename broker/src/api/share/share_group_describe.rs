//! ShareGroupDescribe: share groups and their members.

use millstream_protocol::Str;
use millstream_protocol::message::share_group_describe::{DescribedShareGroup, ShareGroupDescribeRequest, ShareGroupDescribeResponse};

use crate::api::group::GROUP_OPERATIONS;
use crate::broker::Broker;
use crate::group::GroupError;

pub(crate) fn share_group_describe(broker: &Broker, request: &ShareGroupDescribeRequest) -> ShareGroupDescribeResponse {
    let describe = |id: &Str| {
        let mut group = broker.groups.describe_share(id).unwrap_or_else(|error| failed(id, &error));
        if request.include_authorized_operations && group.error_code.is_none() {
            group.authorized_operations = GROUP_OPERATIONS;
        }
        group
    };
    ShareGroupDescribeResponse { groups: request.group_ids.iter().map(describe).collect(), ..Default::default() }
}

fn failed(id: &Str, error: &GroupError) -> DescribedShareGroup {
    // Kafka has no sentence for a group without an id.
    let error_message = (!id.is_empty()).then(|| error.to_string().into());
    DescribedShareGroup { error_code: error.code(), error_message, group_id: id.clone(), ..Default::default() }
}
