//! The only match on the API key: a request to its handler.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::{Call, Request, Response};

use crate::api;
use crate::broker::Broker;

/// Lets the handler act, now; the future waits for the answer.
pub(crate) fn dispatch(broker: &Arc<Broker>, call: Call) -> BoxFuture<'static, Response> {
    let context = api::Context { version: call.version };
    let done = |response: Response| ready(response).boxed();
    match call.request {
        Request::Produce(request) => api::produce::produce(broker, &context, request),
        Request::Fetch(request) => api::fetch::fetch(broker, &context, request),
        Request::ListOffsets(request) => api::list_offsets::list_offsets(broker, &context, request),
        Request::Metadata(request) => done(api::metadata::metadata(broker, &context, request).into()),
        Request::FindCoordinator(request) => done(api::find_coordinator::find_coordinator(request).into()),
        Request::ApiVersions(request) => done(api::api_versions::api_versions(&context, &request).into()),
        Request::CreateTopics(request) => done(api::create_topics::create_topics(broker, &request).into()),
        Request::DeleteTopics(request) => done(api::delete_topics::delete_topics(broker, &context, request).into()),
        Request::DeleteRecords(request) => done(api::delete_records::delete_records(broker, request).into()),
        Request::InitProducerId(request) => done(api::init_producer_id::init_producer_id(broker, &request).into()),
        Request::OffsetForLeaderEpoch(request) => done(api::offset_for_leader_epoch::offset_for_leader_epoch(broker, request).into()),
        Request::DescribeConfigs(request) => done(api::describe_configs::describe_configs(broker, request).into()),
        Request::AlterConfigs(request) => done(api::alter_configs::alter_configs(broker, request).into()),
        Request::DescribeLogDirs(request) => done(api::describe_log_dirs::describe_log_dirs(broker, request).into()),
        Request::CreatePartitions(request) => done(api::create_partitions::create_partitions(broker, request).into()),
        Request::IncrementalAlterConfigs(request) => done(api::alter_configs::incremental_alter_configs(broker, request).into()),
        Request::DescribeCluster(request) => done(api::describe_cluster::describe_cluster(broker, &request).into()),
        Request::DescribeTopicPartitions(request) => {
            done(api::describe_topic_partitions::describe_topic_partitions(broker, request).into())
        }
    }
}
