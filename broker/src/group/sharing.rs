//! Members of share groups: joining, showing that they are there, leaving; and what those who hand records out ask of such a group.

use millstream_protocol::Str;
use millstream_protocol::message::share_group_heartbeat::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};

use super::classic::Now;
use super::entries::share_entry;
use super::error::{GroupError, ShareHeartbeatError};
use super::share::{self, LEAVE, Share, ShareSurroundings};
use super::shelf::{Group, GroupKind};
use super::{Client, Groups, is_group_id};
use crate::config::share::ShareSettings;
use crate::journal::JournalEntry;

impl Groups {
    /// What holds for a share group, whether or not it is there.
    pub(crate) fn share_settings(&self, id: &str) -> ShareSettings {
        self.owns.holding_share(id, self.of_all_shared())
    }

    /// Whether a share group is there and has no members, so that somebody may change how far it has come.
    pub(crate) fn check_empty_share_group(&self, id: &Str) -> Result<(), GroupError> {
        let checked = self.look(id, |group, _| match &group.kind {
            GroupKind::Share(share) if share.members.is_empty() => Ok(()),
            GroupKind::Share(_) => Err(GroupError::NotEmpty),
            GroupKind::Classic(_) | GroupKind::Consumer(_) => Err(GroupError::NotShare(id.clone())),
        });
        checked.unwrap_or_else(|| Err(GroupError::NotFound(id.clone())))
    }

    /// Whether a share group is there.
    pub(crate) fn check_share_group(&self, id: &Str) -> Result<(), GroupError> {
        match self.check_empty_share_group(id) {
            Err(GroupError::NotEmpty) => Ok(()),
            checked => checked,
        }
    }

    /// A member of a share group: joins, goes on, or leaves.
    pub(crate) fn share_heartbeat(
        &self,
        request: &ShareGroupHeartbeatRequest,
        client: Client,
    ) -> Result<ShareGroupHeartbeatResponse, ShareHeartbeatError> {
        share::check(request)?;
        if !is_group_id(&request.group_id) {
            return Err(ShareHeartbeatError::GroupIdTooLong);
        }
        let id = &request.group_id;
        if request.member_epoch == LEAVE {
            self.share_leave(request)?;
            let member_id = Some(request.member_id.clone());
            return Ok(ShareGroupHeartbeatResponse { member_id, member_epoch: LEAVE, ..Default::default() });
        }
        let act = |group: &mut Group, now: &Now, entries: &mut Vec<JournalEntry>| {
            let GroupKind::Share(share) = &mut group.kind else { return Err(GroupError::NotShare(id.clone()).into()) };
            let before = share.to_value();
            // Of two requests the later one knows no older topics.
            let listing = self.catalog.listing();
            let settings = self.share_settings(id);
            let world = ShareSurroundings { now_ms: now.ms, listing: &listing, settings, size_max: self.settings.share_size_max };
            let answer = share.heartbeat(request, client, &world);
            if share.to_value() != before {
                entries.push(share_entry(id, share));
            }
            answer
        };
        if request.member_epoch == 0 {
            return self.with_new(id, |_| GroupKind::Share(Share::new()), act);
        }
        self.with(id, act).unwrap_or_else(|| Err(ShareHeartbeatError::NoGroup(id.clone())))
    }

    fn share_leave(&self, request: &ShareGroupHeartbeatRequest) -> Result<(), ShareHeartbeatError> {
        let id = &request.group_id;
        let left = self.with(id, |group, now, entries| {
            let GroupKind::Share(share) = &mut group.kind else { return Err(GroupError::NotShare(id.clone()).into()) };
            share.leave(request, now.ms)?;
            entries.push(share_entry(id, share));
            Ok(())
        });
        left.unwrap_or_else(|| Err(GroupError::NotFound(id.clone()).into()))
    }
}

/// Whether a member of a share group may call itself so, as Kafka judges it in every request of share groups.
pub(crate) fn is_share_member_id(id: &str) -> bool {
    share::is_member_id(id)
}
