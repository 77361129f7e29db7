//! The four codecs, each with a cap on what it may inflate to: the cap is checked while inflating, not after.

use std::io::{Read, Write};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::limit::ZSTD_WINDOW_LOG_MAX;

/// How a batch's records are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(i16)]
pub enum Codec {
    /// Not at all.
    #[default]
    None = 0,
    /// gzip.
    Gzip = 1,
    /// snappy, in the framing of the xerial library.
    Snappy = 2,
    /// lz4 frames.
    Lz4 = 3,
    /// zstd.
    Zstd = 4,
}

/// Why records could not be compressed or inflated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CompressionError {
    /// A codec number that is not assigned.
    #[error("codec {0} does not exist")]
    Unknown(i16),
    /// The compressed bytes are damaged.
    #[error("{codec} data is damaged: {reason}")]
    Damaged {
        /// The codec's name.
        codec: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// The records inflate to more than the cap.
    #[error("records inflate to more than {0} bytes")]
    TooLarge(usize),
}

impl Codec {
    /// The codec of the three low bits of a batch's attributes.
    pub fn from_bits(bits: i16) -> Result<Self, CompressionError> {
        Ok(match bits {
            0 => Codec::None,
            1 => Codec::Gzip,
            2 => Codec::Snappy,
            3 => Codec::Lz4,
            4 => Codec::Zstd,
            other => return Err(CompressionError::Unknown(other)),
        })
    }

    /// Its name in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The codec of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd].into_iter().find(|c| c.name() == name)
    }

    pub(super) fn damaged(self, reason: impl std::fmt::Display) -> CompressionError {
        CompressionError::Damaged { codec: self.name(), reason: reason.to_string() }
    }
}

const XERIAL_MAGIC: &[u8; 8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_BLOCK_BYTES: usize = 32 * 1024;

/// Compresses a block of records, with the codec's usual level.
pub fn compress(codec: Codec, body: Bytes) -> Result<Bytes, CompressionError> {
    compress_at(codec, None, body)
}

/// Compresses a block of records with a level, where the codec has levels.
pub fn compress_at(codec: Codec, level: Option<i32>, body: Bytes) -> Result<Bytes, CompressionError> {
    let fail = |error: std::io::Error| codec.damaged(error);
    Ok(match codec {
        Codec::None => body,
        Codec::Gzip => {
            let level = level.and_then(|level| u32::try_from(level).ok()).unwrap_or(6);
            let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
            to.write_all(&body).map_err(fail)?;
            to.finish().map_err(fail)?.into()
        }
        Codec::Snappy => {
            let mut to = BytesMut::new();
            to.put_slice(XERIAL_MAGIC);
            to.put_i32(1);
            to.put_i32(1);
            for block in body.chunks(XERIAL_BLOCK_BYTES) {
                let block = snap::raw::Encoder::new().compress_vec(block).map_err(|e| codec.damaged(e))?;
                to.put_i32(block.len() as i32);
                to.put_slice(&block);
            }
            to.freeze()
        }
        Codec::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max64KB);
            let mut to = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            to.write_all(&body).map_err(fail)?;
            to.finish().map_err(|e| codec.damaged(e))?.into()
        }
        Codec::Zstd => zstd::encode_all(&body[..], level.unwrap_or(3)).map_err(fail)?.into(),
    })
}

/// A reader of the inflated records, which holds little more than the codec's window. `None` for the codecs that need no such care:
/// those that inflate to no more than some times what they take.
pub(super) fn reader(codec: Codec, body: &[u8]) -> Result<Option<Box<dyn Read + '_>>, CompressionError> {
    Ok(match codec {
        Codec::None | Codec::Snappy => None,
        Codec::Gzip => Some(Box::new(flate2::read::MultiGzDecoder::new(body))),
        Codec::Lz4 => Some(Box::new(lz4_flex::frame::FrameDecoder::new(body))),
        Codec::Zstd => {
            let mut from = zstd::stream::read::Decoder::new(body).map_err(|e| codec.damaged(e))?;
            from.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|e| codec.damaged(e))?;
            Some(Box::new(from))
        }
    })
}

/// Inflates a block of records to at most `bytes_max`.
pub fn decompress(codec: Codec, body: Bytes, bytes_max: usize) -> Result<Bytes, CompressionError> {
    match codec {
        Codec::None => Ok(body),
        Codec::Gzip => read_capped(codec, flate2::read::MultiGzDecoder::new(&body[..]), body.len(), bytes_max),
        Codec::Snappy => decompress_snappy(body, bytes_max),
        Codec::Lz4 => read_capped(codec, lz4_flex::frame::FrameDecoder::new(&body[..]), body.len(), bytes_max),
        Codec::Zstd => {
            let mut from = zstd::stream::read::Decoder::new(&body[..]).map_err(|e| codec.damaged(e))?;
            from.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|e| codec.damaged(e))?;
            read_capped(codec, from, body.len(), bytes_max)
        }
    }
}

fn read_capped(codec: Codec, from: impl Read, hint: usize, bytes_max: usize) -> Result<Bytes, CompressionError> {
    let mut to = Vec::with_capacity(hint.saturating_mul(2).min(bytes_max));
    from.take(bytes_max as u64 + 1).read_to_end(&mut to).map_err(|e| codec.damaged(e))?;
    if to.len() > bytes_max { Err(CompressionError::TooLarge(bytes_max)) } else { Ok(to.into()) }
}

fn decompress_snappy(mut body: Bytes, bytes_max: usize) -> Result<Bytes, CompressionError> {
    let codec = Codec::Snappy;
    if !body.starts_with(XERIAL_MAGIC) {
        return inflate_snappy_block(&body, bytes_max).map(Bytes::from);
    }
    if body.len() < 16 {
        return Err(codec.damaged("header is cut off"));
    }
    body.advance(16);
    let mut to = Vec::new();
    while !body.is_empty() {
        if body.len() < 4 {
            return Err(codec.damaged("block length is cut off"));
        }
        let length = body.get_i32();
        let Some(length) = usize::try_from(length).ok().filter(|&length| length <= body.len()) else {
            return Err(codec.damaged(format!("block of {length} bytes is cut off")));
        };
        let block = inflate_snappy_block(&body.split_to(length), bytes_max - to.len()).map_err(|error| match error {
            // The cap is of all blocks together.
            CompressionError::TooLarge(_) => CompressionError::TooLarge(bytes_max),
            other => other,
        })?;
        to.extend(block);
    }
    Ok(to.into())
}

fn inflate_snappy_block(block: &[u8], bytes_max: usize) -> Result<Vec<u8>, CompressionError> {
    let codec = Codec::Snappy;
    let length = snap::raw::decompress_len(block).map_err(|e| codec.damaged(e))?;
    // A block can say that it is 4 GiB long in five bytes; snappy cannot do better than about 1 : 21.
    if length > bytes_max {
        return Err(CompressionError::TooLarge(bytes_max));
    }
    if length / 64 > block.len() {
        return Err(codec.damaged("block announces more than it can hold"));
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(|e| codec.damaged(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    #[test]
    fn what_is_compressed_is_inflated_again() {
        let body: Bytes = (0..100_000u32).flat_map(|n| (n % 251).to_le_bytes()).collect::<Vec<u8>>().into();
        for codec in CODECS {
            let small = compress(codec, body.clone()).unwrap();
            assert!(small.len() < body.len(), "{codec:?}");
            assert_eq!(decompress(codec, small, body.len()).unwrap(), body, "{codec:?}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_cap_and_damage_is_an_error() {
        let bomb = Bytes::from(vec![0; 8 << 20]);
        for codec in CODECS {
            let small = compress(codec, bomb.clone()).unwrap();
            assert_eq!(decompress(codec, small.clone(), 1 << 20), Err(CompressionError::TooLarge(1 << 20)), "{codec:?}");
            let cut = small.slice(..small.len() / 2);
            assert!(matches!(decompress(codec, cut, 16 << 20), Err(CompressionError::Damaged { .. })), "{codec:?}");
        }
    }
}
