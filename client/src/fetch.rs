//! Fetching: one request for any number of partitions, and what came of it for each. All readers go through here.

use std::time::Duration;

use millstream_protocol::limit::INFLATED_BATCH_BYTES_MAX;
use millstream_protocol::message::fetch::{FetchPartition, FetchPartitionResponse, FetchRequest, FetchTopic};
use millstream_protocol::record::{Record, RecordBatch};
use millstream_protocol::{ErrorCode, Str, TopicId};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::isolation::{Isolation, visible};

/// Batches of one partition, in order.
#[derive(Debug, Clone)]
pub struct PartitionBatches {
    /// The partition.
    pub partition: i32,
    /// Whole batches of records; the first may begin before the position. Markers of transactions are left out, and aborted records
    /// too where only committed ones are read.
    pub batches: Vec<RecordBatch>,
    /// Where to read on.
    pub next_offset: i64,
    /// One past the last record that could be read when the fetch was answered.
    pub end_offset: i64,
}

impl PartitionBatches {
    /// Shows the records from an offset on, in order.
    ///
    /// # Errors
    /// When a batch cannot be read; the records before it were shown.
    pub fn each_record(&self, from: i64, mut see: impl FnMut(Record)) -> Result<(), Error> {
        for batch in &self.batches {
            records_of(batch, from, &mut see)?;
        }
        Ok(())
    }

    /// The records from an offset on.
    ///
    /// # Errors
    /// When a batch cannot be read.
    pub fn records(&self, from: i64) -> Result<Vec<Record>, Error> {
        let mut all = Vec::new();
        self.each_record(from, |record| all.push(record))?;
        Ok(all)
    }
}

/// Shows the records of a batch from an offset on.
pub(crate) fn records_of(batch: &RecordBatch, from: i64, mut see: impl FnMut(Record)) -> Result<(), Error> {
    let damaged = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::BadAnswer, format!("the batch at offset {} cannot be read: {error}", batch.base_offset()))
    };
    for record in batch.records(INFLATED_BATCH_BYTES_MAX).map_err(|error| damaged(&error))? {
        let record = record.map_err(|error| damaged(&error))?;
        if record.offset >= from {
            see(record);
        }
    }
    Ok(())
}

/// How to fetch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchOptions {
    pub wait: Duration,
    pub min_bytes: i32,
    pub bytes_max: i32,
    pub partition_bytes_max: i32,
    pub isolation: Isolation,
}

/// A topic to fetch from, and its partitions with where to begin, in the order in which they are to be served.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub topic: Str,
    pub id: TopicId,
    pub partitions: Vec<(i32, i64)>,
}

/// What came of one partition.
#[derive(Debug)]
pub(crate) struct Answered {
    pub topic: Str,
    pub partition: i32,
    /// The position that was asked for.
    pub from: i64,
    pub fetched: Result<PartitionBatches, Error>,
}

/// Fetches. An error of one partition is in its answer; an error here is of the whole request.
pub(crate) async fn fetch(client: &Client, options: FetchOptions, wanted: &[Wanted]) -> Result<Vec<Answered>, Error> {
    let partition = |&(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: options.partition_bytes_max,
        ..Default::default()
    };
    let topics = wanted.iter().map(|topic| FetchTopic {
        topic: topic.topic.clone(),
        topic_id: topic.id,
        partitions: topic.partitions.iter().map(partition).collect(),
    });
    let request = FetchRequest {
        max_wait_ms: options.wait.as_millis().min(i32::MAX as u128) as i32,
        min_bytes: options.min_bytes,
        max_bytes: options.bytes_max,
        isolation_level: options.isolation.level(),
        topics: topics.collect(),
        ..Default::default()
    };
    // A broker without topic ids (before version 13) gets the name, one with them the id.
    let version_max = if wanted.iter().any(|topic| topic.id.is_zero()) { 12 } else { i16::MAX };
    let answer = client.ask_at_most(request, version_max).await?;
    if !answer.error_code.is_none() {
        let topics: Vec<&str> = wanted.iter().map(|topic| &*topic.topic).collect();
        return Err(Error::refused(answer.error_code, format!("reading {}", topics.join(", ")), None));
    }
    let mut answered = Vec::new();
    for topic in answer.responses {
        let asked =
            wanted.iter().find(|asked| if topic.topic_id.is_zero() { asked.topic == topic.topic } else { asked.id == topic.topic_id });
        let Some(asked) = asked else { continue };
        for partition in topic.partitions {
            let Some(&(index, from)) = asked.partitions.iter().find(|(index, _)| *index == partition.partition_index) else { continue };
            let fetched = read(&asked.topic, index, from, partition, options.isolation);
            answered.push(Answered { topic: asked.topic.clone(), partition: index, from, fetched });
        }
    }
    Ok(answered)
}

fn read(topic: &str, partition: i32, from: i64, found: FetchPartitionResponse, isolation: Isolation) -> Result<PartitionBatches, Error> {
    let doing = || format!("reading {topic}-{partition} at offset {from}");
    if found.error_code != ErrorCode::NONE {
        return Err(Error::refused(found.error_code, doing(), None));
    }
    let mut batches = Vec::new();
    let mut next_offset = from;
    for batch in found.records.unwrap_or_default().batches() {
        let batch = batch.map_err(|error| Error::new(ErrorKind::BadAnswer, format!("{}: {error}", doing())))?;
        next_offset = next_offset.max(batch.last_offset() + 1);
        batches.push(batch);
    }
    let mut batches = visible(batches, found.aborted_transactions.unwrap_or_default(), isolation);
    batches.retain(|batch| batch.last_offset() >= from);
    let end_offset = match isolation {
        Isolation::ReadCommitted if found.last_stable_offset >= 0 => found.last_stable_offset,
        Isolation::ReadCommitted | Isolation::ReadUncommitted => found.high_watermark,
    };
    Ok(PartitionBatches { partition, batches, next_offset, end_offset })
}
