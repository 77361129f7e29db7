//! DescribeProducers: the producers that a partition knows.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::message::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, DescribeProducersTopicResult, PartitionProducers,
};

use crate::api::partition;
use crate::broker::Broker;
use crate::catalog::check_name;
use crate::partition::Partition;

pub(crate) fn describe_producers(broker: &Broker, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| DescribeProducersTopicResult {
        partitions: topic
            .partition_indexes
            .into_iter()
            .map(|partition_index| match look_up(broker, &topic.name, partition_index) {
                Ok(partition) => {
                    PartitionProducers { partition_index, active_producers: partition.describe_producers(), ..Default::default() }
                }
                Err(error_code) => PartitionProducers { partition_index, error_code, ..Default::default() },
            })
            .collect(),
        name: topic.name,
    });
    DescribeProducersResponse { topics: topics.collect(), ..Default::default() }
}

fn look_up(broker: &Broker, topic: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
    check_name(topic).map_err(|error| error.code())?;
    partition(broker, topic, index)
}
