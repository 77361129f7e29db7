//! Identifiers that travel on the wire.

use std::fmt;
use std::str::FromStr;

/// A topic's identity, which a topic made again under the same name does not share (KIP-516).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// No topic: what a request holds that names its topic instead.
    pub const ZERO: TopicId = TopicId([0; 16]);

    /// Whether this is [`TopicId::ZERO`].
    pub fn is_zero(&self) -> bool {
        self.0 == [0; 16]
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The form that Kafka prints: base64 for URLs, without padding.
impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in self.0.chunks(3) {
            let mut bits = [0u8; 3];
            bits[..group.len()].copy_from_slice(group);
            let word = u32::from_be_bytes([0, bits[0], bits[1], bits[2]]);
            for place in 0..=group.len() {
                let letter = ALPHABET[(word >> (18 - 6 * place)) as usize & 63];
                write!(f, "{}", letter as char)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 22 letters of base64 for URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a topic id is 22 letters of URL-safe base64")]
pub struct TopicIdParseError;

impl FromStr for TopicId {
    type Err = TopicIdParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 22 {
            return Err(TopicIdParseError);
        }
        let mut bits = 0u128;
        for (place, letter) in text.bytes().enumerate() {
            let value = ALPHABET.iter().position(|&l| l == letter).ok_or(TopicIdParseError)? as u128;
            bits = match place {
                21 if value & 15 != 0 => return Err(TopicIdParseError),
                21 => bits << 2 | value >> 4,
                _ => bits << 6 | value,
            };
        }
        Ok(TopicId(bits.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_ids_print_as_kafka_prints_them() {
        let id = TopicId([0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0xfe]);
        assert_eq!(id.to_string(), "_wABAgMEBQYHCAkKCwwN_g");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(TopicId::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert!("AAAAAAAAAAAAAAAAAAAAAB".parse::<TopicId>().is_err());
    }
}
