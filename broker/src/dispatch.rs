//! The only match on the API key: a request to its handler.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::{Call, Request, Response};

use crate::api;
use crate::broker::Broker;

/// Lets the handler act, now; the future waits for the answer.
pub(crate) fn dispatch(broker: &Arc<Broker>, call: Call) -> BoxFuture<'static, Response> {
    let context = api::Context { version: call.version, client_id: call.client_id, peer: call.peer };
    let done = |response: Response| ready(response).boxed();
    match call.request {
        Request::Produce(request) => api::produce::produce(broker, &context, request),
        Request::Fetch(request) => api::fetch::fetch(broker, &context, request),
        Request::ListOffsets(request) => api::list_offsets::list_offsets(broker, &context, request),
        Request::Metadata(request) => done(api::metadata::metadata(broker, &context, request).into()),
        Request::FindCoordinator(request) => done(api::find_coordinator::find_coordinator(broker, &context, request).into()),
        Request::ApiVersions(request) => done(api::api_versions::api_versions(&context, &request).into()),
        Request::CreateTopics(request) => done(api::create_topics::create_topics(broker, &request).into()),
        Request::DeleteTopics(request) => done(api::delete_topics::delete_topics(broker, &context, request).into()),
        Request::DeleteRecords(request) => api::delete_records::delete_records(broker, request),
        Request::InitProducerId(request) => api::init_producer_id::init_producer_id(broker, &context, &request),
        Request::OffsetForLeaderEpoch(request) => done(api::offset_for_leader_epoch::offset_for_leader_epoch(broker, request).into()),
        Request::DescribeConfigs(request) => done(api::describe_configs::describe_configs(broker, request).into()),
        Request::AlterConfigs(request) => api::alter_configs::alter_configs(broker, request),
        Request::DescribeLogDirs(request) => done(api::describe_log_dirs::describe_log_dirs(broker, request).into()),
        Request::CreatePartitions(request) => done(api::create_partitions::create_partitions(broker, request).into()),
        Request::IncrementalAlterConfigs(request) => api::alter_configs::incremental_alter_configs(broker, request),
        Request::DescribeCluster(request) => done(api::describe_cluster::describe_cluster(broker, &request).into()),
        Request::DescribeTopicPartitions(request) => {
            done(api::describe_topic_partitions::describe_topic_partitions(broker, request).into())
        }
        Request::JoinGroup(request) => api::membership::join_group(broker, &context, &request),
        Request::SyncGroup(request) => api::membership::sync_group(broker, &context, request),
        Request::Heartbeat(request) => done(api::membership::heartbeat(broker, &request).into()),
        Request::LeaveGroup(request) => api::membership::leave_group(broker, &context, request),
        Request::ConsumerGroupHeartbeat(request) => api::membership::consumer_group_heartbeat(broker, &context, &request),
        Request::OffsetCommit(request) => api::offsets::offset_commit(broker, &context, request),
        Request::OffsetFetch(request) => api::offsets::offset_fetch(broker, &context, request),
        Request::OffsetDelete(request) => api::offsets::offset_delete(broker, request),
        Request::ListGroups(request) => done(api::groups::list_groups(broker, &request).into()),
        Request::DescribeGroups(request) => done(api::groups::describe_groups(broker, &context, &request).into()),
        Request::ConsumerGroupDescribe(request) => done(api::groups::consumer_group_describe(broker, &request).into()),
        Request::DeleteGroups(request) => api::groups::delete_groups(broker, request),
        Request::AddPartitionsToTxn(request) => api::transaction::add_partitions_to_txn(broker, &context, request),
        Request::AddOffsetsToTxn(request) => api::transaction::add_offsets_to_txn(broker, &context, &request),
        Request::TxnOffsetCommit(request) => api::transaction::txn_offset_commit(broker, &context, request),
        Request::EndTxn(request) => api::transaction::end_txn(broker, &context, &request),
        Request::WriteTxnMarkers(request) => api::transactions::write_txn_markers(broker, request),
        Request::DescribeProducers(request) => done(api::transactions::describe_producers(broker, request).into()),
        Request::DescribeTransactions(request) => done(api::transactions::describe_transactions(broker, &request).into()),
        Request::ListTransactions(request) => done(api::transactions::list_transactions(broker, request).into()),
        Request::ElectLeaders(request) => done(api::single_node::elect_leaders(broker, request).into()),
        Request::AlterPartitionReassignments(request) => done(api::single_node::alter_partition_reassignments(broker, request).into()),
        Request::ListPartitionReassignments(request) => done(api::single_node::list_partition_reassignments(&request).into()),
        Request::ListConfigResources(request) => done(api::single_node::list_config_resources(broker, context.version, &request).into()),
        Request::DescribeAcls(_) => done(api::security::describe_acls().into()),
        Request::CreateAcls(request) => done(api::security::create_acls(&request).into()),
        Request::DeleteAcls(request) => done(api::security::delete_acls(&request).into()),
        Request::DescribeUserScramCredentials(_) => done(api::security::describe_user_scram_credentials().into()),
        Request::AlterUserScramCredentials(request) => done(api::security::alter_user_scram_credentials(&request).into()),
    }
}
