//! The writing cursor. What it makes is a gather list, so that record bytes are never copied.

use std::io;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::limit;
use crate::record::{Piece, Records, Stored};

/// Why a value has no form on the wire in a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// A null in a version that does not allow one.
    #[error("null in a field that cannot be null in version {0}")]
    Null(i16),
    /// Text or an array longer than its length field can say.
    #[error("{0} is too long for its length field")]
    TooLong(usize),
    /// A version that this codec does not know.
    #[error("version {0} is not known")]
    Version(i16),
    /// Records that lie elsewhere cannot be read.
    #[error("stored records cannot be read")]
    Unreadable,
}

/// A part of a message.
#[derive(Debug, Clone)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Batches that lie elsewhere.
    Stored(Arc<dyn Stored>),
}

impl Part {
    /// How many bytes it has.
    #[expect(clippy::len_without_is_empty, reason = "there is no empty part in a message")]
    pub fn len(&self) -> usize {
        match self {
            Part::Bytes(bytes) => bytes.len(),
            Part::Stored(stored) => stored.len(),
        }
    }

    /// Its bytes, which are read if they lie elsewhere.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn bytes(&self) -> io::Result<Bytes> {
        match self {
            Part::Bytes(bytes) => Ok(bytes.clone()),
            Part::Stored(stored) => stored.read(),
        }
    }
}

/// A cursor that writes one message of one version.
#[derive(Debug)]
pub struct Encoder {
    parts: Vec<Part>,
    open: BytesMut,
    version: i16,
    flexible: bool,
}

impl Encoder {
    /// An empty message.
    pub fn new(version: i16, flexible: bool) -> Self {
        Encoder { parts: Vec::new(), open: BytesMut::with_capacity(256), version, flexible }
    }

    /// The version that fields are written or left out by.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// Whether this version has compact lengths and tagged fields.
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// The same cursor for a part of another version: a header before its body.
    pub fn set_version(&mut self, version: i16, flexible: bool) {
        self.version = version;
        self.flexible = flexible;
    }

    /// Bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        self.open.put_slice(bytes);
    }

    /// An unsigned variable-length integer.
    pub fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.open.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.open.put_u8(value as u8);
    }

    /// The length of text, or null.
    pub fn text_length(&mut self, length: Option<usize>) -> Result<(), EncodeError> {
        if self.flexible {
            return self.compact(length);
        }
        let value = match length {
            None => -1,
            Some(length) => i16::try_from(length).map_err(|_| EncodeError::TooLong(length))?,
        };
        self.open.put_i16(value);
        Ok(())
    }

    /// The length of bytes or the count of an array, or null.
    pub fn length(&mut self, length: Option<usize>) -> Result<(), EncodeError> {
        if self.flexible {
            return self.compact(length);
        }
        let value = match length {
            None => -1,
            Some(length) => i32::try_from(length).map_err(|_| EncodeError::TooLong(length))?,
        };
        self.open.put_i32(value);
        Ok(())
    }

    fn compact(&mut self, length: Option<usize>) -> Result<(), EncodeError> {
        let value = match length {
            None => 0,
            Some(length) if length < i32::MAX as usize => length as u32 + 1,
            Some(length) => return Err(EncodeError::TooLong(length)),
        };
        self.uvarint(value);
        Ok(())
    }

    /// Records: their pieces join the gather list as they are.
    pub fn records(&mut self, records: &Records) {
        for piece in records.pieces() {
            match piece {
                Piece::Raw(bytes) => self.share(bytes.clone()),
                Piece::Batch(batch) => {
                    self.open.put_slice(&batch.prefix());
                    self.share(batch.rest());
                }
                Piece::Stored(stored) => self.stored(stored.clone()),
            }
        }
    }

    fn share(&mut self, bytes: Bytes) {
        if bytes.len() <= limit::COPIED_BYTES_MAX {
            self.open.put_slice(&bytes);
        } else {
            self.seal();
            self.parts.push(Part::Bytes(bytes));
        }
    }

    fn stored(&mut self, stored: Arc<dyn Stored>) {
        self.seal();
        self.parts.push(Part::Stored(stored));
    }

    /// Tagged fields that are present, in ascending order of their tags.
    pub fn tagged_fields(&mut self, fields: Vec<(u32, Encoder)>) {
        self.uvarint(fields.len() as u32);
        for (tag, content) in fields {
            self.uvarint(tag);
            self.uvarint(content.bytes_written() as u32);
            for part in content.finish() {
                match part {
                    Part::Bytes(bytes) => self.open.put_slice(&bytes),
                    Part::Stored(stored) => self.stored(stored),
                }
            }
        }
    }

    /// How long the message is so far.
    pub fn bytes_written(&self) -> usize {
        self.parts.iter().map(Part::len).sum::<usize>() + self.open.len()
    }

    fn seal(&mut self) {
        if !self.open.is_empty() {
            self.parts.push(Part::Bytes(self.open.split().freeze()));
        }
    }

    /// The message as a gather list.
    pub fn finish(mut self) -> Vec<Part> {
        self.seal();
        self.parts
    }
}
