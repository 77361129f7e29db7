//! The closed table of Kafka's error codes: number, name, whether a client may try again, and a sentence.

use std::fmt;

/// A code as it travels. Any number can arrive; [`ErrorCode::name`] knows the ones of this table.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i16);

macro_rules! error_codes {
    ($($name:ident = $code:literal, $retriable:literal, $sentence:literal;)*) => {
        impl ErrorCode {
            $(#[doc = $sentence] pub const $name: ErrorCode = ErrorCode($code);)*

            /// Kafka's name of the code.
            pub fn name(self) -> &'static str {
                match self.0 { $($code => stringify!($name),)* _ => "UNKNOWN_CODE" }
            }

            /// Whether the same request may succeed later.
            pub fn is_retriable(self) -> bool {
                match self.0 { $($code => $retriable,)* _ => false }
            }

            /// What it means, in one sentence.
            pub fn sentence(self) -> &'static str {
                match self.0 { $($code => $sentence,)* _ => "A code that this version does not know." }
            }

            /// Every code of the table.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode($code),)*];
        }
    };
}

error_codes! {
    UNKNOWN_SERVER_ERROR = -1, false, "The server experienced an unexpected error.";
    NONE = 0, false, "No error.";
    OFFSET_OUT_OF_RANGE = 1, false, "The requested offset is not within the range that the partition keeps.";
    CORRUPT_MESSAGE = 2, true, "The batch failed its checksum, or is malformed.";
    UNKNOWN_TOPIC_OR_PARTITION = 3, true, "This server does not host this topic-partition.";
    INVALID_FETCH_SIZE = 4, false, "The requested fetch size is invalid.";
    LEADER_NOT_AVAILABLE = 5, true, "There is no leader for this topic-partition yet.";
    NOT_LEADER_OR_FOLLOWER = 6, true, "This broker does not lead this topic-partition.";
    REQUEST_TIMED_OUT = 7, true, "The request timed out.";
    BROKER_NOT_AVAILABLE = 8, false, "The broker is not available.";
    REPLICA_NOT_AVAILABLE = 9, true, "The replica is not available for the requested topic-partition.";
    MESSAGE_TOO_LARGE = 10, false, "The batch is larger than the topic's max.message.bytes.";
    OFFSET_METADATA_TOO_LARGE = 12, false, "The metadata of the offset is too large.";
    NETWORK_EXCEPTION = 13, true, "The connection ended before an answer came.";
    COORDINATOR_LOAD_IN_PROGRESS = 14, true, "The coordinator is loading and cannot answer yet.";
    COORDINATOR_NOT_AVAILABLE = 15, true, "The coordinator is not available.";
    NOT_COORDINATOR = 16, true, "This is not the right coordinator.";
    INVALID_TOPIC_EXCEPTION = 17, false, "The topic name is not allowed.";
    RECORD_LIST_TOO_LARGE = 18, false, "The batch is larger than a segment of the topic.";
    NOT_ENOUGH_REPLICAS = 19, true, "Fewer replicas in sync than required.";
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, true, "Written, but to fewer replicas than required.";
    INVALID_REQUIRED_ACKS = 21, false, "acks is none of -1, 0 and 1.";
    ILLEGAL_GENERATION = 22, false, "The generation of the group is not the current one.";
    INCONSISTENT_GROUP_PROTOCOL = 23, false, "The member's protocols do not fit the group.";
    INVALID_GROUP_ID = 24, false, "The group id is not allowed.";
    UNKNOWN_MEMBER_ID = 25, false, "The group does not know this member.";
    INVALID_SESSION_TIMEOUT = 26, false, "The session timeout is outside of the allowed range.";
    REBALANCE_IN_PROGRESS = 27, false, "The group is rebalancing.";
    INVALID_COMMIT_OFFSET_SIZE = 28, false, "The committed offsets are too large.";
    TOPIC_AUTHORIZATION_FAILED = 29, false, "Not authorised for the topic.";
    GROUP_AUTHORIZATION_FAILED = 30, false, "Not authorised for the group.";
    CLUSTER_AUTHORIZATION_FAILED = 31, false, "Not authorised for the cluster.";
    INVALID_TIMESTAMP = 32, false, "The timestamp of the record is out of the allowed range.";
    UNSUPPORTED_SASL_MECHANISM = 33, false, "The SASL mechanism is not supported.";
    ILLEGAL_SASL_STATE = 34, false, "The request does not fit the state of SASL.";
    UNSUPPORTED_VERSION = 35, false, "The version of the API is not supported.";
    TOPIC_ALREADY_EXISTS = 36, false, "A topic with this name exists already.";
    INVALID_PARTITIONS = 37, false, "The number of partitions is invalid.";
    INVALID_REPLICATION_FACTOR = 38, false, "The replication factor is below 1 or above the number of brokers.";
    INVALID_REPLICA_ASSIGNMENT = 39, false, "The replica assignment is invalid.";
    INVALID_CONFIG = 40, false, "The configuration is invalid.";
    NOT_CONTROLLER = 41, true, "This is not the controller.";
    INVALID_REQUEST = 42, false, "The request is malformed or contradicts itself.";
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, false, "The message format on the broker does not support this.";
    POLICY_VIOLATION = 44, false, "The request violates a policy of the broker.";
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, false, "The broker received a sequence number that does not follow the last.";
    DUPLICATE_SEQUENCE_NUMBER = 46, false, "The broker received a sequence number that it has already.";
    INVALID_PRODUCER_EPOCH = 47, false, "The producer's epoch is older than the newest one seen.";
    INVALID_TXN_STATE = 48, false, "The transaction is not in a state that allows this.";
    INVALID_PRODUCER_ID_MAPPING = 49, false, "The producer id does not belong to this transactional id.";
    INVALID_TRANSACTION_TIMEOUT = 50, false, "The transaction timeout is above the allowed maximum.";
    CONCURRENT_TRANSACTIONS = 51, true, "The last transaction of the producer has not ended yet.";
    TRANSACTION_COORDINATOR_FENCED = 52, false, "The transaction coordinator is not the current one.";
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, false, "Not authorised for the transactional id.";
    SECURITY_DISABLED = 54, false, "Security features are disabled.";
    OPERATION_NOT_ATTEMPTED = 55, false, "The operation was not attempted, because another one in the request failed.";
    KAFKA_STORAGE_ERROR = 56, true, "The broker's disk failed when it accessed the log.";
    LOG_DIR_NOT_FOUND = 57, false, "The log directory does not exist.";
    SASL_AUTHENTICATION_FAILED = 58, false, "SASL authentication failed.";
    UNKNOWN_PRODUCER_ID = 59, false, "The broker knows nothing of this producer id any more.";
    REASSIGNMENT_IN_PROGRESS = 60, false, "The partitions are being reassigned.";
    DELEGATION_TOKEN_AUTH_DISABLED = 61, false, "Delegation tokens are disabled.";
    INVALID_PRINCIPAL_TYPE = 67, false, "The principal's type is not supported.";
    NON_EMPTY_GROUP = 68, false, "The group is not empty.";
    GROUP_ID_NOT_FOUND = 69, false, "The group does not exist.";
    FETCH_SESSION_ID_NOT_FOUND = 70, true, "The fetch session does not exist.";
    INVALID_FETCH_SESSION_EPOCH = 71, true, "The epoch of the fetch session is not the expected one.";
    LISTENER_NOT_FOUND = 72, true, "The leader has no matching listener.";
    TOPIC_DELETION_DISABLED = 73, false, "Deleting topics is disabled.";
    FENCED_LEADER_EPOCH = 74, true, "The leader epoch is older than the broker's.";
    UNKNOWN_LEADER_EPOCH = 75, true, "The leader epoch is newer than the broker's.";
    UNSUPPORTED_COMPRESSION_TYPE = 76, false, "The compression is not supported in this version.";
    STALE_BROKER_EPOCH = 77, false, "The broker epoch is stale.";
    OFFSET_NOT_AVAILABLE = 78, true, "The high watermark has not caught up yet.";
    MEMBER_ID_REQUIRED = 79, false, "Join again with the member id of this answer.";
    PREFERRED_LEADER_NOT_AVAILABLE = 80, true, "The preferred leader is not available.";
    GROUP_MAX_SIZE_REACHED = 81, false, "The group is full.";
    FENCED_INSTANCE_ID = 82, false, "Another member with this instance id has joined.";
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, true, "No eligible leader is available.";
    ELECTION_NOT_NEEDED = 84, true, "The leader is the preferred one already.";
    NO_REASSIGNMENT_IN_PROGRESS = 85, false, "No partition is being reassigned.";
    GROUP_SUBSCRIBED_TO_TOPIC = 86, false, "A member of the group is subscribed to the topic.";
    INVALID_RECORD = 87, false, "The broker refuses the record.";
    UNSTABLE_OFFSET_COMMIT = 88, true, "There are offsets of open transactions.";
    THROTTLING_QUOTA_EXCEEDED = 89, true, "A quota has been exceeded.";
    PRODUCER_FENCED = 90, false, "A newer producer has the same transactional id.";
    RESOURCE_NOT_FOUND = 91, false, "The resource does not exist.";
    DUPLICATE_RESOURCE = 92, false, "The resource exists twice.";
    UNACCEPTABLE_CREDENTIAL = 93, false, "The credential is not acceptable.";
    INCONSISTENT_VOTER_SET = 94, false, "The sets of voters differ.";
    INVALID_UPDATE_VERSION = 95, false, "The version of the update is invalid.";
    FEATURE_UPDATE_FAILED = 96, false, "The feature could not be updated.";
    PRINCIPAL_DESERIALIZATION_FAILURE = 97, false, "The principal cannot be read.";
    UNKNOWN_TOPIC_ID = 100, true, "This server does not host this topic id.";
    DUPLICATE_BROKER_REGISTRATION = 101, false, "The broker id is in use.";
    BROKER_ID_NOT_REGISTERED = 102, false, "The broker id is not registered.";
    INCONSISTENT_TOPIC_ID = 103, true, "The topic id of the log is another one.";
    INCONSISTENT_CLUSTER_ID = 104, false, "The cluster id is another one.";
    TRANSACTIONAL_ID_NOT_FOUND = 105, false, "The transactional id does not exist.";
    FETCH_SESSION_TOPIC_ID_ERROR = 106, true, "The fetch session mixes topic names and topic ids.";
    INELIGIBLE_REPLICA = 107, false, "The replica cannot join the set in sync.";
    OFFSET_MOVED_TO_TIERED_STORAGE = 109, false, "The offset is in tiered storage.";
    FENCED_MEMBER_EPOCH = 110, false, "The member's epoch is stale.";
    UNRELEASED_INSTANCE_ID = 111, false, "The instance id is still in use.";
    UNSUPPORTED_ASSIGNOR = 112, false, "The assignor is not supported.";
    STALE_MEMBER_EPOCH = 113, false, "The member's epoch is stale; ask the coordinator again.";
    MISMATCHED_ENDPOINT_TYPE = 114, false, "The request was sent to the wrong type of endpoint.";
    UNSUPPORTED_ENDPOINT_TYPE = 115, false, "The type of endpoint is not supported.";
    UNKNOWN_CONTROLLER_ID = 116, false, "The controller id is not known.";
    UNKNOWN_SUBSCRIPTION_ID = 117, false, "The telemetry subscription is not known.";
    TELEMETRY_TOO_LARGE = 118, false, "The telemetry is too large.";
    INVALID_REGISTRATION = 119, false, "The registration is invalid.";
    TRANSACTION_ABORTABLE = 120, false, "The transaction must be aborted.";
    INVALID_RECORD_STATE = 121, false, "The record is not in a state that allows this.";
    SHARE_SESSION_NOT_FOUND = 122, true, "The share session does not exist.";
    INVALID_SHARE_SESSION_EPOCH = 123, true, "The epoch of the share session is not the expected one.";
    FENCED_STATE_EPOCH = 124, false, "The state epoch is stale.";
    INVALID_VOTER_KEY = 125, false, "The voter's key is invalid.";
    DUPLICATE_VOTER = 126, false, "The voter is a member already.";
    VOTER_NOT_FOUND = 127, false, "The voter is not a member.";
    INVALID_REGULAR_EXPRESSION = 128, false, "The regular expression is invalid.";
    REBOOTSTRAP_REQUIRED = 129, false, "The client must bootstrap again.";
    STREAMS_INVALID_TOPOLOGY = 130, false, "The topology is invalid.";
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131, false, "The epoch of the topology is invalid.";
    STREAMS_TOPOLOGY_FENCED = 132, false, "The epoch of the topology is stale.";
    SHARE_SESSION_LIMIT_REACHED = 133, true, "There are too many share sessions.";
}

impl ErrorCode {
    /// Whether this is [`ErrorCode::NONE`].
    pub fn is_none(self) -> bool {
        self == ErrorCode::NONE
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name(), self.0, self.sentence())
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}
