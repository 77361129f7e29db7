//! Kafka's code for every error of ours. Topics, partitions, groups and transactions say what happened in their own words; only here that
//! becomes the number that a client sees. Each match names every variant: an error that is added does not compile until it has a code.

use millstream_protocol::ErrorCode;
use millstream_protocol::record::BatchError;
use millstream_protocol::record::compression::CompressionError;

use crate::catalog::{NameError, TopicError};
use crate::dynamic::DynamicError;
use crate::fetch_session::FetchSessionError;
use crate::group::{CommitError, GroupError, HeartbeatError, MemberError, OffsetError, PropertiesError, ShareHeartbeatError};
use crate::journal::JournalError;
use crate::log::LogError;
use crate::partition::{AppendError, DeleteRecordsError, NotDurable, OffsetOutOfRange};
use crate::share::session::SessionError;
use crate::share::window::AcknowledgeError;
use crate::transaction::TransactionError;

impl NameError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            NameError::Empty | NameError::Dots(_) | NameError::TooLong(_) | NameError::Characters(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
        }
    }
}

impl TopicError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            TopicError::Name(error) => error.code(),
            TopicError::Collides { .. } => ErrorCode::INVALID_TOPIC_EXCEPTION,
            TopicError::Exists(_) => ErrorCode::TOPIC_ALREADY_EXISTS,
            TopicError::NoPartitions => ErrorCode::INVALID_PARTITIONS,
            TopicError::Property(_) => ErrorCode::INVALID_CONFIG,
            TopicError::Gone => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            TopicError::DiskFailed(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

impl DynamicError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            DynamicError::Property(_) | DynamicError::ReadOnly(_) | DynamicError::OfOneBroker(_) => ErrorCode::INVALID_REQUEST,
            DynamicError::DiskFailed(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

/// Of a read. A write that fails has a code of its own whatever failed.
impl LogError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            LogError::Damaged { .. } => ErrorCode::CORRUPT_MESSAGE,
            LogError::Io { .. } | LogError::NoRoom { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

impl AcknowledgeError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            AcknowledgeError::Invalid => ErrorCode::INVALID_REQUEST,
            AcknowledgeError::NotHeld => ErrorCode::INVALID_RECORD_STATE,
        }
    }
}

impl SessionError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            SessionError::NotFound => ErrorCode::SHARE_SESSION_NOT_FOUND,
            SessionError::WrongEpoch => ErrorCode::INVALID_SHARE_SESSION_EPOCH,
            SessionError::LimitReached => ErrorCode::SHARE_SESSION_LIMIT_REACHED,
        }
    }
}

impl PropertiesError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            PropertiesError::Property(_) => ErrorCode::INVALID_CONFIG,
            PropertiesError::NotKept(error) => error.code(),
        }
    }
}

impl AppendError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            AppendError::Batch(error) => batch_code(error),
            AppendError::NotOneBatch
            | AppendError::CutOff
            | AppendError::BaseOffset(_)
            | AppendError::ControlRecords
            | AppendError::NoProducerId
            | AppendError::NoSequence
            | AppendError::WithoutKey(_) => ErrorCode::INVALID_RECORD,
            AppendError::Timestamps(_) => ErrorCode::INVALID_TIMESTAMP,
            AppendError::TooLarge { .. } | AppendError::NoRoom => ErrorCode::MESSAGE_TOO_LARGE,
            AppendError::LargerThanSegment => ErrorCode::RECORD_LIST_TOO_LARGE,
            AppendError::ZstdTooEarly => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            AppendError::NoTransactionalId => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            AppendError::ProducerFenced => ErrorCode::INVALID_PRODUCER_EPOCH,
            AppendError::CoordinatorFenced => ErrorCode::TRANSACTION_COORDINATOR_FENCED,
            AppendError::OutOfOrder => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            AppendError::NotAdded | AppendError::OutsideOfTransaction => ErrorCode::INVALID_TXN_STATE,
            AppendError::BeingDeleted => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            AppendError::DiskFailed | AppendError::Stopping | AppendError::NotWritten(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

fn batch_code(error: &BatchError) -> ErrorCode {
    match error {
        BatchError::Checksum { .. } | BatchError::Length(_) | BatchError::Misplaced { .. } => ErrorCode::CORRUPT_MESSAGE,
        BatchError::Magic(0 | 1) | BatchError::Truncated { .. } => ErrorCode::INVALID_RECORD,
        BatchError::Magic(_) => ErrorCode::CORRUPT_MESSAGE,
        BatchError::Record(_) => ErrorCode::INVALID_RECORD,
        BatchError::Compression(CompressionError::TooLarge(_)) => ErrorCode::MESSAGE_TOO_LARGE,
        BatchError::Compression(CompressionError::Unknown(_) | CompressionError::Damaged { .. }) => ErrorCode::CORRUPT_MESSAGE,
    }
}

impl NotDurable {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            NotDurable::DiskFailed | NotDurable::Abandoned => ErrorCode::KAFKA_STORAGE_ERROR,
            NotDurable::BeingDeleted => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        }
    }
}

impl OffsetOutOfRange {
    pub(crate) fn code(&self) -> ErrorCode {
        ErrorCode::OFFSET_OUT_OF_RANGE
    }
}

impl DeleteRecordsError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            DeleteRecordsError::OutOfRange(error) => error.code(),
            DeleteRecordsError::DiskFailed(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

/// A coordinator that cannot keep anything is not there for a client, which tries again.
impl JournalError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            JournalError::NotMade | JournalError::NotAppended | JournalError::NotDurable(_) => ErrorCode::COORDINATOR_NOT_AVAILABLE,
            JournalError::ProducerFenced => ErrorCode::INVALID_PRODUCER_EPOCH,
            JournalError::NoBatch => ErrorCode::UNKNOWN_SERVER_ERROR,
        }
    }
}

impl TransactionError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            TransactionError::NoId | TransactionError::IdTooLong => ErrorCode::INVALID_REQUEST,
            TransactionError::UnknownId => ErrorCode::TRANSACTIONAL_ID_NOT_FOUND,
            TransactionError::InvalidTimeout => ErrorCode::INVALID_TRANSACTION_TIMEOUT,
            TransactionError::OtherProducer => ErrorCode::INVALID_PRODUCER_ID_MAPPING,
            TransactionError::Fenced => ErrorCode::PRODUCER_FENCED,
            TransactionError::Ending => ErrorCode::CONCURRENT_TRANSACTIONS,
            TransactionError::NotAdded => ErrorCode::TRANSACTION_ABORTABLE,
            TransactionError::NotToBeEnded => ErrorCode::INVALID_TXN_STATE,
            TransactionError::NoProducerId | TransactionError::NotCompleted => ErrorCode::COORDINATOR_NOT_AVAILABLE,
            TransactionError::Journal(error) => error.code(),
        }
    }
}

impl MemberError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            MemberError::InvalidGroupId => ErrorCode::INVALID_GROUP_ID,
            MemberError::InvalidSessionTimeout => ErrorCode::INVALID_SESSION_TIMEOUT,
            MemberError::UnknownMember => ErrorCode::UNKNOWN_MEMBER_ID,
            MemberError::InstanceFenced => ErrorCode::FENCED_INSTANCE_ID,
            MemberError::StaleGeneration => ErrorCode::ILLEGAL_GENERATION,
            MemberError::StaleEpoch => ErrorCode::STALE_MEMBER_EPOCH,
            MemberError::OtherProtocol => ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
            MemberError::Rebalancing => ErrorCode::REBALANCE_IN_PROGRESS,
            MemberError::GroupFull => ErrorCode::GROUP_MAX_SIZE_REACHED,
            MemberError::IdRequired => ErrorCode::MEMBER_ID_REQUIRED,
            // Kafka has no better word for it.
            MemberError::UnreadableSubscription => ErrorCode::UNKNOWN_SERVER_ERROR,
        }
    }
}

impl GroupError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            GroupError::NoId => ErrorCode::INVALID_GROUP_ID,
            GroupError::NotFound(_) | GroupError::NotClassic(_) | GroupError::NotConsumer(_) | GroupError::NotShare(_) => {
                ErrorCode::GROUP_ID_NOT_FOUND
            }
            GroupError::NotEmpty => ErrorCode::NON_EMPTY_GROUP,
            GroupError::Journal(error) => error.code(),
        }
    }
}

impl CommitError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            CommitError::GroupIdTooLong => ErrorCode::INVALID_GROUP_ID,
            CommitError::UnknownGroup => ErrorCode::GROUP_ID_NOT_FOUND,
            CommitError::VersionTooOld => ErrorCode::UNSUPPORTED_VERSION,
            CommitError::Member(error) => error.code(),
            CommitError::Journal(error) => error.code(),
        }
    }
}

impl OffsetError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            OffsetError::UnknownPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            OffsetError::MetadataTooLong => ErrorCode::OFFSET_METADATA_TOO_LARGE,
            OffsetError::Unstable => ErrorCode::UNSTABLE_OFFSET_COMMIT,
            OffsetError::Subscribed => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
        }
    }
}

impl HeartbeatError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            HeartbeatError::NoGroupId
            | HeartbeatError::EmptyInstanceId
            | HeartbeatError::EmptyRackId
            | HeartbeatError::NoMemberId
            | HeartbeatError::NoRebalanceTimeout
            | HeartbeatError::JoiningWithPartitions
            | HeartbeatError::NoSubscription
            | HeartbeatError::NoInstanceId
            | HeartbeatError::ImpossibleEpoch(_) => ErrorCode::INVALID_REQUEST,
            HeartbeatError::GroupIdTooLong => ErrorCode::INVALID_GROUP_ID,
            HeartbeatError::UnsupportedAssignor { .. } => ErrorCode::UNSUPPORTED_ASSIGNOR,
            HeartbeatError::InvalidPattern { .. } => ErrorCode::INVALID_REGULAR_EXPRESSION,
            HeartbeatError::Group(error) => error.code(),
            HeartbeatError::UnknownInstance(_) | HeartbeatError::UnknownMember(_) => ErrorCode::UNKNOWN_MEMBER_ID,
            HeartbeatError::InstanceInUse { .. } | HeartbeatError::HasAPlace { .. } => ErrorCode::UNRELEASED_INSTANCE_ID,
            HeartbeatError::InstanceFenced { .. } | HeartbeatError::InstanceOfAnother { .. } => ErrorCode::FENCED_INSTANCE_ID,
            HeartbeatError::GroupFull(_) => ErrorCode::GROUP_MAX_SIZE_REACHED,
            HeartbeatError::EpochFenced { .. } => ErrorCode::FENCED_MEMBER_EPOCH,
        }
    }
}

impl ShareHeartbeatError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            ShareHeartbeatError::InvalidMemberId
            | ShareHeartbeatError::NoMemberId
            | ShareHeartbeatError::NoGroupId
            | ShareHeartbeatError::EmptyRackId
            | ShareHeartbeatError::NoSubscription
            | ShareHeartbeatError::ImpossibleEpoch => ErrorCode::INVALID_REQUEST,
            ShareHeartbeatError::GroupIdTooLong => ErrorCode::INVALID_GROUP_ID,
            ShareHeartbeatError::Group(error) => error.code(),
            ShareHeartbeatError::NoGroup(_) => ErrorCode::GROUP_ID_NOT_FOUND,
            ShareHeartbeatError::UnknownMember { .. } => ErrorCode::UNKNOWN_MEMBER_ID,
            ShareHeartbeatError::GroupFull(_) => ErrorCode::GROUP_MAX_SIZE_REACHED,
            ShareHeartbeatError::EpochAhead { .. } | ShareHeartbeatError::EpochBehind { .. } => ErrorCode::FENCED_MEMBER_EPOCH,
        }
    }
}

impl FetchSessionError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            FetchSessionError::Unknown | FetchSessionError::Outgrown => ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
            FetchSessionError::WrongEpoch => ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        }
    }
}
