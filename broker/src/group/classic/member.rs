//! A member of a classic group, and the protocols that it offers.

use bytes::Bytes;
use millstream_protocol::Str;
use millstream_protocol::message::join_group::{JoinGroupRequest, JoinProtocol};
use tokio::sync::oneshot;

use crate::group::Client;
use crate::group::error::{JoinAnswer, SyncAnswer};

/// A member.
#[derive(Debug)]
pub(in crate::group) struct ClassicMember {
    pub instance_id: Option<Str>,
    pub client: Client,
    pub session_timeout_ms: i64,
    pub rebalance_timeout_ms: i64,
    /// Ways of assigning with what the leader needs to know, the best first.
    pub protocols: Vec<(Str, Bytes)>,
    pub assignment: Bytes,
    pub(super) joining: Option<oneshot::Sender<JoinAnswer>>,
    pub(super) syncing: Option<oneshot::Sender<SyncAnswer>>,
    pub(super) has_synced: bool,
    pub(super) is_new: bool,
    /// When it is gone unless it shows that it is there.
    pub(super) deadline_ms: i64,
}

impl ClassicMember {
    pub(super) fn is_waiting(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    pub(super) fn is_expired(&self, now_ms: i64) -> bool {
        self.deadline_ms <= now_ms && (self.is_new || !self.is_waiting())
    }

    pub(in crate::group) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|(name, _)| *name == protocol).map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }
}

pub(in crate::group) fn rebalance_timeout_ms(request: &JoinGroupRequest) -> i64 {
    // Version 0 has none.
    if request.rebalance_timeout_ms < 0 { request.session_timeout_ms.into() } else { request.rebalance_timeout_ms.into() }
}

pub(in crate::group) fn protocols(request: &JoinGroupRequest) -> Vec<(Str, Bytes)> {
    request.protocols.iter().map(|protocol| (protocol.name.detached(), Bytes::copy_from_slice(&protocol.metadata))).collect()
}

pub(in crate::group) fn knows(protocols: &[(Str, Bytes)], name: &Str) -> bool {
    protocols.iter().any(|(known, _)| known == name)
}

pub(super) fn is_same(known: &[(Str, Bytes)], offered: &[JoinProtocol]) -> bool {
    known.len() == offered.len() && known.iter().zip(offered).all(|((name, metadata), new)| *name == new.name && *metadata == new.metadata)
}
