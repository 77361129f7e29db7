//! The only match on the API key: a request to its handler.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::exchange::Answer;
use millstream_protocol::{ApiKey, Call, Exchange, Request, Response};

use crate::api;
use crate::broker::Broker;

/// A request that a handler has.
pub(crate) enum Served {
    /// It has taken effect; the future waits for the answer.
    Begun(BoxFuture<'static, Response>),
    /// It is taking effect off the I/O threads, because it waits for the disk or inflates much. When the outer future is over it has
    /// taken effect: what comes after it on a connection begins then, and not before.
    Beginning(BoxFuture<'static, BoxFuture<'static, Response>>),
}

impl Served {
    fn done(response: impl Into<Response>) -> Self {
        Served::Begun(ready(response.into()).boxed())
    }
}

impl From<BoxFuture<'static, Response>> for Served {
    fn from(answer: BoxFuture<'static, Response>) -> Self {
        Served::Begun(answer)
    }
}

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
    let context = api::Context { version: call.version, client_id: call.client_id, peer: call.peer, endpoint, is_remote: !is_local };
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
            api::administer_until(broker, move |broker| api::init_producer_id::init_producer_id(broker, &context, &request))
        }
        Request::InitProducerId(request) => api::init_producer_id::init_producer_id(broker, &context, &request).into(),
        Request::OffsetForLeaderEpoch(request) => done(api::offset_for_leader_epoch::offset_for_leader_epoch(broker, request).into()),
        Request::DescribeConfigs(request) => done(api::describe_configs::describe_configs(broker, request).into()),
        Request::AlterConfigs(request) => api::alter_configs::alter_configs(broker, request),
        Request::DescribeLogDirs(request) => done(api::describe_log_dirs::describe_log_dirs(broker, request).into()),
        Request::CreatePartitions(request) => {
            api::administer(broker, move |broker| api::create_partitions::create_partitions(broker, request).into())
        }
        Request::IncrementalAlterConfigs(request) => api::alter_configs::incremental_alter_configs(broker, request),
        Request::DescribeCluster(request) => done(api::describe_cluster::describe_cluster(broker, &context, &request).into()),
        Request::DescribeTopicPartitions(request) => {
            done(api::describe_topic_partitions::describe_topic_partitions(broker, request).into())
        }
        Request::JoinGroup(request) => api::membership::join_group(broker, &context, &request).into(),
        Request::SyncGroup(request) => api::membership::sync_group(broker, &context, request).into(),
        Request::Heartbeat(request) => done(api::membership::heartbeat(broker, &request).into()),
        Request::LeaveGroup(request) => api::membership::leave_group(broker, &context, request).into(),
        Request::ConsumerGroupHeartbeat(request) => api::membership::consumer_group_heartbeat(broker, &context, &request).into(),
        Request::OffsetCommit(request) => api::offsets::offset_commit(broker, &context, request).into(),
        Request::OffsetFetch(request) => api::offsets::offset_fetch(broker, &context, request).into(),
        Request::OffsetDelete(request) => api::offsets::offset_delete(broker, request).into(),
        Request::ListGroups(request) => done(api::groups::list_groups(broker, &request).into()),
        Request::DescribeGroups(request) => done(api::groups::describe_groups(broker, &context, &request).into()),
        Request::ConsumerGroupDescribe(request) => done(api::groups::consumer_group_describe(broker, &request).into()),
        Request::DeleteGroups(request) => api::groups::delete_groups(broker, request).into(),
        Request::AddPartitionsToTxn(request) => api::transaction::add_partitions_to_txn(broker, &context, request).into(),
        Request::AddOffsetsToTxn(request) => api::transaction::add_offsets_to_txn(broker, &context, &request).into(),
        Request::TxnOffsetCommit(request) => api::transaction::txn_offset_commit(broker, &context, request).into(),
        Request::EndTxn(request) => api::transaction::end_txn(broker, &context, &request).into(),
        Request::WriteTxnMarkers(request) => api::transactions::write_txn_markers(broker, request).into(),
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
        Request::DescribeClientQuotas(request) => done(api::quotas::describe_client_quotas(&request).into()),
        Request::AlterClientQuotas(request) => done(api::quotas::alter_client_quotas(request).into()),
        Request::AlterUserScramCredentials(request) => done(api::security::alter_user_scram_credentials(&request).into()),
    }
}
