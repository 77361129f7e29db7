//! ListOffsets: the offset of a time, or of an end of the log.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::limit::INFLATED_BATCH_BYTES_MAX;
use millstream_protocol::message::list_offsets::{
    EARLIEST, EARLIEST_LOCAL, LATEST, LATEST_TIERED, ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest,
    ListOffsetsResponse, ListOffsetsTopicResponse, MAX_TIMESTAMP,
};
use millstream_protocol::{ErrorCode, Response};

use super::{Context, check_leader_epoch, off_thread, partition, read_error};
use crate::broker::Broker;
use crate::log::LogError;
use crate::log::read::ReadPlan;
use crate::partition::Partition;

pub(crate) fn list_offsets(broker: &Arc<Broker>, context: &Context, request: ListOffsetsRequest) -> BoxFuture<'static, Response> {
    let broker = broker.clone();
    let version = context.version;
    async move {
        let mut response = ListOffsetsResponse::default();
        for topic in request.topics {
            let mut answers: Vec<ListOffsetsPartitionResponse> = Vec::new();
            let mut times: HashMap<i32, usize> = HashMap::new();
            topic.partitions.iter().for_each(|asked| *times.entry(asked.partition_index).or_default() += 1);
            for asked in &topic.partitions {
                // A partition that stands there twice is answered once, with an error.
                let Some(count) = times.remove(&asked.partition_index) else { continue };
                let is_twice = count > 1;
                let found = match partition(&broker, &topic.name, asked.partition_index) {
                    _ if is_twice => Err(ErrorCode::INVALID_REQUEST),
                    _ if !(0..=1).contains(&request.isolation_level) => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
                    Ok(partition) => look_up(&broker, &partition, asked, request.isolation_level == 1, version).await,
                    Err(code) => Err(code),
                };
                answers.push(match found {
                    Ok((timestamp, offset, leader_epoch)) => ListOffsetsPartitionResponse {
                        partition_index: asked.partition_index,
                        timestamp,
                        offset,
                        leader_epoch,
                        ..Default::default()
                    },
                    Err(error_code) => {
                        ListOffsetsPartitionResponse { partition_index: asked.partition_index, error_code, ..Default::default() }
                    }
                });
            }
            response.topics.push(ListOffsetsTopicResponse { name: topic.name, partitions: answers });
        }
        response.into()
    }
    .boxed()
}

const NOT_FOUND: (i64, i64, i32) = (-1, -1, -1);

async fn look_up(
    broker: &Broker,
    partition: &Arc<Partition>,
    asked: &ListOffsetsPartition,
    is_committed: bool,
    version: i16,
) -> Result<(i64, i64, i32), ErrorCode> {
    let positions = partition.positions();
    check_leader_epoch(asked.current_leader_epoch, positions.leader_epoch)?;
    let epoch = positions.leader_epoch;
    // A read_committed client sees nothing beyond this offset.
    let end = if is_committed { positions.stable_offset } else { positions.high_watermark };
    match asked.timestamp {
        LATEST => Ok((-1, end, epoch)),
        EARLIEST => Ok((-1, positions.start_offset, epoch)),
        EARLIEST_LOCAL if version >= 8 => Ok((-1, positions.start_offset, epoch)),
        LATEST_TIERED if version >= 9 => Ok(NOT_FOUND),
        MAX_TIMESTAMP if version >= 7 => match newest(broker, partition).await? {
            Some(timestamp) => first_at(broker, partition, timestamp, end).await,
            None => Ok(NOT_FOUND),
        },
        timestamp if timestamp < 0 => Err(ErrorCode::UNSUPPORTED_VERSION),
        timestamp => first_at(broker, partition, timestamp, end).await,
    }
}

/// The largest timestamp of the log.
async fn newest(broker: &Broker, partition: &Arc<Partition>) -> Result<Option<i64>, ErrorCode> {
    let partition = partition.clone();
    off_thread(move || partition.max_timestamp()).await?.map_err(|error| read_error(broker, &error))
}

/// The first record that is not earlier than a time.
async fn first_at(broker: &Broker, partition: &Arc<Partition>, timestamp: i64, end: i64) -> Result<(i64, i64, i32), ErrorCode> {
    let start = partition.positions().start_offset;
    let partition = partition.clone();
    let searched = off_thread(move || {
        for plan in partition.plans_from_time(timestamp)? {
            if let Some(found) = search(&plan, timestamp, start)? {
                return Ok::<_, LogError>(found);
            }
        }
        Ok(NOT_FOUND)
    });
    let found = searched.await?.map_err(|error| read_error(broker, &error))?;
    Ok(if found.1 >= end { NOT_FOUND } else { found })
}

/// The offset of the first record that is not earlier than a time; `None` without any.
pub(crate) async fn first_offset_from(broker: &Broker, partition: &Arc<Partition>, timestamp: i64) -> Result<Option<i64>, ErrorCode> {
    let end = partition.positions().high_watermark;
    let (_, offset, _) = first_at(broker, partition, timestamp, end).await?;
    Ok((offset >= 0).then_some(offset))
}

fn search(plan: &ReadPlan, timestamp: i64, start: i64) -> Result<Option<(i64, i64, i32)>, LogError> {
    let mut found = None;
    plan.walk(1 << 20, |batch| {
        if batch.max_timestamp() < timestamp || batch.last_offset() < start {
            return Ok(true);
        }
        if batch.has_log_append_time() {
            found = Some((batch.max_timestamp(), batch.base_offset().max(start), batch.leader_epoch()));
            return Ok(false);
        }
        batch.walk_records(INFLATED_BATCH_BYTES_MAX, |record| {
            let offset = batch.base_offset() + i64::from(record.offset_delta);
            let is_it = record.timestamp >= timestamp && offset >= start;
            if is_it {
                found = Some((record.timestamp, offset, batch.leader_epoch()));
            }
            !is_it
        })?;
        if found.is_some() {
            return Ok(false);
        }
        Ok(true)
    })?;
    Ok(found)
}
