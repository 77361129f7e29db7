//! The client: typed requests over any exchange. Cheap to clone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::api::Ask;
use millstream_protocol::message::find_coordinator::FindCoordinatorRequest;
use millstream_protocol::message::metadata::{MetadataRequest, MetadataRequestTopic, MetadataTopic};
use millstream_protocol::{ApiKey, Call, Exchange, Str, TopicId};
use serde::{Serialize, Serializer};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, checked};
use crate::tcp::TcpExchange;

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

/// What has a coordinator, as the protocol counts them.
#[derive(Debug, Clone, Copy)]
#[repr(i8)]
pub(crate) enum CoordinatorKind {
    Group = 0,
    Transaction = 1,
}

/// How long a broker may take until it is a coordinator.
const COORDINATOR_PATIENCE: Duration = Duration::from_secs(60);
const COORDINATOR_PAUSE: Duration = Duration::from_millis(100);

/// What a client needs to know of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicInfo {
    /// The name.
    pub name: String,
    /// The id.
    #[serde(serialize_with = "as_text")]
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: i32,
    /// Whether it is the broker's own: nobody else may delete or write to it.
    pub is_internal: bool,
}

fn as_text<S: Serializer>(id: &TopicId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

impl Client {
    /// Over an exchange, for instance a broker in this process.
    pub fn new(exchange: impl Exchange) -> Self {
        Client { exchange: Arc::new(exchange), client_id: Str::from_static("millstream"), address: None }
    }

    /// Over a socket to `host:port`.
    ///
    /// # Errors
    /// When nobody answers there, or when it names no port.
    pub async fn connect(address: &str) -> Result<Self, Error> {
        let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Err(Error::new(ErrorKind::InvalidInput, format!("a broker's address is HOST:PORT, which {address:?} is not")));
        }
        let client = Client::new(TcpExchange::connect(address).await?);
        Ok(Client { address: Some(address.into()), ..client })
    }

    /// The same with a connection of its own: answers come in the order of the requests, so a slow request would block the ones behind
    /// it. A broker in this process blocks nothing.
    pub(crate) async fn apart(&self) -> Result<Self, Error> {
        match &self.address {
            Some(address) => Ok(Client { client_id: self.client_id.clone(), ..Client::connect(address).await? }),
            None => Ok(self.clone()),
        }
    }

    /// Looks for the coordinator of a group or of a transactional id. It is the broker that is asked, there is but one; a Kafka that
    /// nobody has asked yet refuses to be it, and makes what it needs when it is asked for the first time.
    pub(crate) async fn find_coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<(), Error> {
        let deadline = Instant::now() + COORDINATOR_PATIENCE;
        loop {
            let request = FindCoordinatorRequest { key: key.into(), key_type: kind as i8, coordinator_keys: vec![key.into()] };
            let found = match self.ask(request).await {
                Ok(answer) => {
                    let code = answer.coordinators.first().map_or(answer.error_code, |coordinator| coordinator.error_code);
                    checked(code, format!("looking for the coordinator of {key}"), None)
                }
                Err(error) => Err(error),
            };
            match found {
                Err(error) if error.is_retriable() && Instant::now() < deadline => tokio::time::sleep(COORDINATOR_PAUSE).await,
                found => return found,
            }
        }
    }

    /// The highest version of an API that both sides know.
    pub(crate) fn version(&self, api: ApiKey) -> Option<i16> {
        self.exchange.version(api)
    }

    /// Asks, at the highest version that both sides know. The request goes out when this is called, behind all requests before it; the
    /// future only waits for the answer.
    ///
    /// # Errors
    /// When the broker does not serve the API, does not answer in time, or the connection ends.
    pub fn ask<R: Ask>(&self, request: R) -> impl Future<Output = Result<R::Answer, Error>> + Send + use<R> {
        self.ask_at_most(request, i16::MAX)
    }

    /// Asks as [`Client::ask`] does, at a version not above `version_max`.
    pub(crate) fn ask_at_most<R: Ask>(
        &self,
        request: R,
        version_max: i16,
    ) -> impl Future<Output = Result<R::Answer, Error>> + Send + use<R> {
        let exchange = self.exchange.clone();
        let answer = exchange.version(R::API).map(|version| {
            let (version, client_id) = (version.min(version_max), Some(self.client_id.clone()));
            exchange.exchange(Call { version, client_id, ..Call::local(request) })
        });
        async move {
            let answer = answer.ok_or_else(|| {
                Error::new(ErrorKind::Unsupported, format!("the broker does not serve {:?} in a version known here", R::API))
            })?;
            let response = answer.await;
            // The connection stays open for as long as somebody waits for an answer.
            drop(exchange);
            R::Answer::try_from(response?)
                .map_err(|other| Error::new(ErrorKind::BadAnswer, format!("asked {:?}, and {:?} was answered", R::API, other.api_key())))
        }
    }

    /// Looks a topic up. A topic that is not there is an error; it is not created.
    ///
    /// # Errors
    /// When the topic does not exist, or the connection ends.
    pub async fn topic(&self, name: &str) -> Result<TopicInfo, Error> {
        let found = self.topics(BTreeSet::from([name.into()])).await?.into_values().next();
        found.ok_or_else(|| Error::new(ErrorKind::BadAnswer, format!("no answer for topic {name}")))?
    }

    /// Looks topics up in one request, by name. A topic that is not there is an error of its own; it is not created.
    pub(crate) async fn topics(&self, names: BTreeSet<Str>) -> Result<BTreeMap<Str, Result<TopicInfo, Error>>, Error> {
        let asked = names.into_iter().map(|name| MetadataRequestTopic { name: Some(name), topic_id: TopicId::ZERO });
        let request = MetadataRequest { topics: Some(asked.collect()), allow_auto_topic_creation: false, ..Default::default() };
        let found = self.ask(request).await?.topics.into_iter();
        Ok(found.map(|topic| (topic.name.clone().unwrap_or_default(), topic_info(topic))).collect())
    }
}

fn topic_info(found: MetadataTopic) -> Result<TopicInfo, Error> {
    let name = found.name.unwrap_or_default().to_string();
    checked(found.error_code, format!("topic {name}"), None)?;
    Ok(TopicInfo { name, id: found.topic_id, partitions: found.partitions.len() as i32, is_internal: found.is_internal })
}

#[cfg(test)]
mod tests {
    use millstream_protocol::message::metadata::MetadataResponse;

    use super::*;
    use crate::scripted::{answer, scripted};

    /// The promise of the exchange, one floor up: two requests arrive in the order in which they were made, whichever answer is awaited
    /// first, or awaited at all.
    #[test]
    fn a_request_goes_out_when_it_is_made_and_not_when_its_answer_is_awaited() {
        let (client, asked) = scripted(|_| answer(MetadataResponse::default()));
        let waiting = client.ask(MetadataRequest::default());
        assert_eq!(asked.count(ApiKey::Metadata), 1);
        drop(waiting);
    }
}
