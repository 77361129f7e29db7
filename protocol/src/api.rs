//! The one table of APIs: key, versions, the first flexible version, and the enums of all requests and responses.

use bytes::Bytes;

use crate::decode::{DecodeError, Decoder, Fault};
use crate::encode::{EncodeError, Encoder};
use crate::message::alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
use crate::message::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::message::create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse};
use crate::message::create_topics::{CreateTopicsRequest, CreateTopicsResponse};
use crate::message::delete_records::{DeleteRecordsRequest, DeleteRecordsResponse};
use crate::message::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
use crate::message::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use crate::message::describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse};
use crate::message::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use crate::message::describe_topic_partitions::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use crate::message::fetch::{FetchRequest, FetchResponse};
use crate::message::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use crate::message::incremental_alter_configs::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use crate::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::message::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
use crate::message::metadata::{MetadataRequest, MetadataResponse};
use crate::message::offset_for_leader_epoch::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use crate::message::produce::{ProduceRequest, ProduceResponse};
use crate::wire::Wire;

/// What the table says of one API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiInfo {
    /// Lowest version in ApiVersions.
    pub advertised_min: i16,
    /// Lowest version that is really served.
    pub served_min: i16,
    /// Highest version.
    pub max: i16,
    /// First version with compact lengths and tagged fields.
    pub flexible_since: i16,
}

macro_rules! apis {
    ($($name:ident = $key:literal, advertised $advertised:literal, served $min:literal to $max:literal, flexible $flexible:literal, $request:ident, $response:ident;)*) => {
        /// An API of the protocol.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        pub enum ApiKey {
            $(#[allow(missing_docs)] $name = $key,)*
        }

        impl ApiKey {
            /// Every API, by ascending key.
            pub const ALL: &'static [ApiKey] = &[$(ApiKey::$name,)*];

            /// The API of a key on the wire.
            pub fn from_i16(key: i16) -> Option<Self> {
                match key { $($key => Some(ApiKey::$name),)* _ => None }
            }

            /// Its row of the table.
            pub const fn info(self) -> ApiInfo {
                match self {$(
                    ApiKey::$name => ApiInfo {
                        advertised_min: $advertised, served_min: $min, max: $max, flexible_since: $flexible,
                    },
                )*}
            }
        }

        /// A request of any API.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Request {
            $(#[allow(missing_docs)] $name($request),)*
        }

        /// A response of any API.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Response {
            $(#[allow(missing_docs)] $name($response),)*
        }

        impl Request {
            /// The API that it belongs to.
            pub fn api_key(&self) -> ApiKey {
                match self { $(Request::$name(_) => ApiKey::$name,)* }
            }

            /// Reads a body. A few bytes behind it are left alone, as Kafka does: librdkafka 2.x sends a few too many
            /// in Metadata version 13.
            pub fn decode(api: ApiKey, version: i16, body: Bytes) -> Result<Self, DecodeError> {
                let mut from = cursor(api, version, body)?;
                let request = match api { $(ApiKey::$name => Request::$name(Wire::decode(&mut from)?),)* };
                if from.left() > TRAILING_BYTES_MAX {
                    from.finish()?;
                }
                Ok(request)
            }

            /// Writes the body.
            pub fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
                match self { $(Request::$name(body) => body.encode(to),)* }
            }
        }

        impl Response {
            /// The API that it belongs to.
            pub fn api_key(&self) -> ApiKey {
                match self { $(Response::$name(_) => ApiKey::$name,)* }
            }

            /// Reads a body and refuses bytes behind it.
            pub fn decode(api: ApiKey, version: i16, body: Bytes) -> Result<Self, DecodeError> {
                let mut from = cursor(api, version, body)?;
                let response = match api { $(ApiKey::$name => Response::$name(Wire::decode(&mut from)?),)* };
                from.finish()?;
                Ok(response)
            }

            /// Writes the body.
            pub fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
                match self { $(Response::$name(body) => body.encode(to),)* }
            }
        }

        #[cfg(test)]
        impl Request {
            pub(crate) fn sample(api: ApiKey, from: &mut crate::sample::Entropy<'_>) -> Self {
                match api { $(ApiKey::$name => Request::$name(crate::sample::Sample::sample(from)),)* }
            }
        }

        #[cfg(test)]
        impl Response {
            pub(crate) fn sample(api: ApiKey, from: &mut crate::sample::Entropy<'_>) -> Self {
                match api { $(ApiKey::$name => Response::$name(crate::sample::Sample::sample(from)),)* }
            }
        }

        $(
            impl From<$request> for Request {
                fn from(body: $request) -> Self { Request::$name(body) }
            }
            impl From<$response> for Response {
                fn from(body: $response) -> Self { Response::$name(body) }
            }
            impl TryFrom<Response> for $response {
                type Error = Response;
                fn try_from(response: Response) -> Result<Self, Response> {
                    match response { Response::$name(body) => Ok(body), other => Err(other) }
                }
            }
            impl Ask for $request {
                const API: ApiKey = ApiKey::$name;
                type Answer = $response;
            }
        )*
    };
}

/// A request body and the response body that answers it.
pub trait Ask: Into<Request> {
    /// The API.
    const API: ApiKey;
    /// What answers it.
    type Answer: TryFrom<Response, Error = Response>;
}

apis! {
    Produce = 0, advertised 0, served 3 to 13, flexible 9, ProduceRequest, ProduceResponse;
    Fetch = 1, advertised 4, served 4 to 18, flexible 12, FetchRequest, FetchResponse;
    ListOffsets = 2, advertised 1, served 1 to 10, flexible 6, ListOffsetsRequest, ListOffsetsResponse;
    Metadata = 3, advertised 0, served 0 to 13, flexible 9, MetadataRequest, MetadataResponse;
    FindCoordinator = 10, advertised 0, served 0 to 6, flexible 3, FindCoordinatorRequest, FindCoordinatorResponse;
    ApiVersions = 18, advertised 0, served 0 to 4, flexible 3, ApiVersionsRequest, ApiVersionsResponse;
    CreateTopics = 19, advertised 2, served 2 to 7, flexible 5, CreateTopicsRequest, CreateTopicsResponse;
    DeleteTopics = 20, advertised 1, served 1 to 6, flexible 4, DeleteTopicsRequest, DeleteTopicsResponse;
    DeleteRecords = 21, advertised 0, served 0 to 2, flexible 2, DeleteRecordsRequest, DeleteRecordsResponse;
    InitProducerId = 22, advertised 0, served 0 to 6, flexible 2, InitProducerIdRequest, InitProducerIdResponse;
    OffsetForLeaderEpoch = 23, advertised 2, served 2 to 4, flexible 4, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
    DescribeConfigs = 32, advertised 1, served 1 to 4, flexible 4, DescribeConfigsRequest, DescribeConfigsResponse;
    AlterConfigs = 33, advertised 0, served 0 to 2, flexible 2, AlterConfigsRequest, AlterConfigsResponse;
    DescribeLogDirs = 35, advertised 1, served 1 to 4, flexible 2, DescribeLogDirsRequest, DescribeLogDirsResponse;
    CreatePartitions = 37, advertised 0, served 0 to 3, flexible 2, CreatePartitionsRequest, CreatePartitionsResponse;
    IncrementalAlterConfigs = 44, advertised 0, served 0 to 1, flexible 1, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
    DescribeCluster = 60, advertised 0, served 0 to 2, flexible 0, DescribeClusterRequest, DescribeClusterResponse;
    DescribeTopicPartitions = 75, advertised 0, served 0 to 0, flexible 0, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse;
}

impl ApiKey {
    /// Whether the version can be served.
    pub fn serves(self, version: i16) -> bool {
        let info = self.info();
        (info.served_min..=info.max).contains(&version)
    }

    /// Whether the version has compact lengths and tagged fields.
    pub fn is_flexible(self, version: i16) -> bool {
        version >= self.info().flexible_since
    }
}

/// More behind a body is not a client's slip.
const TRAILING_BYTES_MAX: usize = 1024;

fn cursor(api: ApiKey, version: i16, body: Bytes) -> Result<Decoder, DecodeError> {
    if !api.serves(version) {
        return Err(DecodeError { position: 0, fault: Fault::Version(version) });
    }
    Ok(Decoder::new(body, version, api.is_flexible(version)))
}
