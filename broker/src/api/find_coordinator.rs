//! FindCoordinator: the one broker coordinates every group and every transaction.

use std::sync::Arc;

use millstream_protocol::message::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use millstream_protocol::{ErrorCode, Str};

use super::Context;
use crate::broker::{Broker, NODE_ID};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(crate) fn find_coordinator(broker: &Arc<Broker>, context: &Context, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let find = |key: Str| {
        let found = match request.key_type {
            GROUP => broker.groups.prepare(),
            TRANSACTION => broker.transactions.prepare(),
            _ => Err(ErrorCode::INVALID_REQUEST),
        };
        let (host, port) = broker.advertised();
        match found {
            Ok(()) => {
                let error_message = Some(Str::from_static(if context.version >= 4 { "" } else { "NONE" }));
                Coordinator { key, node_id: NODE_ID, host: host.into(), port: port.into(), error_message, ..Default::default() }
            }
            Err(error_code) => {
                let error_message = Some(Str::from_static(error_code.sentence()));
                Coordinator { key, node_id: -1, port: -1, error_code, error_message, ..Default::default() }
            }
        }
    };
    if context.version >= 4 {
        return FindCoordinatorResponse { coordinators: request.coordinator_keys.into_iter().map(find).collect(), ..Default::default() };
    }
    let found = find(request.key.clone());
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: found.error_message,
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    }
}
