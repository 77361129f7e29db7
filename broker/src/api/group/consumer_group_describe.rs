//! ConsumerGroupDescribe: groups of the newer protocol and their members.

use millstream_protocol::Str;
use millstream_protocol::message::consumer_group_describe::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedConsumerGroup,
};

use super::GROUP_OPERATIONS;
use crate::broker::Broker;
use crate::group::GroupError;

pub(crate) fn consumer_group_describe(broker: &Broker, request: &ConsumerGroupDescribeRequest) -> ConsumerGroupDescribeResponse {
    let describe = |id: &Str| {
        let mut group = broker.groups.describe_consumer(id).unwrap_or_else(|error| failed(id, &error));
        if request.include_authorized_operations && group.error_code.is_none() {
            group.authorized_operations = GROUP_OPERATIONS;
        }
        group
    };
    ConsumerGroupDescribeResponse { groups: request.group_ids.iter().map(describe).collect(), ..Default::default() }
}

fn failed(id: &Str, error: &GroupError) -> DescribedConsumerGroup {
    // Kafka has no sentence for a group without an id.
    let error_message = (!id.is_empty()).then(|| error.to_string().into());
    DescribedConsumerGroup { error_code: error.code(), error_message, group_id: id.clone(), ..Default::default() }
}
