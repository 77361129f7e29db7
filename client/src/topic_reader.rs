//! Reading all partitions of a topic from known positions, without a group: one fetch for all of them.

use std::time::Duration;

use millstream_protocol::message::list_offsets::{EARLIEST, LATEST};

use crate::client::{Client, TopicInfo};
use crate::error::Error;
use crate::fetch::{FetchOptions, PartitionBatches, Wanted, fetch};
use crate::isolation::Isolation;

/// Reads a topic. The caller keeps the positions.
#[derive(Debug, Clone)]
pub struct TopicReader {
    client: Client,
    topic: TopicInfo,
    turn: usize,
    isolation: Isolation,
}

impl TopicReader {
    /// Looks the topic up.
    ///
    /// # Errors
    /// When it does not exist, or the connection ends.
    pub async fn open(client: &Client, topic: &str) -> Result<Self, Error> {
        Ok(TopicReader { client: client.clone(), topic: client.topic(topic).await?, turn: 0, isolation: Isolation::default() })
    }

    /// Reads records of transactions as told; only committed ones unless told otherwise.
    pub fn set_isolation(&mut self, isolation: Isolation) {
        self.isolation = isolation;
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

    /// The end of what can be read of each partition.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn ends(&self) -> Result<Vec<i64>, Error> {
        self.offsets(LATEST).await
    }

    async fn offsets(&self, timestamp: i64) -> Result<Vec<i64>, Error> {
        let found = self.client.admin().list_offsets(&self.topic.name, 0..self.topic.partitions, timestamp, self.isolation).await?;
        Ok(found.into_iter().map(|offset| offset.unwrap_or(0)).collect())
    }

    /// Fetches from one position a partition on; waits up to `wait` while there is nothing in any of them.
    ///
    /// # Errors
    /// When an offset is not kept any more, or the connection ends.
    pub async fn fetch(&mut self, positions: &[i64], wait: Duration, bytes_max: i32) -> Result<Vec<PartitionBatches>, Error> {
        let partitions: Vec<(i32, i64)> = (0..).zip(positions.iter().copied()).collect();
        self.fetch_from(&partitions, wait, bytes_max, bytes_max).await
    }

    /// Fetches from some of the partitions only, each from its position on and of each no more than `partition_bytes_max`; the first
    /// that has anything gives at least one batch, however large.
    ///
    /// # Errors
    /// When an offset is not kept any more, or the connection ends.
    pub async fn fetch_from(
        &mut self,
        partitions: &[(i32, i64)],
        wait: Duration,
        bytes_max: i32,
        partition_bytes_max: i32,
    ) -> Result<Vec<PartitionBatches>, Error> {
        let mut partitions = partitions.to_vec();
        // Every partition is first in its turn, so that a busy one cannot keep the others from being read.
        self.turn = (self.turn + 1) % partitions.len().max(1);
        partitions.rotate_left(self.turn);
        let options = FetchOptions { wait, min_bytes: 1, bytes_max, partition_bytes_max, isolation: self.isolation };
        let wanted = Wanted { topic: self.topic.name.as_str().into(), id: self.topic.id, partitions };
        fetch(&self.client, options, &[wanted]).await?.into_iter().map(|answered| answered.fetched).collect()
    }
}
