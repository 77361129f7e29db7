//! Topics: create, change, list, describe, delete.

use std::collections::{BTreeMap, HashMap};

use millstream_protocol::message::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use millstream_protocol::message::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use millstream_protocol::message::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use millstream_protocol::message::describe_configs::{DescribeConfigsEntry, DescribeConfigsRequest, DescribeConfigsResource};
use millstream_protocol::message::describe_log_dirs::DescribeLogDirsRequest;
use millstream_protocol::message::incremental_alter_configs::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResource, IncrementalAlterableConfig,
};
use millstream_protocol::message::list_offsets::{EARLIEST, LATEST};
use millstream_protocol::message::metadata::MetadataRequest;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{Admin, TIMEOUT_MS};
use crate::client::TopicInfo;
use crate::error::{Error, ErrorKind, checked, missing};
use crate::isolation::Isolation;
use crate::topic_partition::TopicPartition;

const TOPIC_RESOURCE: i8 = 2;

/// A topic in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicListing {
    /// The topic.
    #[serde(flatten)]
    pub topic: TopicInfo,
    /// Offsets from the first record to the end, over all partitions: no fewer than there are records, since compaction and
    /// transactions leave offsets without one. `None` if the broker did not tell.
    pub records: Option<i64>,
    /// Bytes of its segments; `None` if the broker did not tell.
    pub bytes: Option<i64>,
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

/// The document that the HTTP API and the command line show.
impl Serialize for TopicDescription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Partition {
            partition: usize,
            start_offset: i64,
            end_offset: i64,
        }
        let partition = |(partition, (start_offset, end_offset)): (usize, &(i64, i64))| Partition {
            partition,
            start_offset: *start_offset,
            end_offset: *end_offset,
        };
        let partitions: Vec<Partition> = self.offsets.iter().enumerate().map(partition).collect();
        let configs: BTreeMap<&str, Option<&str>> =
            self.configs.iter().map(|config| (config.name.as_ref(), config.value.as_deref())).collect();
        let mut document = serializer.serialize_struct("TopicDescription", 4)?;
        document.serialize_field("name", &self.topic.name)?;
        document.serialize_field("id", &self.topic.id.to_string())?;
        document.serialize_field("partitions", &partitions)?;
        document.serialize_field("configs", &configs)?;
        document.end()
    }
}

impl Admin {
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

    /// All topics with their sizes, by name.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, Error> {
        let topics = self.topics().await?;
        let places = |timestamp: i64| {
            let places =
                topics.iter().flat_map(|topic| (0..topic.partitions).map(|partition| TopicPartition::new(topic.name.as_str(), partition)));
            places.map(|place| (place, timestamp)).collect()
        };
        let mut records: HashMap<String, i64> = HashMap::new();
        let ends = self.look_up_offsets(places(LATEST), Isolation::ReadUncommitted).await?;
        let mut starts = self.look_up_offsets(places(EARLIEST), Isolation::ReadUncommitted).await?;
        for (place, end) in ends {
            if let (Ok(Some(end)), Some(Ok(Some(start)))) = (end, starts.remove(&place)) {
                *records.entry(place.topic.to_string()).or_default() += (end - start).max(0);
            }
        }
        let bytes = self.topic_bytes().await?;
        let listing = |topic: TopicInfo| TopicListing {
            records: records.get(&topic.name).copied().or((topic.partitions == 0).then_some(0)),
            bytes: bytes.get(&topic.name).copied(),
            topic,
        };
        Ok(topics.iter().cloned().map(listing).collect())
    }

    /// The bytes of each topic; nothing from a broker that does not tell.
    async fn topic_bytes(&self) -> Result<HashMap<String, i64>, Error> {
        let answer = match self.client.ask(DescribeLogDirsRequest { topics: None }).await {
            Err(error) if *error.kind() == ErrorKind::Unsupported => return Ok(HashMap::new()),
            answer => answer?,
        };
        let mut bytes: HashMap<String, i64> = HashMap::new();
        for topic in answer.results.into_iter().flat_map(|dir| dir.topics) {
            let of_topic: i64 = topic.partitions.iter().map(|partition| partition.partition_size).sum();
            *bytes.entry(topic.name.to_string()).or_default() += of_topic;
        }
        Ok(bytes)
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
}
