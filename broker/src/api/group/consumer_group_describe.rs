//! ConsumerGroupDescribe: groups of the newer protocol and their members.

use millstream_protocol::message::consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};

use super::GROUP_OPERATIONS;
use crate::broker::Broker;

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
