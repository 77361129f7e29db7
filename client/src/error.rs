//! The one error of this crate: what failed, why, and whether to try again.

use std::fmt;

use millstream_protocol::{Disconnected, ErrorCode};

/// What kind of failure it is; it says what the caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The connection ended; the request may or may not have taken effect.
    Disconnected,
    /// The broker refused.
    Refused(ErrorCode),
    /// The broker does not serve what is needed.
    Unsupported,
    /// The input cannot be sent.
    InvalidInput,
    /// It did not happen in time.
    TimedOut,
    /// The broker's answer makes no sense.
    BadAnswer,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into() }
    }

    /// A broker's refusal, with what was being done.
    pub(crate) fn refused(code: ErrorCode, doing: impl fmt::Display, sentence: Option<&str>) -> Self {
        let sentence = sentence.filter(|text| !text.is_empty()).unwrap_or(code.sentence());
        Error::new(ErrorKind::Refused(code), format!("{doing}: {sentence} ({})", code.name()))
    }

    /// The kind.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The broker's code, if it was the broker that refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self.kind {
            ErrorKind::Refused(code) => Some(code),
            _ => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        match &self.kind {
            ErrorKind::Disconnected | ErrorKind::TimedOut => true,
            ErrorKind::Refused(code) => code.is_retriable(),
            ErrorKind::Unsupported | ErrorKind::InvalidInput | ErrorKind::BadAnswer => false,
        }
    }
}

/// A broker's code as a result.
pub(crate) fn checked(code: ErrorCode, doing: String, sentence: Option<&str>) -> Result<(), Error> {
    if code.is_none() { Ok(()) } else { Err(Error::refused(code, doing, sentence)) }
}

/// An answer that leaves out what was asked for.
pub(crate) fn missing(what: String) -> Error {
    Error::new(ErrorKind::BadAnswer, format!("the answer says nothing of {what}"))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Disconnected> for Error {
    fn from(error: Disconnected) -> Self {
        Error::new(ErrorKind::Disconnected, format!("no answer from the broker: {}", error.reason))
    }
}
