//! How a handler refuses what it was asked for: a code and a sentence.

use millstream_protocol::{ErrorCode, Str};

use crate::catalog::{NameError, TopicError};
use crate::dynamic::DynamicError;
use crate::group::PropertiesError;
use crate::transaction::TransactionError;

/// A refusal, by the handler itself or by what it asked.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub code: ErrorCode,
    pub sentence: String,
}

impl Refused {
    pub(crate) fn new(code: ErrorCode, sentence: impl Into<String>) -> Self {
        Refused { code, sentence: sentence.into() }
    }

    /// What stands in an answer that has room for both, whichever way it went.
    pub(crate) fn told(result: Result<(), Refused>) -> (ErrorCode, Option<Str>) {
        match result {
            Ok(()) => (ErrorCode::NONE, None),
            Err(Refused { code, sentence }) => (code, Some(sentence.into())),
        }
    }
}

/// A code that says enough by itself.
impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Refused::new(code, code.sentence())
    }
}

impl From<NameError> for Refused {
    fn from(error: NameError) -> Self {
        Refused::new(error.code(), error.to_string())
    }
}

impl From<TopicError> for Refused {
    fn from(error: TopicError) -> Self {
        Refused::new(error.code(), error.to_string())
    }
}

impl From<DynamicError> for Refused {
    fn from(error: DynamicError) -> Self {
        Refused::new(error.code(), error.to_string())
    }
}

impl From<PropertiesError> for Refused {
    fn from(error: PropertiesError) -> Self {
        Refused::new(error.code(), error.to_string())
    }
}

impl From<TransactionError> for Refused {
    fn from(error: TransactionError) -> Self {
        Refused::new(error.code(), error.to_string())
    }
}
