//! A subscription by a regular expression.

use millstream_protocol::Str;
use regex::Regex;

use crate::catalog::Topics;
use crate::group::HeartbeatError;
use crate::limit;

/// A subscription to all topics with such names.
#[derive(Debug, Clone)]
pub(in crate::group) struct Pattern {
    pub text: Str,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Pattern {
    /// Kafka uses RE2J and matches whole names, as here.
    pub(super) fn new(text: &Str) -> Result<Self, HeartbeatError> {
        let invalid = |reason: String| HeartbeatError::InvalidPattern { pattern: text.clone(), reason };
        if text.len() > limit::TOPIC_PATTERN_BYTES_MAX {
            return Err(invalid("it is too long".into()));
        }
        let build =
            |pattern: &str| regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| invalid(error.to_string()));
        // By itself first: `a)|(?:b` becomes one only by what is put around it.
        build(text)?;
        Ok(Pattern { text: text.detached(), regex: build(&format!("^(?:{text})$"))? })
    }

    pub(super) fn matches<'t>(&self, topics: &'t Topics) -> impl Iterator<Item = &'t Str> {
        topics.keys().filter(|name| self.regex.is_match(name))
    }
}
