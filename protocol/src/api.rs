//! The one table of APIs: key, versions, the first flexible version, and the enums of all requests and responses.

use bytes::Bytes;

use crate::decode::{DecodeError, Decoder, Fault};
use crate::encode::{EncodeError, Encoder};
use crate::limit;
use crate::message::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use crate::message::add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};
use crate::message::alter_client_quotas::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use crate::message::alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
use crate::message::alter_partition_reassignments::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use crate::message::alter_share_group_offsets::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse};
use crate::message::alter_user_scram_credentials::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
use crate::message::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::message::consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
use crate::message::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use crate::message::create_acls::{CreateAclsRequest, CreateAclsResponse};
use crate::message::create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse};
use crate::message::create_topics::{CreateTopicsRequest, CreateTopicsResponse};
use crate::message::delete_acls::{DeleteAclsRequest, DeleteAclsResponse};
use crate::message::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use crate::message::delete_records::{DeleteRecordsRequest, DeleteRecordsResponse};
use crate::message::delete_share_group_offsets::{DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse};
use crate::message::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
use crate::message::describe_acls::{DescribeAclsRequest, DescribeAclsResponse};
use crate::message::describe_client_quotas::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use crate::message::describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
use crate::message::describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse};
use crate::message::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
use crate::message::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
use crate::message::describe_producers::{DescribeProducersRequest, DescribeProducersResponse};
use crate::message::describe_share_group_offsets::{DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse};
use crate::message::describe_topic_partitions::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use crate::message::describe_transactions::{DescribeTransactionsRequest, DescribeTransactionsResponse};
use crate::message::describe_user_scram_credentials::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse};
use crate::message::elect_leaders::{ElectLeadersRequest, ElectLeadersResponse};
use crate::message::end_txn::{EndTxnRequest, EndTxnResponse};
use crate::message::fetch::{FetchRequest, FetchResponse};
use crate::message::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use crate::message::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use crate::message::incremental_alter_configs::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use crate::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::message::join_group::{JoinGroupRequest, JoinGroupResponse};
use crate::message::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use crate::message::list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use crate::message::list_groups::{ListGroupsRequest, ListGroupsResponse};
use crate::message::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
use crate::message::list_partition_reassignments::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};
use crate::message::list_transactions::{ListTransactionsRequest, ListTransactionsResponse};
use crate::message::metadata::{MetadataRequest, MetadataResponse};
use crate::message::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
use crate::message::offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
use crate::message::offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
use crate::message::offset_for_leader_epoch::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use crate::message::produce::{ProduceRequest, ProduceResponse};
use crate::message::share_acknowledge::{ShareAcknowledgeRequest, ShareAcknowledgeResponse};
use crate::message::share_fetch::{ShareFetchRequest, ShareFetchResponse};
use crate::message::share_group_describe::{ShareGroupDescribeRequest, ShareGroupDescribeResponse};
use crate::message::share_group_heartbeat::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use crate::message::sync_group::{SyncGroupRequest, SyncGroupResponse};
use crate::message::txn_offset_commit::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use crate::message::write_txn_markers::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
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
                if from.left() > limit::TRAILING_BYTES_MAX {
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
    OffsetCommit = 8, advertised 2, served 2 to 10, flexible 8, OffsetCommitRequest, OffsetCommitResponse;
    OffsetFetch = 9, advertised 1, served 1 to 10, flexible 6, OffsetFetchRequest, OffsetFetchResponse;
    FindCoordinator = 10, advertised 0, served 0 to 6, flexible 3, FindCoordinatorRequest, FindCoordinatorResponse;
    JoinGroup = 11, advertised 0, served 0 to 9, flexible 6, JoinGroupRequest, JoinGroupResponse;
    Heartbeat = 12, advertised 0, served 0 to 4, flexible 4, HeartbeatRequest, HeartbeatResponse;
    LeaveGroup = 13, advertised 0, served 0 to 5, flexible 4, LeaveGroupRequest, LeaveGroupResponse;
    SyncGroup = 14, advertised 0, served 0 to 5, flexible 4, SyncGroupRequest, SyncGroupResponse;
    DescribeGroups = 15, advertised 0, served 0 to 6, flexible 5, DescribeGroupsRequest, DescribeGroupsResponse;
    ListGroups = 16, advertised 0, served 0 to 5, flexible 3, ListGroupsRequest, ListGroupsResponse;
    ApiVersions = 18, advertised 0, served 0 to 4, flexible 3, ApiVersionsRequest, ApiVersionsResponse;
    CreateTopics = 19, advertised 2, served 2 to 7, flexible 5, CreateTopicsRequest, CreateTopicsResponse;
    DeleteTopics = 20, advertised 1, served 1 to 6, flexible 4, DeleteTopicsRequest, DeleteTopicsResponse;
    DeleteRecords = 21, advertised 0, served 0 to 2, flexible 2, DeleteRecordsRequest, DeleteRecordsResponse;
    InitProducerId = 22, advertised 0, served 0 to 6, flexible 2, InitProducerIdRequest, InitProducerIdResponse;
    OffsetForLeaderEpoch = 23, advertised 2, served 2 to 4, flexible 4, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
    AddPartitionsToTxn = 24, advertised 0, served 0 to 5, flexible 3, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse;
    AddOffsetsToTxn = 25, advertised 0, served 0 to 4, flexible 3, AddOffsetsToTxnRequest, AddOffsetsToTxnResponse;
    EndTxn = 26, advertised 0, served 0 to 5, flexible 3, EndTxnRequest, EndTxnResponse;
    WriteTxnMarkers = 27, advertised 1, served 1 to 1, flexible 1, WriteTxnMarkersRequest, WriteTxnMarkersResponse;
    TxnOffsetCommit = 28, advertised 0, served 0 to 5, flexible 3, TxnOffsetCommitRequest, TxnOffsetCommitResponse;
    DescribeAcls = 29, advertised 1, served 1 to 3, flexible 2, DescribeAclsRequest, DescribeAclsResponse;
    CreateAcls = 30, advertised 1, served 1 to 3, flexible 2, CreateAclsRequest, CreateAclsResponse;
    DeleteAcls = 31, advertised 1, served 1 to 3, flexible 2, DeleteAclsRequest, DeleteAclsResponse;
    DescribeConfigs = 32, advertised 1, served 1 to 4, flexible 4, DescribeConfigsRequest, DescribeConfigsResponse;
    AlterConfigs = 33, advertised 0, served 0 to 2, flexible 2, AlterConfigsRequest, AlterConfigsResponse;
    DescribeLogDirs = 35, advertised 1, served 1 to 4, flexible 2, DescribeLogDirsRequest, DescribeLogDirsResponse;
    CreatePartitions = 37, advertised 0, served 0 to 3, flexible 2, CreatePartitionsRequest, CreatePartitionsResponse;
    DeleteGroups = 42, advertised 0, served 0 to 2, flexible 2, DeleteGroupsRequest, DeleteGroupsResponse;
    ElectLeaders = 43, advertised 0, served 0 to 2, flexible 2, ElectLeadersRequest, ElectLeadersResponse;
    IncrementalAlterConfigs = 44, advertised 0, served 0 to 1, flexible 1, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
    AlterPartitionReassignments = 45, advertised 0, served 0 to 1, flexible 0, AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse;
    ListPartitionReassignments = 46, advertised 0, served 0 to 0, flexible 0, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse;
    OffsetDelete = 47, advertised 0, served 0 to 0, flexible 32767, OffsetDeleteRequest, OffsetDeleteResponse;
    DescribeClientQuotas = 48, advertised 0, served 0 to 1, flexible 1, DescribeClientQuotasRequest, DescribeClientQuotasResponse;
    AlterClientQuotas = 49, advertised 0, served 0 to 1, flexible 1, AlterClientQuotasRequest, AlterClientQuotasResponse;
    DescribeUserScramCredentials = 50, advertised 0, served 0 to 0, flexible 0, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse;
    AlterUserScramCredentials = 51, advertised 0, served 0 to 0, flexible 0, AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse;
    DescribeCluster = 60, advertised 0, served 0 to 2, flexible 0, DescribeClusterRequest, DescribeClusterResponse;
    DescribeProducers = 61, advertised 0, served 0 to 0, flexible 0, DescribeProducersRequest, DescribeProducersResponse;
    DescribeTransactions = 65, advertised 0, served 0 to 0, flexible 0, DescribeTransactionsRequest, DescribeTransactionsResponse;
    ListTransactions = 66, advertised 0, served 0 to 2, flexible 0, ListTransactionsRequest, ListTransactionsResponse;
    ConsumerGroupHeartbeat = 68, advertised 0, served 0 to 1, flexible 0, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse;
    ConsumerGroupDescribe = 69, advertised 0, served 0 to 1, flexible 0, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse;
    ListConfigResources = 74, advertised 0, served 0 to 1, flexible 0, ListConfigResourcesRequest, ListConfigResourcesResponse;
    DescribeTopicPartitions = 75, advertised 0, served 0 to 0, flexible 0, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse;
    ShareGroupHeartbeat = 76, advertised 1, served 1 to 1, flexible 0, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse;
    ShareGroupDescribe = 77, advertised 1, served 1 to 1, flexible 0, ShareGroupDescribeRequest, ShareGroupDescribeResponse;
    ShareFetch = 78, advertised 1, served 1 to 2, flexible 0, ShareFetchRequest, ShareFetchResponse;
    ShareAcknowledge = 79, advertised 1, served 1 to 2, flexible 0, ShareAcknowledgeRequest, ShareAcknowledgeResponse;
    DescribeShareGroupOffsets = 90, advertised 0, served 0 to 1, flexible 0, DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse;
    AlterShareGroupOffsets = 91, advertised 0, served 0 to 0, flexible 0, AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse;
    DeleteShareGroupOffsets = 92, advertised 0, served 0 to 0, flexible 0, DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse;
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

fn cursor(api: ApiKey, version: i16, body: Bytes) -> Result<Decoder, DecodeError> {
    if !api.serves(version) {
        return Err(DecodeError { position: 0, fault: Fault::Version(version) });
    }
    Ok(Decoder::new(body, version, api.is_flexible(version)))
}
