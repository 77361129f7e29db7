//! Reading all partitions of a topic from known positions, without a group: one fetch for all of them.

use std::time::Duration;

use millstream_protocol::ErrorCode;
use millstream_protocol::message::fetch::{FetchPartition, FetchRequest, FetchTopic};
use millstream_protocol::message::list_offsets::{EARLIEST, LATEST};
use millstream_protocol::record::{Record, RecordBatch};

use crate::client::{Client, TopicInfo};
use crate::error::{Error, ErrorKind};
use crate::reader::each_record;

/// Reads a topic. Who uses it keeps the positions.
#[derive(Debug, Clone)]
pub struct TopicReader {
    client: Client,
    topic: TopicInfo,
    turn: usize,
}

/// Batches of one partition, in order.
#[derive(Debug, Clone)]
pub struct PartitionBatches {
    /// The partition.
    pub partition: i32,
    /// Whole batches; the first may begin before the position.
    pub batches: Vec<RecordBatch>,
    /// One past the last record that could be read when the fetch was answered.
    pub high_watermark: i64,
}

impl PartitionBatches {
    /// Shows the records from an offset on, in order. Control records are left out.
    ///
    /// # Errors
    /// When a batch cannot be read; the records before it were shown.
    pub fn each_record(&self, from: i64, see: impl FnMut(Record)) -> Result<(), Error> {
        each_record(&self.batches, from, see)
    }
}

impl TopicReader {
    /// Looks the topic up.
    ///
    /// # Errors
    /// When it does not exist, or the connection ends.
    pub async fn open(client: &Client, topic: &str) -> Result<Self, Error> {
        Ok(TopicReader { client: client.clone(), topic: client.topic(topic).await?, turn: 0 })
    }

    /// The topic.
    pub fn topic(&self) -> &TopicInfo {
        &self.topic
    }

    /// Looks the topic up again: it may have more partitions now.
    ///
    /// # Errors
    /// When it does not exist any more, or the connection ends.
    pub async fn refresh(&mut self) -> Result<(), Error> {
        self.topic = self.client.topic(&self.topic.name).await?;
        Ok(())
    }

    /// The first offset of each partition.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn starts(&self) -> Result<Vec<i64>, Error> {
        self.offsets(EARLIEST).await
    }

    /// The end of each partition.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn ends(&self) -> Result<Vec<i64>, Error> {
        self.offsets(LATEST).await
    }

    async fn offsets(&self, timestamp: i64) -> Result<Vec<i64>, Error> {
        let found = self.client.admin().offsets_at(&self.topic, timestamp).await?;
        Ok(found.into_iter().map(|offset| offset.unwrap_or(0)).collect())
    }

    /// Fetches from one position a partition on; waits up to `wait` while there is nothing in any of them.
    ///
    /// # Errors
    /// When an offset is not kept any more, or the connection ends.
    pub async fn fetch(&mut self, positions: &[i64], wait: Duration, bytes_max: i32) -> Result<Vec<PartitionBatches>, Error> {
        let partitions = positions.iter().zip(0..).map(|(&fetch_offset, partition)| FetchPartition {
            partition,
            fetch_offset,
            partition_max_bytes: bytes_max,
            ..Default::default()
        });
        let mut partitions: Vec<_> = partitions.collect();
        // Every partition is first in its turn, so that a busy one cannot keep the others from being read.
        self.turn = (self.turn + 1) % partitions.len().max(1);
        partitions.rotate_left(self.turn);
        let topic = FetchTopic { topic: self.topic.name.as_str().into(), topic_id: self.topic.id, partitions };
        let request = FetchRequest {
            max_wait_ms: wait.as_millis().min(i32::MAX as u128) as i32,
            min_bytes: 1,
            max_bytes: bytes_max,
            topics: vec![topic],
            ..Default::default()
        };
        let version_max = if self.topic.id.is_zero() { 12 } else { i16::MAX };
        let answer = self.client.ask_at_most(request, version_max).await?;
        if !answer.error_code.is_none() {
            return Err(Error::refused(answer.error_code, format!("reading {}", self.topic.name), None));
        }
        let mut found = Vec::new();
        for partition in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            let index = partition.partition_index;
            let position = usize::try_from(index).ok().and_then(|index| positions.get(index)).copied().unwrap_or(0);
            let doing = || format!("reading {}-{index} at offset {position}", self.topic.name);
            if partition.error_code != ErrorCode::NONE {
                return Err(Error::refused(partition.error_code, doing(), None));
            }
            let mut batches = Vec::new();
            for batch in partition.records.unwrap_or_default().batches() {
                let batch = batch.map_err(|error| Error::new(ErrorKind::BadAnswer, format!("{}: {error}", doing())))?;
                if batch.last_offset() >= position {
                    batches.push(batch);
                }
            }
            found.push(PartitionBatches { partition: index, batches, high_watermark: partition.high_watermark });
        }
        Ok(found)
    }
}
