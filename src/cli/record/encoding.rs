//! How the bytes of keys and values stand in a line, and the escapes of options.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::ValueEnum;

/// How the bytes of keys and values stand in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    /// As they are.
    Raw,
    /// Two digits a byte.
    Hex,
    /// Standard base64 with padding.
    Base64,
}

impl Encoding {
    pub(crate) fn write(self, bytes: &[u8], line: &mut Vec<u8>) {
        match self {
            Encoding::Raw => line.extend_from_slice(bytes),
            Encoding::Hex => {
                line.extend(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| b"0123456789abcdef"[digit as usize]))
            }
            Encoding::Base64 => line.extend_from_slice(STANDARD.encode(bytes).as_bytes()),
        }
    }

    /// The bytes that a part of a line stands for, or why it stands for none.
    pub(crate) fn read(self, text: &[u8]) -> Result<Bytes, String> {
        match self {
            Encoding::Raw => Ok(Bytes::copy_from_slice(text)),
            Encoding::Hex => from_hex(text).ok_or_else(|| "is not hex: an even number of digits 0-9 and a-f".to_owned()),
            Encoding::Base64 => STANDARD.decode(text).map(Bytes::from).map_err(|error| format!("is not base64: {error}")),
        }
    }
}

fn from_hex(text: &[u8]) -> Option<Bytes> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// An escape's character after the backslash and the byte that it stands for.
pub(crate) fn escape(rest: &mut std::str::Chars<'_>) -> Result<Vec<u8>, String> {
    let byte = match rest.next() {
        Some('n') => b'\n',
        Some('t') => b'\t',
        Some('r') => b'\r',
        Some('0') => 0,
        Some('\\') => b'\\',
        Some('x') => {
            let digits: String = rest.by_ref().take(2).collect();
            let byte = from_hex(digits.as_bytes()).and_then(|bytes| bytes.first().copied());
            byte.ok_or_else(|| format!("\\x{digits} is no escape: write two hex digits, such as \\x1f"))?
        }
        Some(other) => return Err(format!("\\{other} is no escape: there are \\n, \\t, \\r, \\0, \\\\ and \\xHH")),
        None => return Err("a backslash at the end is no escape: write \\\\ for one".to_owned()),
    };
    Ok(vec![byte])
}

/// A text in which escapes may stand.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let (mut rest, mut bytes) = (text.chars(), Vec::new());
    while let Some(character) = rest.next() {
        match character {
            '\\' => bytes.extend(escape(&mut rest)?),
            other => bytes.extend(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_come_back_from_every_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            for encoding in [Encoding::Raw, Encoding::Hex, Encoding::Base64] {
                let mut line = Vec::new();
                encoding.write(&bytes, &mut line);
                prop_assert_eq!(&encoding.read(&line).unwrap()[..], &bytes[..]);
            }
        }

        #[test]
        fn any_text_is_taken_or_refused(text in ".{0,20}") {
            let _ = (unescape(&text), Encoding::Hex.read(text.as_bytes()), Encoding::Base64.read(text.as_bytes()));
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape("a\\tb\\x1f\\\\").unwrap(), b"a\tb\x1f\\");
        assert_eq!(Encoding::Hex.read(b"00fF").unwrap(), &[0, 255][..]);
        for wrong in ["\\q", "\\", "\\x1", "\\xzz"] {
            assert!(unescape(wrong).is_err(), "{wrong}");
        }
        for wrong in [&b"0"[..], b"0g", b"+1"] {
            assert!(Encoding::Hex.read(wrong).is_err());
        }
        assert!(Encoding::Base64.read(b"a").is_err());
    }
}
