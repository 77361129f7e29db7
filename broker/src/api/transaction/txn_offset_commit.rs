//! TxnOffsetCommit: offsets of a group that move when the transaction is committed.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::message::txn_offset_commit::{
    TxnOffsetCommitPartitionResult, TxnOffsetCommitRequest, TxnOffsetCommitResponse, TxnOffsetCommitTopicResult,
};
use millstream_protocol::{ErrorCode, Response};

use crate::api::{Context, partition};
use crate::broker::Broker;
use crate::group::{Commit, Committer, OffsetError};
use crate::journal::{self, durable};
use crate::transaction::{ProducerIdentity, TransactionError};

/// From this version on an offset commit adds its group to the transaction by itself.
const COMMIT_ADDS_SINCE: i16 = 5;

/// Producers know some errors by other codes here.
fn known_as(error: TransactionError, version: i16) -> ErrorCode {
    match error {
        TransactionError::NotAdded if version < 4 => ErrorCode::INVALID_TXN_STATE,
        TransactionError::Fenced => ErrorCode::INVALID_PRODUCER_EPOCH,
        error => error.code(),
    }
}

pub(crate) fn txn_offset_commit(broker: &Arc<Broker>, context: &Context, request: TxnOffsetCommitRequest) -> BoxFuture<'static, Response> {
    let who = ProducerIdentity { producer_id: request.producer_id, epoch: request.producer_epoch };
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
    let checked = if committer.group_id.is_empty() {
        Err(ErrorCode::INVALID_GROUP_ID)
    } else if request.transactional_id.is_empty() {
        Err(TransactionError::NoId.code())
    } else {
        broker.groups.prepare().map_err(|error| error.code())
    };
    let version = context.version;
    let committed = checked.and_then(|()| {
        let place = (journal::OFFSETS.to_owned(), 0);
        let is_adding = context.version >= COMMIT_ADDS_SINCE;
        let commit = || broker.groups.commit(&committer, &commits, None, Some((who.producer_id, who.epoch)));
        broker.transactions.write(&request.transactional_id, who, place, is_adding, commit).map_err(|error| known_as(error, version))
    });
    async move {
        let committed = async {
            let (committed, added) = committed?;
            let (committed, acknowledged) = committed.map_err(|error| error.code())?;
            durable(added).await.map_err(|error| error.code())?;
            durable(acknowledged).await.map_err(|error| error.code())?;
            Ok(committed)
        };
        let committed: Result<Vec<Result<(), OffsetError>>, ErrorCode> = committed.await;
        for (good, code) in codes.iter_mut().filter(|code| code.is_none()).enumerate() {
            *code = match &committed {
                Ok(committed) => committed[good].err().map_or(ErrorCode::NONE, |error| error.code()),
                Err(code) => *code,
            };
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
