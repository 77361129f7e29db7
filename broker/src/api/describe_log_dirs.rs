//! DescribeLogDirs: how much each partition occupies.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::message::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};

use crate::broker::Broker;

pub(crate) fn describe_log_dirs(broker: &Arc<Broker>, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let mut topics = Vec::new();
    for topic in broker.catalog.all() {
        let asked = request.topics.as_ref().map(|topics| topics.iter().filter(|asked| asked.topic == topic.name.as_str()));
        let is_wanted = |index: i32| match &asked {
            None => true,
            Some(asked) => asked.clone().any(|asked| asked.partitions.contains(&index)),
        };
        let partitions: Vec<_> = topic
            .partitions()
            .iter()
            .filter(|partition| is_wanted(partition.index))
            .map(|partition| DescribeLogDirsPartition {
                partition_index: partition.index,
                partition_size: partition.bytes() as i64,
                ..Default::default()
            })
            .collect();
        if !partitions.is_empty() {
            topics.push(DescribeLogDirsTopic { name: topic.name.as_str().into(), partitions });
        }
    }
    let (error_code, total_bytes, usable_bytes) = match broker.disk.space(broker.data_dir()) {
        Ok((total, usable)) => (ErrorCode::NONE, total as i64, usable as i64),
        Err(error) => {
            tracing::error!("cannot measure the volume of {}: {error}", broker.data_dir().display());
            (ErrorCode::KAFKA_STORAGE_ERROR, -1, -1)
        }
    };
    let log_dir = broker.data_dir().display().to_string().into();
    let result = DescribeLogDirsResult { error_code, log_dir, topics, total_bytes, usable_bytes };
    DescribeLogDirsResponse { results: vec![result], ..Default::default() }
}
