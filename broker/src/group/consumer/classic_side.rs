//! A member of a consumer group that speaks the classic protocol.

use bytes::Bytes;
use millstream_protocol::Str;

use crate::group::record::ClassicSideValue;

/// What a consumer group knows of a member that speaks the classic protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::group) struct ClassicSide {
    pub session_timeout_ms: i64,
    pub protocols: Vec<(Str, Bytes)>,
    /// It was told to join again, and is gone if it does not until then.
    pub join_ends_ms: Option<i64>,
    /// It has joined, and is gone if it does not ask for its share until then.
    pub sync_ends_ms: Option<i64>,
}

impl ClassicSide {
    pub(in crate::group) fn new(session_timeout_ms: i64, protocols: Vec<(Str, Bytes)>) -> Self {
        ClassicSide { session_timeout_ms, protocols, join_ends_ms: None, sync_ends_ms: None }
    }

    /// What is kept of it.
    pub(in crate::group) fn wishes(&self) -> (i64, &[(Str, Bytes)]) {
        (self.session_timeout_ms, &self.protocols)
    }

    pub(in crate::group) fn to_value(&self) -> ClassicSideValue {
        let protocols = self.protocols.iter().map(|(name, metadata)| (name.to_string(), metadata.to_vec())).collect();
        ClassicSideValue { session_timeout_ms: self.session_timeout_ms, protocols }
    }

    pub(in crate::group) fn of_value(value: ClassicSideValue) -> Self {
        let protocols = value.protocols.into_iter().map(|(name, metadata)| (name.into(), metadata.into())).collect();
        ClassicSide::new(value.session_timeout_ms, protocols)
    }

    /// The protocol that its answers name: all of a consumer's protocols carry the same.
    pub(in crate::group) fn protocol(&self) -> Str {
        self.protocols.first().map(|(name, _)| name.clone()).unwrap_or_default()
    }
}
