//! What a heartbeat of a share group may say: what is refused whatever the group.

use millstream_protocol::message::share_group_heartbeat::ShareGroupHeartbeatRequest;

use super::LEAVE;
use crate::group::{ShareHeartbeatError, is_share_member_id};

/// Checks what does not depend on the group, in Kafka's order.
pub(in crate::group) fn check(request: &ShareGroupHeartbeatRequest) -> Result<(), ShareHeartbeatError> {
    if !is_share_member_id(&request.member_id) {
        return Err(ShareHeartbeatError::InvalidMemberId);
    }
    let is_blank = |text: &str| text.trim().is_empty();
    if is_blank(&request.member_id) {
        return Err(ShareHeartbeatError::NoMemberId);
    }
    if is_blank(&request.group_id) {
        return Err(ShareHeartbeatError::NoGroupId);
    }
    if request.rack_id.as_ref().is_some_and(|rack_id| is_blank(rack_id)) {
        return Err(ShareHeartbeatError::EmptyRackId);
    }
    match request.member_epoch {
        0 if request.subscribed_topic_names.as_ref().is_none_or(Vec::is_empty) => Err(ShareHeartbeatError::NoSubscription),
        epoch if epoch < LEAVE => Err(ShareHeartbeatError::ImpossibleEpoch),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_refused_in_kafkas_words() {
        let sound = ShareGroupHeartbeatRequest {
            group_id: "g".into(),
            member_id: "m".into(),
            subscribed_topic_names: Some(vec!["a".into()]),
            ..Default::default()
        };
        assert_eq!(check(&sound), Ok(()));
        assert_eq!(check(&ShareGroupHeartbeatRequest { member_id: "ä".repeat(36).into(), ..sound.clone() }), Ok(()));
        let of = |change: &dyn Fn(&mut ShareGroupHeartbeatRequest)| {
            let mut request = sound.clone();
            change(&mut request);
            check(&request).unwrap_err().to_string()
        };
        assert_eq!(of(&|request| request.member_id = "".into()), "Invalid member id in the request.");
        assert_eq!(of(&|request| request.member_id = "m".repeat(37).into()), "Invalid member id in the request.");
        assert_eq!(of(&|request| request.member_id = "m".repeat(100_000).into()), "Invalid member id in the request.");
        assert_eq!(of(&|request| request.member_id = " ".into()), "MemberId can't be empty.");
        assert_eq!(of(&|request| request.group_id = "  ".into()), "GroupId can't be empty.");
        assert_eq!(of(&|request| request.rack_id = Some("".into())), "RackId can't be empty.");
        assert_eq!(of(&|request| request.subscribed_topic_names = None), "SubscribedTopicNames must be set in first request.");
        assert_eq!(of(&|request| request.subscribed_topic_names = Some(vec![])), "SubscribedTopicNames must be set in first request.");
        assert_eq!(of(&|request| request.member_epoch = -2), "MemberEpoch is invalid.");
    }
}
