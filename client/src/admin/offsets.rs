//! Where in a partition: the offset of a time, the first record, the end. And deleting what is before an offset.

use std::collections::BTreeMap;

use millstream_protocol::Str;
use millstream_protocol::message::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use millstream_protocol::message::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};

use super::{Admin, TIMEOUT_MS};
use crate::client::TopicInfo;
use crate::error::{Error, checked, missing};
use crate::isolation::Isolation;
use crate::topic_partition::TopicPartition;

impl Admin {
    /// For each partition, the offset of a time (or of a special one of ListOffsets); `None` if there is no such record.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn offsets_at(&self, topic: &TopicInfo, timestamp: i64) -> Result<Vec<Option<i64>>, Error> {
        self.list_offsets(&topic.name, 0..topic.partitions, timestamp, Isolation::ReadUncommitted).await
    }

    /// The offset of a time in one partition.
    ///
    /// # Errors
    /// When the partition does not exist, or the connection ends.
    pub async fn offset_at(&self, topic: &str, partition: i32, timestamp: i64) -> Result<Option<i64>, Error> {
        let found = self.list_offsets(topic, partition..partition + 1, timestamp, Isolation::ReadUncommitted).await?;
        Ok(found.first().copied().flatten())
    }

    pub(crate) async fn list_offsets(
        &self,
        topic: &str,
        partitions: std::ops::Range<i32>,
        timestamp: i64,
        isolation: Isolation,
    ) -> Result<Vec<Option<i64>>, Error> {
        let topic = Str::from(topic);
        let place = |partition| TopicPartition::new(topic.clone(), partition);
        let times = partitions.clone().map(|partition| (place(partition), timestamp)).collect();
        let mut found = self.look_up_offsets(times, isolation).await?;
        partitions.map(|partition| found.remove(&place(partition)).unwrap_or(Ok(None))).collect()
    }

    /// For each partition, the offset of its time (or of a special one of ListOffsets), in one request; `None` if there is no such
    /// record.
    pub(crate) async fn look_up_offsets(
        &self,
        times: Vec<(TopicPartition, i64)>,
        isolation: Isolation,
    ) -> Result<BTreeMap<TopicPartition, Result<Option<i64>, Error>>, Error> {
        if times.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut topics: BTreeMap<Str, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for (TopicPartition { topic, partition }, timestamp) in times {
            let asked = ListOffsetsPartition { partition_index: partition, timestamp, ..Default::default() };
            topics.entry(topic).or_default().push(asked);
        }
        let topics = topics.into_iter().map(|(name, partitions)| ListOffsetsTopic { name, partitions });
        let request =
            ListOffsetsRequest { replica_id: -1, isolation_level: isolation.level(), topics: topics.collect(), timeout_ms: TIMEOUT_MS };
        let mut found = BTreeMap::new();
        for topic in self.client.ask(request).await?.topics {
            for result in topic.partitions {
                let place = TopicPartition::new(topic.name.clone(), result.partition_index);
                let outcome = checked(result.error_code, format!("looking up offsets of {place}"), None);
                found.insert(place, outcome.map(|()| (result.offset >= 0).then_some(result.offset)));
            }
        }
        Ok(found)
    }

    /// Deletes the records of a partition before an offset; -1 means all. Answers the new first offset.
    ///
    /// # Errors
    /// With the broker's reason when it refuses.
    pub async fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<i64, Error> {
        let partitions = vec![DeleteRecordsPartition { partition_index: partition, offset: before }];
        let request = DeleteRecordsRequest { topics: vec![DeleteRecordsTopic { name: topic.into(), partitions }], timeout_ms: TIMEOUT_MS };
        let answer = self.client.ask(request).await?;
        let result = answer.topics.into_iter().flat_map(|topic| topic.partitions).next();
        let result = result.ok_or_else(|| missing(format!("{topic}-{partition}")))?;
        checked(result.error_code, format!("deleting records of {topic}-{partition}"), None)?;
        Ok(result.low_watermark)
    }
}
