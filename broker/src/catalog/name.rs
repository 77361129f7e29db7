//! Which names a topic may have. The sentences are Kafka's.

use millstream_protocol::limit::TOPIC_NAME_BYTES_MAX;
use thiserror::Error;

/// Why no topic can have a name.
#[derive(Debug, Error)]
pub(crate) enum NameError {
    #[error("Topic name is invalid: the empty string is not allowed")]
    Empty,
    /// File systems mean a folder by it.
    #[error("Topic name is invalid: '{0}' is not allowed")]
    Dots(String),
    #[error("Topic name is invalid: the length of '{0}' is longer than the max allowed length {max}", max = TOPIC_NAME_BYTES_MAX)]
    TooLong(String),
    #[error("Topic name is invalid: '{0}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")]
    Characters(String),
}

/// Whether a name may be a topic's.
pub(crate) fn check_name(name: &str) -> Result<(), NameError> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match name {
        "" => Err(NameError::Empty),
        "." | ".." => Err(NameError::Dots(name.to_owned())),
        _ if name.len() > TOPIC_NAME_BYTES_MAX => Err(NameError::TooLong(name.to_owned())),
        _ if !name.bytes().all(is_legal) => Err(NameError::Characters(name.to_owned())),
        _ => Ok(()),
    }
}
