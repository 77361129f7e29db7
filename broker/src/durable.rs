//! The one form of internal records on disk: a version, a length, a checksum, and serde through bincode.
//! Nothing else names bincode, and nothing from the network is ever read with it.

use crate::limit;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

const HEADER_BYTES: usize = 9;

/// Why an internal record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DurableError {
    /// Cut off.
    #[error("record is cut off")]
    Truncated,
    /// Written by a version of the program that this one does not know.
    #[error("record has version {0}, which this program does not know")]
    Version(u8),
    /// Damaged.
    #[error("record does not match its checksum")]
    Checksum,
    /// Whole, and yet not what it should be.
    #[error("record cannot be decoded: {0}")]
    Content(String),
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<{ limit::DURABLE_RECORD_BYTES_MAX }>()
}

/// Bytes for the disk.
pub(crate) fn encode<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    let content = bincode::serde::encode_to_vec(value, config()).expect("our own types encode");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + content.len());
    bytes.push(version);
    bytes.extend((content.len() as u32).to_be_bytes());
    bytes.extend(crc32fast::hash(&content).to_be_bytes());
    bytes.extend(content);
    bytes
}

/// The value that [`encode`] wrote.
pub(crate) fn decode<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<T, DurableError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(DurableError::Truncated);
    };
    if header[0] != version {
        return Err(DurableError::Version(header[0]));
    }
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
    let checksum = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
    let content = rest.get(..length).ok_or(DurableError::Truncated)?;
    if crc32fast::hash(content) != checksum {
        return Err(DurableError::Checksum);
    }
    let (value, _) = bincode::serde::decode_from_slice(content, config()).map_err(|e| DurableError::Content(e.to_string()))?;
    Ok(value)
}
