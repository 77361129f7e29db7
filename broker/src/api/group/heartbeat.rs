//! Heartbeat: a member of a classic group shows that it is there.

use millstream_protocol::ErrorCode;
use millstream_protocol::message::heartbeat::{HeartbeatRequest, HeartbeatResponse};

use crate::broker::Broker;

pub(crate) fn heartbeat(broker: &Broker, request: &HeartbeatRequest) -> HeartbeatResponse {
    let error_code = broker.groups.heartbeat(request).err().map_or(ErrorCode::NONE, |error| error.code());
    HeartbeatResponse { error_code, ..Default::default() }
}
