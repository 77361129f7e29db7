//! Share groups (KIP-932), by API: one handler a file. `acknowledging` and `acquiring` are what ShareFetch and ShareAcknowledge share.

mod acknowledging;
mod acquiring;
pub(crate) mod alter_share_group_offsets;
pub(crate) mod delete_share_group_offsets;
pub(crate) mod describe_share_group_offsets;
pub(crate) mod share_acknowledge;
pub(crate) mod share_fetch;
pub(crate) mod share_group_describe;
pub(crate) mod share_group_heartbeat;

use millstream_protocol::message::share_fetch::ShareLeaderIdAndEpoch;
use millstream_protocol::{ErrorCode, Str};

use crate::api::refused::Refused;
use crate::broker::Broker;
use crate::group::{GroupError, is_share_member_id};
use crate::limit;
use crate::share::place::{ReadPlace, SharePlace};
use crate::share::session::ShareSessionKey;
use crate::share::window::ShareLimits;

/// Where to ask stays as it is: clients take any other number for a node.
const NO_OTHER_LEADER: ShareLeaderIdAndEpoch = ShareLeaderIdAndEpoch { leader_id: -1, leader_epoch: -1 };

/// Whose request it is.
fn session_key(group_id: Option<&Str>, member_id: Option<&Str>) -> Result<ShareSessionKey, Refused> {
    let invalid = |sentence: &str| Refused::new(ErrorCode::INVALID_REQUEST, sentence);
    let group = group_id.filter(|group| !group.is_empty()).ok_or_else(|| invalid("GroupId can't be empty."))?;
    let member = member_id.filter(|member| !member.is_empty()).ok_or_else(|| invalid("MemberId can't be empty."))?;
    if group.len() > limit::GROUP_ID_BYTES_MAX || !is_share_member_id(member) {
        return Err(invalid("GroupId or MemberId is too long."));
    }
    Ok(ShareSessionKey { group: group.clone(), member: member.clone() })
}

fn place(group: &Str, (topic, partition): ReadPlace) -> SharePlace {
    SharePlace { group: group.clone(), topic, partition }
}

/// Whether a share group is there and has no members.
fn check_empty(broker: &Broker, group: &Str) -> Result<(), GroupError> {
    broker.groups.with_share_group(group, |is_empty| if is_empty { Ok(()) } else { Err(GroupError::NotEmpty) })?
}

/// What an answer says of a group's error; of one with members in Kafka's words.
fn told(error: &GroupError) -> (ErrorCode, Option<Str>) {
    let sentence = match error {
        GroupError::NotEmpty => error.code().sentence().into(),
        error => error.to_string().into(),
    };
    (error.code(), Some(sentence))
}

fn limits(broker: &Broker, group: &Str) -> ShareLimits {
    ShareLimits::of(&broker.groups.share_settings(group))
}
