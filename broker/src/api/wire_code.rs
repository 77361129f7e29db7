//! Kafka's code for every error of ours. Topics, partitions, groups and transactions say what happened in their own words; only here that
//! becomes the number that a client sees. Each match names every variant: an error that is added does not compile until it has a code.

use millstream_protocol::ErrorCode;

use crate::catalog::{NameError, TopicError};
use crate::dynamic::DynamicError;
use crate::group::PropertiesError;
use crate::log::LogError;

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

impl PropertiesError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            PropertiesError::Property(_) => ErrorCode::INVALID_CONFIG,
            PropertiesError::NotKept(code) => *code,
        }
    }
}
