//! The client: typed requests over any exchange. Cheap to clone.

use std::fmt;
use std::sync::Arc;

use millstream_protocol::api::Ask;
use millstream_protocol::message::metadata::{MetadataRequest, MetadataRequestTopic};
use millstream_protocol::{ApiKey, Call, Exchange, Str, TopicId};

use crate::error::{Error, ErrorKind};
use crate::tcp::TcpExchange;
use crate::{Admin, ConsumerBuilder, ProducerBuilder, Reader, Start};

/// Talks to one broker.
#[derive(Clone)]
pub struct Client {
    exchange: Arc<dyn Exchange>,
    client_id: Str,
    /// Where the broker is, if it is behind a socket.
    address: Option<Arc<str>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// What a client needs to know of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// The name.
    pub name: String,
    /// The id.
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: i32,
}

impl Client {
    /// Over an exchange, for instance a broker in this process.
    pub fn new(exchange: impl Exchange) -> Self {
        Client { exchange: Arc::new(exchange), client_id: Str::from_static("millstream"), address: None }
    }

    /// Over a socket to `host:port`.
    ///
    /// # Errors
    /// When nobody answers there.
    pub async fn connect(address: &str) -> Result<Self, Error> {
        let client = Client::new(TcpExchange::connect(address).await?);
        Ok(Client { address: Some(address.into()), ..client })
    }

    /// The same with a connection of its own: answers come in the order of the requests, so whoever asks what the broker takes its
    /// time with would keep the others waiting. A broker in this process keeps nobody waiting.
    pub(crate) async fn apart(&self) -> Result<Self, Error> {
        match &self.address {
            Some(address) => Ok(Client { client_id: self.client_id.clone(), ..Client::connect(address).await? }),
            None => Ok(self.clone()),
        }
    }

    /// The highest version of an API that both sides know.
    pub(crate) fn version(&self, api: ApiKey) -> Option<i16> {
        self.exchange.version(api)
    }

    /// Asks, at the highest version that both sides know.
    ///
    /// # Errors
    /// When the broker does not serve the API, does not answer in time, or the connection ends.
    pub async fn ask<R: Ask>(&self, request: R) -> Result<R::Answer, Error> {
        self.ask_at_most(request, i16::MAX).await
    }

    /// Asks, at a version not above `version_max`.
    pub(crate) async fn ask_at_most<R: Ask>(&self, request: R, version_max: i16) -> Result<R::Answer, Error> {
        let version = self
            .exchange
            .version(R::API)
            .ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("the broker does not serve {:?} in a version known here", R::API)))?;
        let call = Call {
            version: version.min(version_max),
            client_id: Some(self.client_id.clone()),
            connection: 0,
            peer: None,
            request: request.into(),
        };
        let response = self.exchange.exchange(call).await?;
        R::Answer::try_from(response)
            .map_err(|other| Error::new(ErrorKind::BadAnswer, format!("asked {:?}, and {:?} was answered", R::API, other.api_key())))
    }

    /// Looks topics up. A topic that is not there is an error; it is not created.
    ///
    /// # Errors
    /// When a topic does not exist, or the connection ends.
    pub async fn topic(&self, name: &str) -> Result<TopicInfo, Error> {
        let topic = MetadataRequestTopic { name: Some(name.into()), topic_id: TopicId::ZERO };
        let request = MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..Default::default() };
        let answer = self.ask(request).await?;
        let found = answer.topics.into_iter().next();
        let found = found.ok_or_else(|| Error::new(ErrorKind::BadAnswer, format!("no answer for topic {name}")))?;
        if !found.error_code.is_none() {
            return Err(Error::refused(found.error_code, format!("topic {name}"), None));
        }
        Ok(TopicInfo { name: name.to_owned(), id: found.topic_id, partitions: found.partitions.len() as i32 })
    }

    /// Builds a producer.
    pub fn producer(&self) -> ProducerBuilder {
        ProducerBuilder::new(self.clone())
    }

    /// Builds a consumer: a member of a group.
    pub fn consumer(&self, group_id: &str) -> ConsumerBuilder {
        ConsumerBuilder::new(self.clone(), group_id)
    }

    /// Reads a partition of a topic from a place on.
    ///
    /// # Errors
    /// When the topic or partition does not exist, or the place cannot be found.
    pub async fn reader(&self, topic: &str, partition: i32, start: Start) -> Result<Reader, Error> {
        Reader::open(self.clone(), topic, partition, start).await
    }

    /// Manages topics.
    pub fn admin(&self) -> Admin {
        Admin::new(self.clone())
    }
}
