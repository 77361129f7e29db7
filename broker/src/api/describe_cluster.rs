//! DescribeCluster: the one broker and the cluster id.

use millstream_protocol::message::describe_cluster::{DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse};
use millstream_protocol::{Endpoint, ErrorCode};

use super::{CLUSTER_OPERATIONS, Context};
use crate::broker::Broker;

pub(crate) fn describe_cluster(broker: &Broker, context: &Context, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    let failed = |code: ErrorCode, sentence: &str| DescribeClusterResponse {
        error_code: code,
        error_message: Some(sentence.into()),
        ..Default::default()
    };
    match request.endpoint_type {
        1 => {}
        2 => {
            return failed(
                ErrorCode::MISMATCHED_ENDPOINT_TYPE,
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
            );
        }
        _ => return failed(ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, "Unsupported endpoint type"),
    }
    let Endpoint { host, port } = context.endpoint.clone();
    let broker_id = broker.node_id();
    DescribeClusterResponse {
        cluster_id: broker.cluster_id().into(),
        controller_id: broker_id,
        brokers: vec![DescribeClusterBroker { broker_id, host, port: port.into(), rack: None, is_fenced: false }],
        cluster_authorized_operations: if request.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { i32::MIN },
        ..Default::default()
    }
}
