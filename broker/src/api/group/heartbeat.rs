//! Heartbeat: a member of a classic group shows that it is there.

use millstream_protocol::message::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use crate::broker::Broker;

pub(crate) fn heartbeat(broker: &Broker, request: &HeartbeatRequest) -> HeartbeatResponse {
    HeartbeatResponse { error_code: broker.groups.heartbeat(request), ..Default::default() }
}
