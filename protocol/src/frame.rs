//! Frames: a 4-byte big-endian length, then that many bytes.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// The length prefix.
pub const PREFIX_BYTES: usize = 4;

/// A length prefix that cannot be honoured. The connection has lost its place and must close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Below zero, or too short to hold a header.
    #[error("frame length {length} is too short to be a request")]
    TooShort {
        /// The announced length.
        length: i32,
    },
    /// Above the limit.
    #[error("frame length {length} is above the limit of {limit} bytes")]
    TooLong {
        /// The announced length.
        length: i32,
        /// The largest that is accepted.
        limit: usize,
    },
}

/// Reads a length prefix and checks it before any room is made for the body.
pub fn body_length(prefix: [u8; PREFIX_BYTES], min: usize, limit: usize) -> Result<usize, FrameError> {
    let length = i32::from_be_bytes(prefix);
    match usize::try_from(length) {
        Ok(bytes) if bytes > limit => Err(FrameError::TooLong { length, limit }),
        Ok(bytes) if bytes >= min => Ok(bytes),
        _ => Err(FrameError::TooShort { length }),
    }
}

/// Splits the first whole frame off `buffer`, without its prefix; `None` while it is not all there.
pub fn split(buffer: &mut BytesMut, min: usize, limit: usize) -> Result<Option<Bytes>, FrameError> {
    let Some(prefix) = buffer.first_chunk::<PREFIX_BYTES>() else {
        return Ok(None);
    };
    let length = body_length(*prefix, min, limit)?;
    if buffer.len() < PREFIX_BYTES + length {
        return Ok(None);
    }
    buffer.advance(PREFIX_BYTES);
    Ok(Some(buffer.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_split_only_when_whole() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8][..]);
        assert_eq!(split(&mut buffer, 8, 100), Ok(None));
        buffer.extend_from_slice(&[9, 0xAA]);
        assert_eq!(split(&mut buffer, 8, 100).unwrap().unwrap(), vec![1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(&buffer[..], [0xAA]);
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        for (length, want) in [
            (-1, FrameError::TooShort { length: -1 }),
            (i32::MIN, FrameError::TooShort { length: i32::MIN }),
            (7, FrameError::TooShort { length: 7 }),
            (101, FrameError::TooLong { length: 101, limit: 100 }),
            (i32::MAX, FrameError::TooLong { length: i32::MAX, limit: 100 }),
        ] {
            assert_eq!(body_length(length.to_be_bytes(), 8, 100), Err(want));
        }
    }
}
