//! Messages made of random bytes, for tests: every field of every version takes part, nulls and empty lists too.
//!
//! A sample is made *for a version*: fields that it lacks have their default, fields that may not be null in it are
//! not. So what is written and read again must be the same.

use bytes::Bytes;

use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::record::Records;
use crate::string::Str;

/// Random bytes that are used up; then come zeros.
pub struct Entropy<'a> {
    bytes: std::iter::Copied<std::slice::Iter<'a, u8>>,
    version: i16,
}

impl<'a> Entropy<'a> {
    /// Over these bytes, for a version.
    pub fn new(bytes: &'a [u8], version: i16) -> Self {
        Entropy { bytes: bytes.iter().copied(), version }
    }

    /// The version that messages are made for.
    pub fn version(&self) -> i16 {
        self.version
    }

    fn byte(&mut self) -> u8 {
        self.bytes.next().unwrap_or(0)
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// A small count, which is 0 once the bytes are used up.
    fn count(&mut self) -> usize {
        usize::from(self.byte() % 4)
    }
}

/// A value made of random bytes.
pub trait Sample: Sized {
    /// Any one.
    fn sample(from: &mut Entropy<'_>) -> Self;
    /// One that is not null.
    fn sample_present(from: &mut Entropy<'_>) -> Self {
        Self::sample(from)
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Sample for $number {
            fn sample(from: &mut Entropy<'_>) -> Self {
                // Half of them small, as most are in life.
                if from.byte() % 2 == 0 { from.byte() as $number } else { <$number>::from_be_bytes(from.array()) }
            }
        }
    )*};
}
numbers!(i8, i16, i32, i64, u16, u32);

impl Sample for f64 {
    fn sample(from: &mut Entropy<'_>) -> Self {
        f64::from(i32::sample(from)) / 8.0
    }
}

impl Sample for bool {
    fn sample(from: &mut Entropy<'_>) -> Self {
        from.byte() % 2 == 1
    }
}

impl Sample for ErrorCode {
    fn sample(from: &mut Entropy<'_>) -> Self {
        ErrorCode(i16::sample(from))
    }
}

impl Sample for TopicId {
    fn sample(from: &mut Entropy<'_>) -> Self {
        TopicId(from.array())
    }
}

impl Sample for Str {
    fn sample(from: &mut Entropy<'_>) -> Self {
        // Lengths around 127 and 128 need one byte more in the compact form.
        let length = [0, 1, 7, 126, 127, 128, 300, 3][usize::from(from.byte() % 8)];
        let text: String = (0..length).map(|_| char::from(b'a' + from.byte() % 26)).collect();
        text.as_str().into()
    }
}

impl Sample for Bytes {
    fn sample(from: &mut Entropy<'_>) -> Self {
        let length = from.byte();
        (0..length).map(|_| from.byte()).collect::<Vec<u8>>().into()
    }
}

impl Sample for Records {
    fn sample(from: &mut Entropy<'_>) -> Self {
        Records::from(Bytes::sample(from))
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(from: &mut Entropy<'_>) -> Self {
        (0..from.count()).map(|_| T::sample(from)).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(from: &mut Entropy<'_>) -> Self {
        (!from.byte().is_multiple_of(4)).then(|| T::sample(from))
    }
    fn sample_present(from: &mut Entropy<'_>) -> Self {
        Some(T::sample(from))
    }
}

impl<T: Sample> Sample for Box<T> {
    fn sample(from: &mut Entropy<'_>) -> Self {
        Box::new(T::sample(from))
    }
}
