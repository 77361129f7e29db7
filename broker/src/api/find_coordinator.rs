//! FindCoordinator: the one broker coordinates every group and every transaction.

use std::sync::Arc;

use millstream_protocol::message::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use millstream_protocol::{Endpoint, ErrorCode, Str};

use super::Context;
use crate::broker::Broker;
use crate::journal::{OFFSETS, TRANSACTIONS};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// Whether the journals are there: the first FindCoordinator creates them, which waits for the disk.
pub(crate) fn is_prepared(broker: &Broker) -> bool {
    broker.catalog.get(OFFSETS).is_some() && broker.catalog.get(TRANSACTIONS).is_some()
}

pub(crate) fn find_coordinator(broker: &Arc<Broker>, context: &Context, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let find = |key: Str| {
        let found = match request.key_type {
            GROUP => broker.groups.prepare().map_err(|error| error.code()),
            TRANSACTION => broker.transactions.prepare().map_err(|error| error.code()),
            _ => Err(ErrorCode::INVALID_REQUEST),
        };
        let Endpoint { host, port } = context.endpoint.clone();
        match found {
            Ok(()) => {
                let error_message = Some(Str::from_static(if context.version >= 4 { "" } else { "NONE" }));
                Coordinator { key, node_id: broker.node_id(), host, port: port.into(), error_message, ..Default::default() }
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
