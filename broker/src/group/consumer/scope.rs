//! What may be committed and asked for, by whom, with which epoch.

use std::collections::BTreeMap;

use millstream_protocol::{Str, TopicId};

use super::Consumer;
use crate::group::MemberError;

/// What a member may commit.
#[derive(Debug)]
pub(in crate::group) enum Scope {
    Everything,
    /// With an epoch that is over: what it has had since then or longer (KIP-1251), and else an error.
    Since(i32, BTreeMap<(TopicId, i32), i32>, MemberError),
}

impl Scope {
    pub(in crate::group) fn check(&self, topic: TopicId, partition: i32) -> Result<(), MemberError> {
        match self {
            Scope::Since(epoch, since, error) if since.get(&(topic, partition)).is_none_or(|since| since > epoch) => Err(*error),
            Scope::Everything | Scope::Since(..) => Ok(()),
        }
    }
}

impl Consumer {
    /// What may be committed by a member of this epoch.
    pub(in crate::group) fn check_committer(&self, member_id: &Str, epoch: i32) -> Result<Scope, MemberError> {
        // An administrator may, while there are no members.
        if epoch < 0 && self.members.is_empty() {
            return Ok(Scope::Everything);
        }
        match self.members.get(member_id) {
            None => Err(MemberError::UnknownMember),
            Some(member) if epoch > member.epoch => Err(member.stale()),
            Some(member) if epoch < member.epoch => Ok(Scope::Since(epoch, member.since.clone(), member.stale())),
            Some(_) => Ok(Scope::Everything),
        }
    }

    /// Whether offsets may be asked for: by a client that names no member, or by a member that knows its epoch.
    pub(in crate::group) fn check_reader(&self, member_id: Option<&Str>, epoch: i32) -> Result<(), MemberError> {
        if member_id.is_none() && epoch < 0 {
            return Ok(());
        }
        match member_id.and_then(|member_id| self.members.get(member_id)) {
            None => Err(MemberError::UnknownMember),
            Some(member) if member.epoch != epoch => Err(member.stale()),
            Some(_) => Ok(()),
        }
    }
}
