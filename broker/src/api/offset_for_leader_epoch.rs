//! OffsetForLeaderEpoch: where an epoch ended.

use std::sync::Arc;

use millstream_protocol::ErrorCode;
use millstream_protocol::message::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};

use super::{check_leader_epoch, partition};
use crate::broker::Broker;

pub(crate) fn offset_for_leader_epoch(broker: &Arc<Broker>, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let topics = request
        .topics
        .into_iter()
        .map(|topic| OffsetForLeaderTopicResult {
            partitions: topic.partitions.iter().map(|asked| look_up(broker, &topic.topic, asked)).collect(),
            topic: topic.topic,
        })
        .collect();
    OffsetForLeaderEpochResponse { topics, ..Default::default() }
}

fn look_up(broker: &Broker, topic: &str, asked: &OffsetForLeaderPartition) -> EpochEndOffset {
    let found = partition(broker, topic, asked.partition).and_then(|partition| {
        check_leader_epoch(asked.current_leader_epoch, partition.positions().leader_epoch)?;
        Ok(match asked.leader_epoch {
            // An epoch before the first ends where the log begins.
            epoch if epoch < -1 => (epoch, partition.positions().start_offset),
            epoch if epoch > partition.positions().leader_epoch || epoch == -1 => (-1, -1),
            epoch => partition.epoch_end(epoch),
        })
    });
    let (error_code, (leader_epoch, end_offset)) = match found {
        Ok(found) => (ErrorCode::NONE, found),
        Err(code) => (code, (-1, -1)),
    };
    EpochEndOffset { error_code, partition: asked.partition, leader_epoch, end_offset }
}
