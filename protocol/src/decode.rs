//! The reading cursor: checks every length against what is left before it trusts it.

use bytes::Bytes;
use thiserror::Error;

use crate::limit::{DECODED_BYTES_BASE, DECODED_BYTES_PER_WIRE_BYTE};

/// Why bytes are not the message that they claim to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("at byte {position}: {fault}")]
pub struct DecodeError {
    /// Where in the body, from its first byte.
    pub position: usize,
    /// What was wrong there.
    pub fault: Fault,
}

/// What can be wrong at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// The bytes end before the field does.
    #[error("{wanted} more bytes announced or needed, {left} left")]
    Truncated {
        /// How many the field needs.
        wanted: usize,
        /// How many there are.
        left: usize,
    },
    /// A length or count below -1.
    #[error("negative length {0}")]
    NegativeLength(i64),
    /// A null where the field does not allow one.
    #[error("null in a field that cannot be null")]
    Null,
    /// A variable-length integer of more bytes than its type holds.
    #[error("variable-length integer does not end")]
    LongVarint,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// Decoded, the message would need far more memory than its bytes justify.
    #[error("message would need far more memory than its size justifies")]
    Amplified,
    /// Bytes behind the message's last field.
    #[error("{0} bytes left behind the last field")]
    Trailing(usize),
    /// A tagged field whose content is not as long as its size says.
    #[error("tagged field {0} is not as long as it says")]
    TagLength(u32),
    /// An API version that this codec does not know.
    #[error("version {0} is not known")]
    Version(i16),
}

/// A cursor over the body of one message of one version.
#[derive(Debug)]
pub struct Decoder {
    body: Bytes,
    at: usize,
    version: i16,
    flexible: bool,
    budget_bytes: usize,
}

impl Decoder {
    /// Starts at the first byte of `body`.
    pub fn new(body: Bytes, version: i16, flexible: bool) -> Self {
        let budget_bytes = DECODED_BYTES_BASE + body.len().saturating_mul(DECODED_BYTES_PER_WIRE_BYTE);
        Decoder { body, at: 0, version, flexible, budget_bytes }
    }

    /// The version that fields are present or absent by.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// Whether this version has compact lengths and tagged fields (KIP-482).
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// Bytes not read yet.
    pub fn left(&self) -> usize {
        self.body.len() - self.at
    }

    /// An error at the present position.
    pub fn fault(&self, fault: Fault) -> DecodeError {
        DecodeError { position: self.at, fault }
    }

    /// Refuses whatever follows the last field.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.fault(Fault::Trailing(left))),
        }
    }

    /// The rest, unread: for a header whose body another cursor reads.
    pub fn into_rest(self) -> Bytes {
        self.body.slice(self.at..)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.body[self.at..].first_chunk::<N>() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.fault(Fault::Truncated { wanted: N, left: self.left() })),
        }
    }

    /// The next `length` bytes, shared with the frame.
    pub fn bytes(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        if length > self.left() {
            return Err(self.fault(Fault::Truncated { wanted: length, left: self.left() }));
        }
        let bytes = self.body.slice(self.at..self.at + length);
        self.at += length;
        Ok(bytes)
    }

    /// An unsigned variable-length integer of at most 32 bits.
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array::<1>()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| self.fault(Fault::LongVarint));
            }
        }
        Err(self.fault(Fault::LongVarint))
    }

    /// The length of text: 16 bits, or compact. `None` is null.
    pub fn text_length(&mut self) -> Result<Option<usize>, DecodeError> {
        if self.flexible {
            return Ok((self.uvarint()? as usize).checked_sub(1));
        }
        self.signed_length(i64::from(i16::from_be_bytes(self.clone_array()?)), 2)
    }

    /// The length of bytes or the count of an array: 32 bits, or compact. `None` is null.
    pub fn length(&mut self) -> Result<Option<usize>, DecodeError> {
        if self.flexible {
            return Ok((self.uvarint()? as usize).checked_sub(1));
        }
        self.signed_length(i64::from(i32::from_be_bytes(self.clone_array()?)), 4)
    }

    fn clone_array<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        match self.body[self.at..].first_chunk::<N>() {
            Some(bytes) => Ok(*bytes),
            None => Err(self.fault(Fault::Truncated { wanted: N, left: self.left() })),
        }
    }

    fn signed_length(&mut self, length: i64, width: usize) -> Result<Option<usize>, DecodeError> {
        if length < -1 {
            return Err(self.fault(Fault::NegativeLength(length)));
        }
        self.at += width;
        Ok(usize::try_from(length).ok())
    }

    /// Takes so much of the memory that the frame's size justifies.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        match self.budget_bytes.checked_sub(bytes) {
            Some(left) => {
                self.budget_bytes = left;
                Ok(())
            }
            None => Err(self.fault(Fault::Amplified)),
        }
    }

    /// Walks a section of tagged fields. `read` returns false for a tag that it does not know, which
    /// is then skipped, as the protocol demands.
    pub fn tagged_fields(&mut self, mut read: impl FnMut(&mut Self, u32) -> Result<bool, DecodeError>) -> Result<(), DecodeError> {
        let count = self.uvarint()?;
        for _ in 0..count {
            let tag = self.uvarint()?;
            let size = self.uvarint()? as usize;
            if size > self.left() {
                return Err(self.fault(Fault::Truncated { wanted: size, left: self.left() }));
            }
            let end = self.at + size;
            if !read(self, tag)? {
                self.at = end;
            } else if self.at != end {
                return Err(self.fault(Fault::TagLength(tag)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::string::Str;
    use crate::wire::Wire;

    fn decoder(bytes: &'static [u8], flexible: bool) -> Decoder {
        Decoder::new(Bytes::from_static(bytes), 0, flexible)
    }

    #[test]
    fn counts_are_checked_before_room_is_made() {
        let fault = |bytes, flexible| Vec::<i64>::decode(&mut decoder(bytes, flexible)).unwrap_err().fault;
        let count = i32::MAX as usize;
        assert_eq!(fault(&[0x7f, 0xff, 0xff, 0xff], false), Fault::Truncated { wanted: count, left: 0 });
        assert_eq!(fault(&[0x80, 0, 0, 0], false), Fault::NegativeLength(i64::from(i32::MIN)));
        assert_eq!(fault(&[0xff; 4], false), Fault::Null);
        assert_eq!(fault(&[0], true), Fault::Null);
        assert_eq!(fault(&[0xff; 5], true), Fault::LongVarint);
        assert_eq!(fault(&[0xff; 9], true), Fault::LongVarint);
    }

    #[test]
    fn many_tiny_elements_do_not_amplify() {
        let mut body = vec![0u8; 400_000];
        body[..4].copy_from_slice(&199_998i32.to_be_bytes());
        let mut d = Decoder::new(Bytes::from(body), 0, false);
        // Two wire bytes an element against a 32-byte handle is the bound, and it is kept.
        assert!(Vec::<Str>::decode(&mut d).is_ok());
        let mut nested = vec![1u8; 100_000];
        nested[..3].copy_from_slice(&[0x9c, 0x8d, 6]);
        let mut d = Decoder::new(Bytes::from(nested), 0, true);
        assert_eq!(Vec::<Str>::decode(&mut d).unwrap_err().fault, Fault::Amplified);
    }

    #[test]
    fn unknown_tagged_fields_are_skipped_in_any_order() {
        let mut d = decoder(&[2, 3, 2, 9, 9, 5, 0, 7], true);
        d.tagged_fields(|_, _| Ok(false)).unwrap();
        assert_eq!(d.left(), 1);
        let mut d = decoder(&[2, 3, 0, 1, 0], true);
        assert!(d.tagged_fields(|_, _| Ok(false)).is_ok(), "as Kafka accepts them");
    }
}
