//! What it takes to stand on the wire, and the macro that declares a message.
//!
//! A message is a plain struct that holds the fields of all its versions. Beside each field stands
//! where it exists:
//!
//! ```text
//! wire! {
//!     pub struct Example {
//!         pub name: Str => 0;                       // in every version
//!         pub rack: Option<Str> => 1, null 2;       // from version 1 on, may be null from 2 on
//!         pub old: i16 => 0 to 3, default -1;       // gone after version 3; -1 when absent
//!         pub hint: i32 => 4, tag 0;                // a tagged field (KIP-482)
//!     }
//! }
//! ```
//!
//! A field that the version lacks is left out when writing and has its default when reading. A
//! declarative macro does this without a second crate to compile first.

use bytes::Bytes;

use crate::decode::{DecodeError, Decoder, Fault};
use crate::encode::{EncodeError, Encoder};
use crate::error_code::ErrorCode;
use crate::id::TopicId;
use crate::record::Records;
use crate::string::Str;

/// A value with a form on the wire.
pub trait Wire: Sized {
    /// Reads one.
    fn decode(from: &mut Decoder) -> Result<Self, DecodeError>;
    /// Writes it.
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError>;
    /// Whether this is the null of its type.
    fn is_null(&self) -> bool {
        false
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn decode(from: &mut Decoder) -> Result<Self, DecodeError> {
                Ok(<$number>::from_be_bytes(from.array()?))
            }
            fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
                to.put(&self.to_be_bytes());
                Ok(())
            }
        }
    )*};
}
numbers!(i8, i16, i32, i64, u16, u32, f64);

impl Wire for bool {
    fn decode(from: &mut Decoder) -> Result<Self, DecodeError> {
        Ok(from.array::<1>()? != [0])
    }
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.put(&[u8::from(*self)]);
        Ok(())
    }
}

impl Wire for TopicId {
    fn decode(from: &mut Decoder) -> Result<Self, DecodeError> {
        Ok(TopicId(from.array()?))
    }
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.put(&self.0);
        Ok(())
    }
}

/// The non-null form of a nullable value.
macro_rules! never_null {
    ($type:ty $(, $parameter:ident)?) => {
        impl$(<$parameter: Wire>)? Wire for $type {
            fn decode(from: &mut Decoder) -> Result<Self, DecodeError> {
                Option::<$type>::decode(from)?.ok_or_else(|| from.fault(Fault::Null))
            }
            fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
                Self::encode_present(self, to)
            }
        }
        impl$(<$parameter: Wire>)? Wire for Option<$type> {
            fn decode(from: &mut Decoder) -> Result<Self, DecodeError> {
                <$type>::decode_nullable(from)
            }
            fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
                match self {
                    Some(value) => value.encode_present(to),
                    None => <$type>::encode_null(to),
                }
            }
            fn is_null(&self) -> bool {
                self.is_none()
            }
        }
    };
}

impl Wire for ErrorCode {
    fn decode(from: &mut Decoder) -> Result<Self, DecodeError> {
        i16::decode(from).map(ErrorCode)
    }
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        self.0.encode(to)
    }
}

/// A type with a length in front, where a length of −1 (compact: 0) means null.
trait Nullable: Sized {
    fn decode_nullable(from: &mut Decoder) -> Result<Option<Self>, DecodeError>;
    fn encode_present(&self, to: &mut Encoder) -> Result<(), EncodeError>;
    fn encode_null(to: &mut Encoder) -> Result<(), EncodeError> {
        to.length(None)
    }
}

impl Nullable for Str {
    fn decode_nullable(from: &mut Decoder) -> Result<Option<Self>, DecodeError> {
        let Some(length) = from.text_length()? else { return Ok(None) };
        let bytes = from.bytes(length)?;
        Str::from_utf8(bytes).map(Some).map_err(|_| from.fault(Fault::NotUtf8))
    }
    fn encode_present(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.text_length(Some(self.as_bytes().len()))?;
        to.put(self.as_bytes());
        Ok(())
    }
    fn encode_null(to: &mut Encoder) -> Result<(), EncodeError> {
        to.text_length(None)
    }
}
never_null!(Str);

impl Nullable for Bytes {
    fn decode_nullable(from: &mut Decoder) -> Result<Option<Self>, DecodeError> {
        match from.length()? {
            None => Ok(None),
            Some(length) => from.bytes(length).map(Some),
        }
    }
    fn encode_present(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.length(Some(self.len()))?;
        to.put(self);
        Ok(())
    }
}
never_null!(Bytes);

impl Nullable for Records {
    fn decode_nullable(from: &mut Decoder) -> Result<Option<Self>, DecodeError> {
        Ok(Bytes::decode_nullable(from)?.map(Records::from))
    }
    fn encode_present(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.length(Some(self.len()))?;
        to.records(self);
        Ok(())
    }
}
never_null!(Records);

/// The elements of an array. Each needs a byte at least, and all together no more memory than the frame's size justifies, so a count of
/// 2³¹−1 in a short frame fails before any room is made.
fn elements<T: Wire>(from: &mut Decoder, count: usize) -> Result<Vec<T>, DecodeError> {
    if count > from.left() {
        return Err(from.fault(Fault::Truncated { wanted: count, left: from.left() }));
    }
    from.charge(count.saturating_mul(size_of::<T>()))?;
    let mut elements = Vec::with_capacity(count);
    for _ in 0..count {
        elements.push(T::decode(from)?);
    }
    Ok(elements)
}

impl<T: Wire> Nullable for Vec<T> {
    fn decode_nullable(from: &mut Decoder) -> Result<Option<Self>, DecodeError> {
        match from.length()? {
            None => Ok(None),
            Some(count) => elements(from, count).map(Some),
        }
    }
    fn encode_present(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        to.length(Some(self.len()))?;
        self.iter().try_for_each(|element| element.encode(to))
    }
}
never_null!(Vec<T>, T);

/// A nullable struct: a byte says whether it follows.
impl<T: Wire> Wire for Option<Box<T>> {
    fn decode(from: &mut Decoder) -> Result<Self, DecodeError> {
        if i8::decode(from)? < 0 { Ok(None) } else { Ok(Some(Box::new(T::decode(from)?))) }
    }
    fn encode(&self, to: &mut Encoder) -> Result<(), EncodeError> {
        match self {
            None => (-1i8).encode(to),
            Some(value) => {
                1i8.encode(to)?;
                value.encode(to)
            }
        }
    }
    fn is_null(&self) -> bool {
        self.is_none()
    }
}

/// Reads one field and refuses a null where the version does not allow one.
pub(crate) fn decode_field<T: Wire>(from: &mut Decoder, null_since: i16) -> Result<T, DecodeError> {
    let value = T::decode(from)?;
    if value.is_null() && from.version() < null_since {
        return Err(from.fault(Fault::Null));
    }
    Ok(value)
}

/// Writes one field; the mirror of [`decode_field`].
pub(crate) fn encode_field<T: Wire>(value: &T, to: &mut Encoder, null_since: i16) -> Result<(), EncodeError> {
    if value.is_null() && to.version() < null_since {
        return Err(EncodeError::Null(to.version()));
    }
    value.encode(to)
}

/// Declares a struct that stands on the wire. See the module's page.
#[macro_export]
#[doc(hidden)]
macro_rules! wire {
    (@or $fallback:expr) => { $fallback };
    (@or $fallback:expr, $given:expr) => { $given };
    (@tag) => { None::<u32> };
    (@tag $tag:literal) => { Some($tag as u32) };
    ($(
        $(#[$attribute:meta])*
        pub struct $name:ident {$(
            $(#[$field_attribute:meta])*
            pub $field:ident: $type:ty => $since:literal $(to $until:literal)?
                $(, null $null:literal)? $(, tag $tag:literal)? $(, default $default:expr)?;
        )*}
    )*) => {$(
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {$(
            $(#[$field_attribute])*
            pub $field: $type,
        )*}

        impl Default for $name {
            fn default() -> Self {
                Self {$( $field: $crate::wire!(@or <$type>::default() $(, $default)?), )*}
            }
        }

        impl $crate::wire::Wire for $name {
            #[allow(unused_mut, unused_variables, clippy::absurd_extreme_comparisons)]
            fn decode(from: &mut $crate::decode::Decoder) -> Result<Self, $crate::decode::DecodeError> {
                let version = from.version();
                let mut value = Self::default();
                $(
                    let present = ($since..=$crate::wire!(@or i16::MAX $(, $until)?)).contains(&version);
                    if present && $crate::wire!(@tag $($tag)?).is_none() {
                        value.$field = $crate::wire::decode_field(from, $crate::wire!(@or 0 $(, $null)?))?;
                    }
                )*
                if from.flexible() {
                    from.tagged_fields(|from, tag| {
                        $(
                            let present = ($since..=$crate::wire!(@or i16::MAX $(, $until)?)).contains(&version);
                            if present && $crate::wire!(@tag $($tag)?) == Some(tag) {
                                value.$field = $crate::wire::decode_field(from, $crate::wire!(@or 0 $(, $null)?))?;
                                return Ok(true);
                            }
                        )*
                        Ok(false)
                    })?;
                }
                Ok(value)
            }

            #[allow(unused_mut, unused_variables, clippy::absurd_extreme_comparisons)]
            fn encode(&self, to: &mut $crate::encode::Encoder) -> Result<(), $crate::encode::EncodeError> {
                let version = to.version();
                $(
                    let present = ($since..=$crate::wire!(@or i16::MAX $(, $until)?)).contains(&version);
                    if present && $crate::wire!(@tag $($tag)?).is_none() {
                        $crate::wire::encode_field(&self.$field, to, $crate::wire!(@or 0 $(, $null)?))?;
                    }
                )*
                if to.flexible() {
                    let mut tagged = Vec::new();
                    $(
                        let present = ($since..=$crate::wire!(@or i16::MAX $(, $until)?)).contains(&version);
                        if let Some(tag) = $crate::wire!(@tag $($tag)?)
                            && present
                            && self.$field != $crate::wire!(@or <$type>::default() $(, $default)?)
                        {
                            let mut content = $crate::encode::Encoder::new(version, true);
                            $crate::wire::encode_field(&self.$field, &mut content, $crate::wire!(@or 0 $(, $null)?))?;
                            tagged.push((tag, content));
                        }
                    )*
                    tagged.sort_by_key(|(tag, _)| *tag);
                    to.tagged_fields(tagged);
                }
                Ok(())
            }
        }

        #[cfg(test)]
        impl $crate::sample::Sample for $name {
            #[allow(unused_mut, unused_variables, clippy::absurd_extreme_comparisons)]
            fn sample(from: &mut $crate::sample::Entropy<'_>) -> Self {
                let version = from.version();
                let mut value = Self::default();
                $(
                    let present = ($since..=$crate::wire!(@or i16::MAX $(, $until)?)).contains(&version);
                    if present && version < $crate::wire!(@or 0 $(, $null)?) {
                        value.$field = <$type as $crate::sample::Sample>::sample_present(from);
                    } else if present {
                        value.$field = <$type as $crate::sample::Sample>::sample(from);
                    }
                )*
                value
            }
        }
    )*};
}
