//! FindCoordinator: the one broker coordinates every group, every transaction, and every partition of a share group.

use std::sync::Arc;

use millstream_protocol::message::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use millstream_protocol::{Endpoint, ErrorCode, Str, TopicId};

use super::Context;
use crate::broker::Broker;
use crate::journal::{OFFSETS, TRANSACTIONS};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

/// Whether the journals are there: the first FindCoordinator creates them, which waits for the disk.
pub(crate) fn is_prepared(broker: &Broker) -> bool {
    broker.catalog.get(OFFSETS).is_some() && broker.catalog.get(TRANSACTIONS).is_some()
}

pub(crate) fn find_coordinator(broker: &Arc<Broker>, context: &Context, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let find = |key: Str| {
        let found = match request.key_type {
            GROUP => broker.groups.prepare().map_err(|error| error.code()),
            TRANSACTION => broker.transactions.prepare().map_err(|error| error.code()),
            SHARE if context.version >= 6 && is_share_key(&key) => Ok(()),
            _ => Err(ErrorCode::INVALID_REQUEST),
        };
        let Endpoint { host, port } = context.endpoint.clone();
        match found {
            Ok(()) => {
                let error_message = Some(Str::from_static(if context.version >= 4 { "" } else { "NONE" }));
                Coordinator { key, node_id: broker.node_id(), host, port: port.into(), error_message, ..Default::default() }
            }
            Err(error_code) => {
                // Kafka has no sentence for a key that is none.
                let sentence = if request.key_type == SHARE && context.version >= 6 { "" } else { error_code.sentence() };
                let error_message = Some(Str::from_static(sentence));
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

/// Whether a key names a partition of a share group, as `group:topic id:partition`. The group may have colons in it.
fn is_share_key(key: &str) -> bool {
    let mut parts = key.rsplitn(3, ':');
    let is_partition = parts.next().is_some_and(|partition| partition.parse::<i32>().is_ok());
    let is_topic = parts.next().is_some_and(|topic| topic.parse::<TopicId>().is_ok());
    is_partition && is_topic && parts.next().is_some_and(|group| !group.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_share_groups_are_read_from_behind() {
        for key in
            ["g:AAAAAAAAAAAAAAAAAAAAAQ:0", "a:b:AAAAAAAAAAAAAAAAAAAAAQ:12", "::AAAAAAAAAAAAAAAAAAAAAQ:0", "g:AAAAAAAAAAAAAAAAAAAAAQ:-1"]
        {
            assert!(is_share_key(key), "{key}");
        }
        for key in [
            "",
            "g",
            "g:AAAAAAAAAAAAAAAAAAAAAQ",
            "g:x:0",
            "g:AAAAAAAAAAAAAAAAAAAAAQ:0x",
            ":AAAAAAAAAAAAAAAAAAAAAQ:0",
            " :AAAAAAAAAAAAAAAAAAAAAQ:0",
        ] {
            assert!(!is_share_key(key), "{key}");
        }
    }
}
