//! The transactional producer: what is sent, and the offsets that were read for it, become visible all together or not at all.
//!
//! Two protocols. A broker that has finalised the feature `transaction.version` 2 (KIP-890) adds partitions by itself and
//! raises the epoch with every end; to an older one partitions are added before the first batch goes to them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use millstream_protocol::api::Ask;
use millstream_protocol::message::add_offsets_to_txn::AddOffsetsToTxnRequest;
use millstream_protocol::message::add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsTopic};
use millstream_protocol::message::api_versions::ApiVersionsRequest;
use millstream_protocol::message::end_txn::{EndTxnRequest, EndTxnResponse};
use millstream_protocol::message::init_producer_id::InitProducerIdRequest;
use millstream_protocol::message::txn_offset_commit::{TxnOffsetCommitPartition, TxnOffsetCommitRequest, TxnOffsetCommitTopic};
use millstream_protocol::{ErrorCode, Str};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Delivery, NewRecord, Producer};
use crate::client::{Client, CoordinatorKind};
use crate::consumer::{GroupMetadata, OffsetAndMetadata};
use crate::error::{Error, ErrorKind};
use crate::topic_partition::TopicPartition;

const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Sends records in transactions. One at a time has its id: a newer one fences it.
#[derive(Debug)]
pub struct TransactionalProducer {
    producer: Producer,
    transactional: Arc<Transactional>,
}

/// A transaction. Unless it is committed, nothing of it is ever seen; one that is dropped is aborted before the next begins.
#[derive(Debug)]
pub struct Transaction<'a> {
    producer: &'a TransactionalProducer,
    is_ended: bool,
}

/// What a producer's lanes know of its transaction.
#[derive(Debug)]
pub(super) struct Transactional {
    client: Client,
    pub(super) id: Str,
    timeout: Duration,
    patience: Duration,
    /// KIP-890: partitions are added by the broker, and each end raises the epoch.
    is_implicit: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    producer: (i64, i16),
    /// Where it writes, as far as the broker was told.
    partitions: HashSet<TopicPartition>,
    /// Groups whose coordinator was looked for.
    groups: HashSet<Str>,
    /// Whether something was given to it, be it on its way or not.
    is_used: bool,
    /// Whether the broker may know of it.
    has_begun: bool,
    /// Whether another epoch is needed before the next one.
    needs_epoch: bool,
    /// Why nothing more can be sent in this transaction.
    failure: Option<Error>,
    /// How the transaction is being ended, once that was decided.
    decision: Option<bool>,
    /// Why this producer can do nothing any more.
    fatal: Option<Error>,
}

fn is_fatal(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(
            ErrorCode::PRODUCER_FENCED
                | ErrorCode::INVALID_PRODUCER_EPOCH
                | ErrorCode::INVALID_PRODUCER_ID_MAPPING
                | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
        )
    )
}

fn may_pass(error: &Error) -> bool {
    // Another end is still under way at the coordinator.
    error.is_retriable() || error.code() == Some(ErrorCode::CONCURRENT_TRANSACTIONS)
}

impl Transactional {
    /// Becomes the one producer with this id: ends what the one before left open.
    pub(super) async fn init(client: Client, id: &str, timeout: Duration, patience: Duration) -> Result<Self, Error> {
        let answer = client
            .ask(ApiVersionsRequest {
                client_software_name: "millstream".into(),
                client_software_version: env!("CARGO_PKG_VERSION").into(),
            })
            .await?;
        let is_implicit =
            answer.finalized_features.iter().any(|feature| feature.name == "transaction.version" && feature.max_version_level >= 2);
        let state = State {
            producer: (-1, -1),
            partitions: HashSet::new(),
            groups: HashSet::new(),
            is_used: false,
            has_begun: false,
            needs_epoch: false,
            failure: None,
            decision: None,
            fatal: None,
        };
        let transactional = Transactional { client, id: id.into(), timeout, patience, is_implicit, state: Mutex::new(state) };
        transactional.client.find_coordinator(CoordinatorKind::Transaction, id).await?;
        transactional.begin_epoch().await?;
        Ok(transactional)
    }

    /// The highest version of Produce: 12 is the last that names topics, and the first that adds partitions to a transaction.
    pub(super) fn produce_version_max(&self) -> i16 {
        if self.is_implicit { 12 } else { 11 }
    }

    async fn begin_epoch(&self) -> Result<(), Error> {
        let (producer_id, producer_epoch) = self.state.lock().producer;
        let request = InitProducerIdRequest {
            transactional_id: Some(self.id.clone()),
            transaction_timeout_ms: self.timeout.as_millis().min(i32::MAX as u128) as i32,
            producer_id,
            producer_epoch,
            ..Default::default()
        };
        let answer = self.persist(|| request.clone(), i16::MAX, |answer| (answer.error_code, "asking for a producer id")).await?;
        self.state.lock().producer = (answer.producer_id, answer.producer_epoch);
        Ok(())
    }

    /// Asks again until it is done, refused for good, or time is up.
    async fn persist<R: Ask>(
        &self,
        request: impl Fn() -> R,
        version_max: i16,
        checked: impl Fn(&R::Answer) -> (ErrorCode, &'static str),
    ) -> Result<R::Answer, Error> {
        let deadline = Instant::now() + self.patience;
        loop {
            let error = match self.client.ask_at_most(request(), version_max).await {
                Ok(answer) => match checked(&answer) {
                    (ErrorCode::NONE, _) => return Ok(answer),
                    (code, doing) => Error::refused(code, format!("{doing} of {}", self.id), None),
                },
                Err(error) => error,
            };
            if !may_pass(&error) {
                if is_fatal(&error) {
                    self.state.lock().fatal.get_or_insert_with(|| error.clone());
                }
                return Err(error);
            }
            if Instant::now() + RETRY_PAUSE >= deadline {
                return Err(Error::new(ErrorKind::TimedOut, format!("given up after {} s: {error}", self.patience.as_secs())));
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// What a batch for the partition is to be sent as.
    pub(super) async fn enlist(&self, partition: &TopicPartition) -> Result<(i64, i16), Error> {
        let (producer, is_known) = {
            let mut state = self.state.lock();
            if let Some(error) = state.failure.as_ref().or(state.fatal.as_ref()) {
                return Err(error.clone());
            }
            state.has_begun = true;
            (state.producer, state.partitions.contains(partition))
        };
        if is_known || self.is_implicit {
            return Ok(producer);
        }
        let topic = AddPartitionsTopic { name: partition.topic.clone(), partitions: vec![partition.partition] };
        let request = AddPartitionsToTxnRequest {
            transactional_id: self.id.clone(),
            producer_id: producer.0,
            producer_epoch: producer.1,
            topics: vec![topic],
            ..Default::default()
        };
        // Version 4 is for brokers.
        self.persist(
            || request.clone(),
            3,
            |answer| {
                let results = answer.results_by_topic.iter().flat_map(|topic| &topic.results_by_partition);
                let code = results.map(|partition| partition.partition_error_code).find(|code| !code.is_none());
                (code.unwrap_or(ErrorCode::NONE), "adding a partition to the transaction")
            },
        )
        .await?;
        self.state.lock().partitions.insert(partition.clone());
        Ok(producer)
    }

    /// A batch was lost: the transaction can only be aborted.
    pub(super) fn fail(&self, error: &Error) {
        let mut state = self.state.lock();
        if is_fatal(error) {
            state.fatal.get_or_insert_with(|| error.clone());
        }
        state.failure.get_or_insert_with(|| error.clone());
    }

    pub(super) fn has_failed(&self) -> bool {
        let state = self.state.lock();
        state.failure.is_some() || state.fatal.is_some()
    }

    async fn send_offsets(&self, group: &GroupMetadata, offsets: Vec<(TopicPartition, OffsetAndMetadata)>) -> Result<(), Error> {
        let (producer_id, producer_epoch) = {
            let mut state = self.state.lock();
            if let Some(error) = state.failure.as_ref().or(state.fatal.as_ref()) {
                return Err(error.clone());
            }
            state.has_begun = true;
            state.producer
        };
        let is_known = self.state.lock().groups.contains(&group.group_id);
        if !is_known {
            self.client.find_coordinator(CoordinatorKind::Group, &group.group_id).await?;
            self.state.lock().groups.insert(group.group_id.clone());
        }
        if !self.is_implicit {
            let request =
                AddOffsetsToTxnRequest { transactional_id: self.id.clone(), producer_id, producer_epoch, group_id: group.group_id.clone() };
            self.persist(|| request.clone(), i16::MAX, |answer| (answer.error_code, "adding offsets to the transaction")).await?;
        }
        let mut topics: Vec<TxnOffsetCommitTopic> = Vec::new();
        for (partition, offset) in offsets {
            let committed = TxnOffsetCommitPartition {
                partition_index: partition.partition,
                committed_offset: offset.offset,
                committed_metadata: Some(offset.metadata.into()),
                ..Default::default()
            };
            match topics.iter_mut().find(|topic| topic.name == partition.topic) {
                Some(topic) => topic.partitions.push(committed),
                None => topics.push(TxnOffsetCommitTopic { name: partition.topic.clone(), partitions: vec![committed] }),
            }
        }
        let request = TxnOffsetCommitRequest {
            transactional_id: self.id.clone(),
            group_id: group.group_id.clone(),
            producer_id,
            producer_epoch,
            generation_id: group.generation,
            member_id: group.member_id.clone(),
            group_instance_id: group.instance_id.clone(),
            topics,
        };
        let version_max = if self.is_implicit { 5 } else { 4 };
        let committed = self.persist(
            || request.clone(),
            version_max,
            |answer| {
                let codes = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
                (codes.into_iter().find(|code| !code.is_none()).unwrap_or(ErrorCode::NONE), "committing offsets in the transaction")
            },
        );
        committed.await.map(drop)
    }

    /// Ends the transaction, or the end that was begun before.
    async fn end(&self, is_commit: bool) -> Result<(), Error> {
        let (request, has_begun, has_failed) = {
            let mut state = self.state.lock();
            if let Some(error) = &state.fatal {
                return Err(error.clone());
            }
            let committed = *state.decision.get_or_insert(is_commit);
            let (producer_id, producer_epoch) = state.producer;
            let request = EndTxnRequest { transactional_id: self.id.clone(), producer_id, producer_epoch, committed };
            (request, state.has_begun, state.failure.is_some())
        };
        if has_begun {
            let version_max = if self.is_implicit { 5 } else { 4 };
            let is_abort = !request.committed;
            let checked = |answer: &EndTxnResponse| match answer.error_code {
                // The broker never heard of it: what would have begun it failed.
                ErrorCode::INVALID_TXN_STATE if is_abort => (ErrorCode::NONE, ""),
                code => (code, "ending the transaction"),
            };
            let answer = self.persist(|| request.clone(), version_max, checked).await?;
            let mut state = self.state.lock();
            if answer.error_code.is_none() && answer.producer_id >= 0 {
                state.producer = (answer.producer_id, answer.producer_epoch);
            } else {
                // The fate of a batch may not be known, and with it the next sequence number: a new epoch begins at 0 (KIP-360).
                state.needs_epoch |= has_failed;
            }
        }
        let mut state = self.state.lock();
        state.partitions.clear();
        (state.is_used, state.has_begun) = (false, false);
        state.failure = None;
        state.decision = None;
        Ok(())
    }

    /// Asks for another epoch, if one is needed.
    async fn renew(&self) -> Result<(), Error> {
        let needs_epoch = self.state.lock().needs_epoch;
        if needs_epoch {
            self.begin_epoch().await?;
            self.state.lock().needs_epoch = false;
        }
        Ok(())
    }

    fn note_use(&self) {
        self.state.lock().is_used = true;
    }

    fn is_at_rest(&self) -> bool {
        let state = self.state.lock();
        !state.is_used && !state.has_begun && state.failure.is_none() && state.decision.is_none()
    }
}

impl TransactionalProducer {
    pub(super) fn new(producer: Producer, transactional: Arc<Transactional>) -> Self {
        TransactionalProducer { producer, transactional }
    }

    /// Begins a transaction. One before it that was not ended is aborted; one whose commit got no answer is committed.
    ///
    /// # Errors
    /// When another producer with the id was begun, or the broker could not be asked.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, Error> {
        if !self.transactional.is_at_rest() {
            self.finish(false).await?;
        }
        self.transactional.renew().await?;
        match &self.transactional.state.lock().fatal {
            Some(error) => Err(error.clone()),
            None => Ok(Transaction { producer: self, is_ended: false }),
        }
    }

    async fn finish(&self, is_commit: bool) -> Result<(), Error> {
        if !is_commit {
            // What waits to be sent is given up.
            self.transactional.fail(&Error::new(ErrorKind::InvalidInput, "the transaction was aborted"));
        }
        self.producer.flush().await;
        self.transactional.end(is_commit).await
    }
}

impl Transaction<'_> {
    /// Puts a record into its batch; waits while the buffer is full. It is safe, and seen, when the transaction is committed.
    ///
    /// # Errors
    /// When the topic or partition does not exist, the record is too large, or the transaction can only be aborted.
    pub async fn send(&self, record: NewRecord) -> Result<Delivery, Error> {
        if let Some(error) = &self.producer.transactional.state.lock().failure {
            return Err(error.clone());
        }
        self.producer.transactional.note_use();
        self.producer.producer.send(record).await
    }

    /// Makes offsets of a group part of the transaction: the next offsets to be read after what the transaction was made from.
    ///
    /// # Errors
    /// When the group has another generation by now, or the broker refuses; then the transaction can only be aborted.
    pub async fn send_offsets_to_transaction<O>(&self, group: &GroupMetadata, offsets: &[(TopicPartition, O)]) -> Result<(), Error>
    where
        O: Clone + Into<OffsetAndMetadata>,
    {
        let offsets = offsets.iter().map(|(partition, offset)| (partition.clone(), offset.clone().into())).collect();
        // Without its offsets it must not be committed, also if nobody waits for the answer any more.
        let mut doom = Doom { transactional: &self.producer.transactional, is_averted: false };
        doom.transactional.note_use();
        doom.transactional.send_offsets(group, offsets).await?;
        doom.is_averted = true;
        Ok(())
    }

    /// Commits: waits for everything that was sent, and for the broker's word.
    ///
    /// # Errors
    /// When something of it could not be delivered, and all of it was aborted. When the broker did not answer, the kind is
    /// [`ErrorKind::TimedOut`]: it may be committed, and the next [`TransactionalProducer::begin`] sees to it that it is.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.producer.producer.flush().await;
        let failure = self.producer.transactional.state.lock().failure.clone();
        // From here on it is decided, whether or not the caller waits.
        self.is_ended = true;
        match failure {
            None => self.producer.finish(true).await,
            Some(failure) => {
                self.producer.finish(false).await?;
                Err(failure)
            }
        }
    }

    /// Aborts: readers of committed records will see nothing of it.
    ///
    /// # Errors
    /// When the broker could not be asked; the next [`TransactionalProducer::begin`] tries again.
    pub async fn abort(mut self) -> Result<(), Error> {
        self.is_ended = true;
        self.producer.finish(false).await
    }
}

/// Fails the transaction, unless it is averted.
struct Doom<'a> {
    transactional: &'a Transactional,
    is_averted: bool,
}

impl Drop for Doom<'_> {
    fn drop(&mut self) {
        if !self.is_averted {
            self.transactional.fail(&Error::new(ErrorKind::InvalidInput, "the offsets of the transaction were not committed"));
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.is_ended {
            self.producer.transactional.fail(&Error::new(ErrorKind::InvalidInput, "the transaction was dropped"));
        }
    }
}
