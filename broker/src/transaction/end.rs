//! The end of a transaction: the decision is durable, then every partition gets a marker, then the id is free again.

use std::sync::Arc;

use millstream_protocol::Str;
use millstream_protocol::record::Marker;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::oneshot;

use super::state::{End, ProducerIdentity, Transaction, TransactionState};
use super::{Slot, TransactionError, Transactions};
use crate::journal::{self, JournalError, durable};
use crate::metrics::Metrics;
use crate::partition::{Acknowledged, AppendError, Partition};

/// There is one coordinator, and it never moves.
const COORDINATOR_EPOCH: i32 = 0;

/// Markers on their way. They are written whether or not anybody waits.
#[derive(Debug)]
pub(crate) struct Marking(oneshot::Receiver<Result<(), TransactionError>>);

impl Marking {
    /// Waits until all of them are durable.
    pub(crate) async fn done(self) -> Result<(), TransactionError> {
        self.0.await.unwrap_or(Err(TransactionError::NotCompleted))
    }
}

/// What keeps a decision from coming to all partitions. To clients it is only late.
#[derive(Debug, Error)]
enum NotMarked {
    #[error(transparent)]
    Marker(#[from] AppendError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Transaction(#[from] TransactionError),
}

/// What the end of a transaction waits for.
pub(crate) enum Ending {
    Marking(Marking),
    /// It ended so before; that is durable with this.
    Over(Acknowledged),
}

impl Transactions {
    /// Commits or aborts. The decision takes effect when this is called; the answer to wait for is that every reader of committed
    /// records sees it. Says with which identity the producer goes on.
    pub(crate) fn end(
        self: &Arc<Self>,
        id: &Str,
        who: ProducerIdentity,
        is_commit: bool,
        is_bumping: bool,
    ) -> Result<(Ending, ProducerIdentity), TransactionError> {
        let slot = self.slot(id).ok_or(TransactionError::OtherProducer)?;
        let mut locked = slot.lock();
        let now_ms = self.clock.now_ms();
        let (end, acknowledged) = self.change(id, &mut locked, |transaction| {
            let is_last = transaction.needs_producer_id_at_end();
            let end = transaction.end(who, is_commit, is_bumping, now_ms)?;
            if end == End::Prepared && is_bumping && is_last {
                transaction.next_producer_id = self.next_producer_id()?;
            }
            Ok(end)
        })?;
        let transaction = &locked.transaction;
        let identity = match transaction.next_producer_id {
            -1 => transaction.identity(),
            producer_id => ProducerIdentity { producer_id, epoch: 0 },
        };
        Ok(match end {
            End::Repeated => (Ending::Over(acknowledged), identity),
            End::Prepared => (Ending::Marking(self.mark(id, &slot, &mut locked, acknowledged)), identity),
        })
    }

    /// Begins to write the markers of a decision, which is durable with `decided`.
    pub(super) fn mark(self: &Arc<Self>, id: &Str, slot: &Arc<Mutex<Slot>>, locked: &mut Slot, decided: Acknowledged) -> Marking {
        locked.is_completing = true;
        let (sender, receiver) = oneshot::channel();
        let (transactions, id, slot) = (self.clone(), id.detached(), slot.clone());
        let transaction = locked.transaction.clone();
        // A task of its own: a client that hangs up does not leave a transaction half ended.
        tokio::spawn(async move {
            let completed = transactions.complete(&id, &slot, &transaction, decided).await;
            let completed = completed.map_err(|error| {
                tracing::warn!(transactional_id = %id, "a transaction could not be completed and is tried again: {error}");
                slot.lock().is_completing = false;
                // The decision stands: to the client the end is only late, whatever kept a partition from taking its marker.
                TransactionError::NotCompleted
            });
            // Nobody may wait any more.
            let _ = sender.send(completed);
        });
        Marking(receiver)
    }

    async fn complete(
        self: &Arc<Self>,
        id: &Str,
        slot: &Arc<Mutex<Slot>>,
        transaction: &Transaction,
        decided: Acknowledged,
    ) -> Result<(), NotMarked> {
        durable(decided).await?;
        let is_commit = transaction.state == TransactionState::PrepareCommit;
        let who = transaction.identity();
        let mut written = Vec::with_capacity(transaction.partitions.len());
        for (topic, index) in &transaction.partitions {
            // A topic that was deleted needs no marker.
            if let Some(partition) = self.catalog.get(topic).and_then(|topic| topic.partition(*index)) {
                match self.append_own_marker(topic, &partition, who, is_commit) {
                    Ok(acknowledged) => written.push(acknowledged),
                    // A newer producer has ended it, or the topic is on its way out.
                    Err(AppendError::ProducerFenced | AppendError::BeingDeleted) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        for acknowledged in written {
            durable(acknowledged).await?;
        }
        let mut locked = slot.lock();
        let now_ms = self.clock.now_ms();
        self.change(id, &mut locked, |transaction| {
            transaction.complete(now_ms);
            Ok(())
        })?;
        locked.is_completing = false;
        let counter = if is_commit { &self.metrics.transactions_committed } else { &self.metrics.transactions_aborted };
        Metrics::add(counter, 1);
        Ok(())
    }

    /// Ends a producer's transaction in one partition, as its coordinator. An administrator may have done so in the name of a
    /// coordinator with a higher epoch, which must not keep the partition from ever hearing of a decision again.
    fn append_own_marker(
        &self,
        topic: &str,
        partition: &Arc<Partition>,
        who: ProducerIdentity,
        is_commit: bool,
    ) -> Result<Acknowledged, AppendError> {
        let coordinator_epoch = partition.coordinator_epoch(who.producer_id).max(COORDINATOR_EPOCH);
        self.append_marker(topic, partition, who, is_commit, coordinator_epoch)
    }

    pub(super) fn append_marker(
        &self,
        topic: &str,
        partition: &Arc<Partition>,
        who: ProducerIdentity,
        is_commit: bool,
        coordinator_epoch: i32,
    ) -> Result<Acknowledged, AppendError> {
        let marker = Marker { is_commit, coordinator_epoch };
        let acknowledged = partition.append_marker(who.producer_id, who.epoch, marker, self.clock.now_ms())?;
        if topic == journal::OFFSETS {
            self.groups.end_transaction(who.producer_id, is_commit);
        }
        Ok(acknowledged)
    }

    /// Aborts a transaction in a partition whose coordinator does not know of it. The marker's epoch is one higher than that of the
    /// batches: when the producer sends one again it is refused, where it would be taken for a repetition of what was just aborted.
    pub(super) fn abort_hanging(&self, topic: &str, partition: &Arc<Partition>, producer_id: i64, epoch: i16) {
        tracing::warn!(topic, partition = partition.index, producer_id, "a transaction that nobody knows of is aborted");
        let epoch = epoch.saturating_add(1);
        if let Err(error) = self.append_own_marker(topic, partition, ProducerIdentity { producer_id, epoch }, false) {
            tracing::error!(topic, partition = partition.index, producer_id, "it could not be aborted: {error}");
        }
    }
}
