//! Managing topics. Groups: `group_admin`.

use std::collections::BTreeMap;

use millstream_protocol::message::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use millstream_protocol::message::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use millstream_protocol::message::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use millstream_protocol::message::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use millstream_protocol::message::describe_configs::{DescribeConfigsEntry, DescribeConfigsRequest, DescribeConfigsResource};
use millstream_protocol::message::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use millstream_protocol::message::list_offsets::{EARLIEST, LATEST, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use millstream_protocol::message::metadata::MetadataRequest;
use millstream_protocol::{ErrorCode, Str};

use crate::client::{Client, TopicInfo};
use crate::error::{Error, ErrorKind};
use crate::isolation::Isolation;
use crate::topic_partition::TopicPartition;

const TIMEOUT_MS: i32 = 60_000;
const TOPIC_RESOURCE: i8 = 2;

/// Manages topics and groups.
#[derive(Debug, Clone)]
pub struct Admin {
    pub(crate) client: Client,
}

/// A topic with the ends of its partitions.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicDescription {
    /// The topic.
    pub topic: TopicInfo,
    /// First offset and end of each partition.
    pub offsets: Vec<(i64, i64)>,
    /// Properties, and where each value comes from.
    pub configs: Vec<DescribeConfigsEntry>,
}

pub(crate) fn checked(code: ErrorCode, doing: String, sentence: Option<&str>) -> Result<(), Error> {
    if code.is_none() { Ok(()) } else { Err(Error::refused(code, doing, sentence)) }
}

pub(crate) fn missing(what: String) -> Error {
    Error::new(ErrorKind::BadAnswer, format!("the answer says nothing of {what}"))
}

impl Admin {
    pub(crate) fn new(client: Client) -> Self {
        Admin { client }
    }

    /// Creates a topic; `partitions` -1 means the broker's default.
    ///
    /// # Errors
    /// With the broker's reason when it refuses.
    pub async fn create_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<(), Error> {
        let configs = configs.iter().map(|(name, value)| CreatableTopicConfig { name: (*name).into(), value: Some((*value).into()) });
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: -1,
            configs: configs.collect(),
            ..Default::default()
        };
        let answer = self.client.ask(CreateTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, validate_only: false }).await?;
        let result = answer.topics.first().ok_or_else(|| missing(format!("topic {name}")))?;
        checked(result.error_code, format!("creating topic {name}"), result.error_message.as_deref())
    }

    /// Deletes a topic with all its records.
    ///
    /// # Errors
    /// With the broker's reason when it refuses.
    pub async fn delete_topic(&self, name: &str) -> Result<(), Error> {
        let state = DeleteTopicState { name: Some(name.into()), ..Default::default() };
        let request = DeleteTopicsRequest { topics: vec![state], topic_names: vec![name.into()], timeout_ms: TIMEOUT_MS };
        let answer = self.client.ask(request).await?;
        let result = answer.responses.first().ok_or_else(|| missing(format!("topic {name}")))?;
        checked(result.error_code, format!("deleting topic {name}"), result.error_message.as_deref())
    }

    /// Raises the number of partitions.
    ///
    /// # Errors
    /// With the broker's reason when it refuses.
    pub async fn set_partitions(&self, name: &str, count: i32) -> Result<(), Error> {
        let topic = CreatePartitionsTopic { name: name.into(), count, assignments: None };
        let answer = self.client.ask(CreatePartitionsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, validate_only: false }).await?;
        let result = answer.results.first().ok_or_else(|| missing(format!("topic {name}")))?;
        checked(result.error_code, format!("adding partitions to {name}"), result.error_message.as_deref())
    }

    /// Sets properties of a topic; `None` takes one back to its default.
    ///
    /// # Errors
    /// With the broker's reason when it refuses.
    pub async fn alter_topic(&self, name: &str, changes: &[(&str, Option<&str>)]) -> Result<(), Error> {
        let configs = changes.iter().map(|(name, value)| IncrementalAlterableConfig {
            name: (*name).into(),
            config_operation: i8::from(value.is_none()),
            value: value.map(Into::into),
        });
        let resource =
            IncrementalAlterConfigsResource { resource_type: TOPIC_RESOURCE, resource_name: name.into(), configs: configs.collect() };
        let answer = self.client.ask(IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false }).await?;
        let result = answer.responses.first().ok_or_else(|| missing(format!("topic {name}")))?;
        checked(result.error_code, format!("altering topic {name}"), result.error_message.as_deref())
    }

    /// All topics, by name.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn topics(&self) -> Result<Vec<TopicInfo>, Error> {
        let answer = self.client.ask(MetadataRequest { topics: None, allow_auto_topic_creation: false, ..Default::default() }).await?;
        let topics = answer.topics.into_iter().map(|topic| TopicInfo {
            name: topic.name.map(|name| name.to_string()).unwrap_or_default(),
            id: topic.topic_id,
            partitions: topic.partitions.len() as i32,
            is_internal: topic.is_internal,
        });
        let mut topics: Vec<_> = topics.collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// A topic with offsets and properties.
    ///
    /// # Errors
    /// When it does not exist, or the connection ends.
    pub async fn describe_topic(&self, name: &str) -> Result<TopicDescription, Error> {
        let topic = self.client.topic(name).await?;
        let starts = self.offsets_at(&topic, EARLIEST).await?;
        let ends = self.offsets_at(&topic, LATEST).await?;
        let resource = DescribeConfigsResource { resource_type: TOPIC_RESOURCE, resource_name: name.into(), configuration_keys: None };
        let answer = self.client.ask(DescribeConfigsRequest { resources: vec![resource], ..Default::default() }).await?;
        let result = answer.results.into_iter().next().ok_or_else(|| missing(format!("topic {name}")))?;
        checked(result.error_code, format!("describing topic {name}"), result.error_message.as_deref())?;
        let offsets = starts.into_iter().zip(ends).map(|(start, end)| (start.unwrap_or(0), end.unwrap_or(0))).collect();
        Ok(TopicDescription { topic, offsets, configs: result.configs })
    }

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
