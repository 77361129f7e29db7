//! The only match on the API key: a request to its handler.

use std::sync::Arc;

use futures::FutureExt;
use millstream_protocol::exchange::Answer;
use millstream_protocol::{ApiKey, Call, Exchange, Request, Response};

use crate::api;
use crate::broker::Broker;
use crate::served::Served;

/// The broker behind a shared handle: what an embedded query and a test ask.
#[derive(Debug, Clone)]
pub struct BrokerHandle(pub Arc<Broker>);

impl Exchange for BrokerHandle {
    fn exchange(&self, call: Call) -> Answer {
        match dispatch(&self.0, call) {
            Served::Begun(answer) => answer.map(Ok).boxed(),
            Served::Beginning(beginning) => async move { Ok(beginning.await.await) }.boxed(),
        }
    }

    fn version(&self, api: ApiKey) -> Option<i16> {
        Some(api.info().max)
    }
}

/// Lets the handler act, now.
pub(crate) fn dispatch(broker: &Arc<Broker>, call: Call) -> Served {
    let endpoint = call.endpoint.unwrap_or_else(|| broker.first_endpoint());
    let is_local = call.connection == 0;
    let context = api::Context {
        version: call.version,
        client_id: call.client_id,
        peer: call.peer,
        endpoint,
        is_remote: !is_local,
        connection: call.connection,
    };
    let done = |response: Response| Served::done(response);
    match call.request {
        Request::Produce(request) => api::produce::produce(broker, context, request, is_local),
        Request::Fetch(request) => api::fetch::fetch(broker, &context, request).into(),
        Request::ListOffsets(request) => api::list_offsets::list_offsets(broker, &context, request).into(),
        Request::Metadata(request) => match api::metadata::may_create(broker, &context, &request) {
            true => api::administer(broker, move |broker| api::metadata::metadata(broker, &context, request).into()),
            false => done(api::metadata::metadata(broker, &context, request).into()),
        },
        Request::FindCoordinator(request) => match api::find_coordinator::is_prepared(broker) {
            true => done(api::find_coordinator::find_coordinator(broker, &context, request).into()),
            false => api::administer(broker, move |broker| api::find_coordinator::find_coordinator(broker, &context, request).into()),
        },
        Request::ApiVersions(request) => done(api::api_versions::api_versions(&context, &request).into()),
        Request::CreateTopics(request) => api::administer(broker, move |broker| api::create_topics::create_topics(broker, &request).into()),
        Request::DeleteTopics(request) => {
            api::administer(broker, move |broker| api::delete_topics::delete_topics(broker, &context, request).into())
        }
        Request::DeleteRecords(request) => api::delete_records::delete_records(broker, request).into(),
        Request::InitProducerId(request) if broker.identity.is_id_to_be_reserved() => {
            api::administer_until(broker, move |broker| api::transaction::init_producer_id::init_producer_id(broker, &context, &request))
        }
        Request::InitProducerId(request) => api::transaction::init_producer_id::init_producer_id(broker, &context, &request).into(),
        Request::OffsetForLeaderEpoch(request) => done(api::offset_for_leader_epoch::offset_for_leader_epoch(broker, request).into()),
        Request::DescribeConfigs(request) => done(api::config::describe_configs::describe_configs(broker, request).into()),
        Request::AlterConfigs(request) => api::config::alter_configs::alter_configs(broker, request),
        Request::DescribeLogDirs(request) => done(api::describe_log_dirs::describe_log_dirs(broker, request).into()),
        Request::CreatePartitions(request) => {
            api::administer(broker, move |broker| api::create_partitions::create_partitions(broker, request).into())
        }
        Request::IncrementalAlterConfigs(request) => api::config::incremental_alter_configs::incremental_alter_configs(broker, request),
        Request::DescribeCluster(request) => done(api::describe_cluster::describe_cluster(broker, &context, &request).into()),
        Request::DescribeTopicPartitions(request) => {
            done(api::describe_topic_partitions::describe_topic_partitions(broker, request).into())
        }
        Request::JoinGroup(request) => api::group::join_group::join_group(broker, &context, &request).into(),
        Request::SyncGroup(request) => api::group::sync_group::sync_group(broker, &context, request).into(),
        Request::Heartbeat(request) => done(api::group::heartbeat::heartbeat(broker, &request).into()),
        Request::LeaveGroup(request) => api::group::leave_group::leave_group(broker, &context, request).into(),
        Request::ConsumerGroupHeartbeat(request) => {
            api::group::consumer_group_heartbeat::consumer_group_heartbeat(broker, &context, &request).into()
        }
        Request::OffsetCommit(request) => api::group::offset_commit::offset_commit(broker, &context, request).into(),
        Request::OffsetFetch(request) => api::group::offset_fetch::offset_fetch(broker, &context, request).into(),
        Request::OffsetDelete(request) => api::group::offset_delete::offset_delete(broker, request).into(),
        Request::ListGroups(request) => done(api::group::list_groups::list_groups(broker, &request).into()),
        Request::DescribeGroups(request) => done(api::group::describe_groups::describe_groups(broker, &context, &request).into()),
        Request::ConsumerGroupDescribe(request) => {
            done(api::group::consumer_group_describe::consumer_group_describe(broker, &request).into())
        }
        Request::DeleteGroups(request) => api::group::delete_groups::delete_groups(broker, request).into(),
        Request::ShareGroupHeartbeat(request) => {
            api::share::share_group_heartbeat::share_group_heartbeat(broker, &context, &request).into()
        }
        Request::ShareGroupDescribe(request) => done(api::share::share_group_describe::share_group_describe(broker, &request).into()),
        Request::ShareFetch(request) => api::share::share_fetch::share_fetch(broker, &context, request).into(),
        Request::ShareAcknowledge(request) => api::share::share_acknowledge::share_acknowledge(broker, request).into(),
        Request::DescribeShareGroupOffsets(request) => {
            done(api::share::describe_share_group_offsets::describe_share_group_offsets(broker, request).into())
        }
        Request::AlterShareGroupOffsets(request) => {
            api::share::alter_share_group_offsets::alter_share_group_offsets(broker, request).into()
        }
        Request::DeleteShareGroupOffsets(request) => {
            api::share::delete_share_group_offsets::delete_share_group_offsets(broker, request).into()
        }
        Request::AddPartitionsToTxn(request) => {
            api::transaction::add_partitions_to_txn::add_partitions_to_txn(broker, &context, request).into()
        }
        Request::AddOffsetsToTxn(request) => api::transaction::add_offsets_to_txn::add_offsets_to_txn(broker, &context, &request).into(),
        Request::TxnOffsetCommit(request) => api::transaction::txn_offset_commit::txn_offset_commit(broker, &context, request).into(),
        Request::EndTxn(request) => api::transaction::end_txn::end_txn(broker, &context, &request).into(),
        Request::WriteTxnMarkers(request) => api::transaction::write_txn_markers::write_txn_markers(broker, request).into(),
        Request::DescribeProducers(request) => done(api::transaction::describe_producers::describe_producers(broker, request).into()),
        Request::DescribeTransactions(request) => {
            done(api::transaction::describe_transactions::describe_transactions(broker, &request).into())
        }
        Request::ListTransactions(request) => done(api::transaction::list_transactions::list_transactions(broker, request).into()),
        Request::ElectLeaders(request) => done(api::absent::elect_leaders::elect_leaders(broker, request).into()),
        Request::AlterPartitionReassignments(request) => {
            done(api::absent::alter_partition_reassignments::alter_partition_reassignments(broker, request).into())
        }
        Request::ListPartitionReassignments(request) => {
            done(api::absent::list_partition_reassignments::list_partition_reassignments(&request).into())
        }
        Request::ListConfigResources(request) => {
            done(api::config::list_config_resources::list_config_resources(broker, context.version, &request).into())
        }
        Request::DescribeAcls(_) => done(api::absent::describe_acls::describe_acls().into()),
        Request::CreateAcls(request) => done(api::absent::create_acls::create_acls(&request).into()),
        Request::DeleteAcls(request) => done(api::absent::delete_acls::delete_acls(&request).into()),
        Request::DescribeUserScramCredentials(_) => {
            done(api::absent::describe_user_scram_credentials::describe_user_scram_credentials().into())
        }
        Request::DescribeClientQuotas(request) => done(api::absent::describe_client_quotas::describe_client_quotas(&request).into()),
        Request::AlterClientQuotas(request) => done(api::absent::alter_client_quotas::alter_client_quotas(request).into()),
        Request::AlterUserScramCredentials(request) => {
            done(api::absent::alter_user_scram_credentials::alter_user_scram_credentials(&request).into())
        }
    }
}
