//! Transactions: AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::message::add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use millstream_protocol::message::add_partitions_to_txn::{
    AddPartitionsPartitionResult, AddPartitionsResult, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, AddPartitionsTopic,
    AddPartitionsTopicResult,
};
use millstream_protocol::message::end_txn::{EndTxnRequest, EndTxnResponse};
use millstream_protocol::message::txn_offset_commit::{
    TxnOffsetCommitPartitionResult, TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetCommitTopicResult,
};
use millstream_protocol::{ErrorCode, Response, Str};

use super::{Context, partition};
use crate::broker::Broker;
use crate::group::{Commit, Committer};
use crate::journal::{self, durable};
use crate::transaction::{Ending, Identity};

/// From this version of EndTxn on the epoch rises with every end (KIP-890).
const END_BUMPS_SINCE: i16 = 5;
/// From this version on an offset commit adds its group to the transaction by itself.
const COMMIT_ADDS_SINCE: i16 = 5;

/// Clients of old versions know a fenced producer by an older name.
fn fenced_as(code: ErrorCode, is_old: bool) -> ErrorCode {
    if is_old && code == ErrorCode::PRODUCER_FENCED { ErrorCode::INVALID_PRODUCER_EPOCH } else { code }
}

/// Partitions with a code each; `Err` holds for all of them.
type Added = Result<Vec<ErrorCode>, ErrorCode>;

fn answer_topics(topics: Vec<AddPartitionsTopic>, added: &Added) -> Vec<AddPartitionsTopicResult> {
    let mut at = 0;
    let mut next = || {
        at += 1;
        added.as_ref().map_or_else(|code| *code, |codes| codes[at - 1])
    };
    topics
        .into_iter()
        .map(|topic| AddPartitionsTopicResult {
            name: topic.name,
            results_by_partition: topic
                .partitions
                .into_iter()
                .map(|partition_index| AddPartitionsPartitionResult { partition_index, partition_error_code: next() })
                .collect(),
        })
        .collect()
}

/// Adds partitions, all or none; or looks whether they were added.
fn add_partitions(
    broker: &Arc<Broker>,
    id: &Str,
    who: Identity,
    topics: &[AddPartitionsTopic],
    is_looking: bool,
    is_old: bool,
) -> BoxFuture<'static, Added> {
    let places: Vec<(String, i32)> =
        topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.to_string(), *partition))).collect();
    if id.is_empty() {
        return ready(Err(ErrorCode::INVALID_REQUEST)).boxed();
    }
    if places.iter().any(|(topic, _)| journal::is_internal(topic)) {
        return ready(Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED)).boxed();
    }
    let is_known = |(topic, index): &(String, i32)| partition(broker, topic, *index).is_ok();
    if !places.iter().all(is_known) {
        // As long as one is not known, nothing is added.
        let code = |place| if is_known(place) { ErrorCode::OPERATION_NOT_ATTEMPTED } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
        return ready(Ok(places.iter().map(code).collect())).boxed();
    }
    if is_looking {
        return ready(broker.transactions.verify(id, who, &places)).boxed();
    }
    let count = places.len();
    let added = broker.transactions.add(id, who, places);
    async move {
        let acknowledged = added.map_err(|code| fenced_as(code, is_old))?;
        durable(acknowledged).await?;
        Ok(vec![ErrorCode::NONE; count])
    }
    .boxed()
}

pub(crate) fn add_partitions_to_txn(
    broker: &Arc<Broker>,
    context: &Context,
    request: AddPartitionsToTxnRequest,
) -> BoxFuture<'static, Response> {
    if context.version < 4 {
        let who = Identity { producer_id: request.producer_id, epoch: request.producer_epoch };
        let added = add_partitions(broker, &request.transactional_id, who, &request.topics, false, context.version < 2);
        return async move {
            let added = added.await;
            AddPartitionsToTxnResponse { results_by_topic: answer_topics(request.topics, &added), ..Default::default() }.into()
        }
        .boxed();
    }
    let asked: Vec<_> = request
        .transactions
        .into_iter()
        .map(|transaction| {
            let who = Identity { producer_id: transaction.producer_id, epoch: transaction.producer_epoch };
            let id = &transaction.transactional_id;
            let added = add_partitions(broker, id, who, &transaction.topics, transaction.verify_only, false);
            (transaction, added)
        })
        .collect();
    async move {
        let mut results = Vec::with_capacity(asked.len());
        for (transaction, added) in asked {
            let topic_results = answer_topics(transaction.topics, &added.await);
            results.push(AddPartitionsResult { transactional_id: transaction.transactional_id, topic_results });
        }
        AddPartitionsToTxnResponse { results_by_transaction: results, ..Default::default() }.into()
    }
    .boxed()
}

pub(crate) fn add_offsets_to_txn(
    broker: &Arc<Broker>,
    context: &Context,
    request: &AddOffsetsToTxnRequest,
) -> BoxFuture<'static, Response> {
    let who = Identity { producer_id: request.producer_id, epoch: request.producer_epoch };
    let added = if request.transactional_id.is_empty() {
        Err(ErrorCode::INVALID_REQUEST)
    } else {
        let place = (journal::OFFSETS.to_owned(), 0);
        broker.groups.prepare().and_then(|()| broker.transactions.add(&request.transactional_id, who, vec![place]))
    };
    let is_old = context.version < 2;
    async move {
        let added = match added {
            Ok(acknowledged) => durable(acknowledged).await,
            Err(code) => Err(fenced_as(code, is_old)),
        };
        AddOffsetsToTxnResponse { error_code: added.err().unwrap_or(ErrorCode::NONE), ..Default::default() }.into()
    }
    .boxed()
}

pub(crate) fn txn_offset_commit(broker: &Arc<Broker>, context: &Context, request: TxnOffsetCommitRequest) -> BoxFuture<'static, Response> {
    let who = Identity { producer_id: request.producer_id, epoch: request.producer_epoch };
    let committer = Committer {
        group_id: request.group_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        epoch: request.generation_id,
        version: context.version,
    };
    let (mut commits, mut codes) = (Vec::new(), Vec::new());
    for topic in &request.topics {
        for asked in &topic.partitions {
            let known = partition(broker, &topic.name, asked.partition_index);
            codes.push(known.as_ref().err().copied().unwrap_or(ErrorCode::NONE));
            if known.is_ok() {
                commits.push(Commit {
                    topic: topic.name.clone(),
                    topic_id: None,
                    partition: asked.partition_index,
                    offset: asked.committed_offset,
                    leader_epoch: asked.committed_leader_epoch,
                    metadata: asked.committed_metadata.clone(),
                });
            }
        }
    }
    let refused = if committer.group_id.is_empty() {
        Err(ErrorCode::INVALID_GROUP_ID)
    } else if request.transactional_id.is_empty() {
        Err(ErrorCode::INVALID_REQUEST)
    } else {
        broker.groups.prepare()
    };
    let committed = refused.and_then(|()| {
        let place = (journal::OFFSETS.to_owned(), 0);
        let is_adding = context.version >= COMMIT_ADDS_SINCE;
        let commit = || broker.groups.commit(&committer, &commits, None, Some((who.producer_id, who.epoch)));
        broker.transactions.write(&request.transactional_id, who, place, is_adding, commit)
    });
    let version = context.version;
    async move {
        let committed = async {
            let (committed, added) = committed.map_err(|code| match code {
                ErrorCode::TRANSACTION_ABORTABLE if version < 4 => ErrorCode::INVALID_TXN_STATE,
                ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
                code => code,
            })?;
            let (committed, acknowledged) = committed?;
            durable(added).await?;
            durable(acknowledged).await?;
            Ok(committed)
        };
        let committed: Result<Vec<ErrorCode>, ErrorCode> = committed.await;
        for (good, code) in codes.iter_mut().filter(|code| code.is_none()).enumerate() {
            *code = committed.as_ref().map_or_else(|code| *code, |committed| committed[good]);
        }
        let mut codes = codes.into_iter();
        let topics = request.topics.into_iter().map(|topic| TxnOffsetCommitTopicResult {
            name: topic.name,
            partitions: topic
                .partitions
                .into_iter()
                .zip(codes.by_ref())
                .map(|(partition, error_code)| TxnOffsetCommitPartitionResult { partition_index: partition.partition_index, error_code })
                .collect(),
        });
        TxnOffsetCommitResponse { topics: topics.collect(), ..Default::default() }.into()
    }
    .boxed()
}

pub(crate) fn end_txn(broker: &Arc<Broker>, context: &Context, request: &EndTxnRequest) -> BoxFuture<'static, Response> {
    let who = Identity { producer_id: request.producer_id, epoch: request.producer_epoch };
    let is_bumping = context.version >= END_BUMPS_SINCE;
    let is_old = context.version < 2;
    let ended = if request.transactional_id.is_empty() {
        Err(ErrorCode::INVALID_REQUEST)
    } else {
        broker.transactions.end(&request.transactional_id, who, request.committed, is_bumping)
    };
    async move {
        let ended = match ended {
            Ok((Ending::Over(acknowledged), next)) => durable(acknowledged).await.map(|()| next),
            Ok((Ending::Marking(marking), next)) => marking.done().await.map(|()| next),
            Err(code) => Err(code),
        };
        match ended {
            Ok(next) => EndTxnResponse { producer_id: next.producer_id, producer_epoch: next.epoch, ..Default::default() }.into(),
            Err(code) => EndTxnResponse { error_code: fenced_as(code, is_old), ..Default::default() }.into(),
        }
    }
    .boxed()
}
