//! Why a topic is not made, changed or removed. The sentences are Kafka's.

use thiserror::Error;

use super::name::NameError;
use crate::config::ConfigError;
use crate::log::LogError;

/// Why not.
#[derive(Debug, Error)]
pub(crate) enum TopicError {
    /// No topic can have that name.
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    /// Its name differs from that of a topic in dots and underscores only.
    #[error("Topic '{name}' collides with existing topic: {other}")]
    Collides { name: String, other: String },
    #[error("Number of partitions was set to an invalid non-positive value.")]
    NoPartitions,
    /// It cannot have such properties.
    #[error(transparent)]
    Property(#[from] ConfigError),
    /// Somebody else has removed it meanwhile.
    #[error("This server does not host this topic-partition.")]
    Gone,
    /// Its files could not be written or removed.
    #[error(transparent)]
    DiskFailed(LogError),
}

impl TopicError {
    /// The error of a disk, which the server's log has as well.
    pub(super) fn told(error: LogError) -> Self {
        tracing::error!("{error}");
        TopicError::DiskFailed(error)
    }
}
