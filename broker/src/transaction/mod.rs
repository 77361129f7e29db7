//! The coordinator of transactions: which producer has a transactional id, which partitions its transaction writes to, and
//! how it ended. The decision is in the journal, on stable storage, before any partition hears of it; markers follow, also
//! after a crash.
//!
//! * [`state`] is the pure state machine of an id; * [`end`] writes markers and completes; * [`describe`] tells
//!
//! Locks are taken in this order: a transactional id, the groups, a partition. An id is locked while a first batch is appended
//! to a partition, so that no marker can get in between the coordinator's yes and the batch.

mod describe;
mod end;
mod error;
mod state;

use std::collections::HashMap;
use std::sync::Arc;

use millstream_protocol::Str;
use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::TransactionSettings;
use crate::durable;
use crate::group::Groups;
use crate::identity;
use crate::journal::{Journal, JournalEntry, JournalError, Replayed};
use crate::limit;
use crate::metrics::Metrics;
use crate::partition::{Acknowledged, AppendError, Partition};
use state::{AddedPartition, Begin, Transaction, TransactionState};

pub(crate) use describe::Filter;
pub(crate) use end::{Ending, Marking};
pub(crate) use error::TransactionError;
pub(crate) use state::ProducerIdentity;

const VERSION: u8 = 1;

/// A transactional id, with what is not kept of it.
#[derive(Debug)]
struct Slot {
    transaction: Transaction,
    /// Since when the transaction is open, monotonic.
    open_since_ms: i64,
    /// Somebody is writing its markers.
    is_completing: bool,
    /// It has expired; a caller that still holds it looks it up again.
    is_forgotten: bool,
}

/// What the coordinator works with.
#[derive(Debug)]
pub(crate) struct Around {
    pub catalog: Arc<Catalog>,
    pub groups: Arc<Groups>,
    pub identity: Arc<identity::Identity>,
    pub metrics: Arc<Metrics>,
}

/// The coordinator.
#[derive(Debug)]
pub(crate) struct Transactions {
    journal: Journal,
    catalog: Arc<Catalog>,
    groups: Arc<Groups>,
    identity: Arc<identity::Identity>,
    metrics: Arc<Metrics>,
    clock: Clock,
    settings: TransactionSettings,
    by_id: Mutex<HashMap<Str, Arc<Mutex<Slot>>>>,
}

impl Transactions {
    /// Reads what an earlier process knew.
    pub(crate) fn open(journal: Journal, around: Around, clock: Clock, settings: TransactionSettings) -> Self {
        let mut by_id = HashMap::new();
        let mut damaged = 0;
        let now_ms = clock.monotonic_ms();
        journal.replay(|replayed| {
            let Replayed::Entry { key, value, .. } = replayed else { return };
            let Ok(id) = durable::decode::<String>(VERSION, &key) else {
                damaged += 1;
                return;
            };
            match value.map(|value| durable::decode::<Transaction>(VERSION, &value)) {
                None => {
                    by_id.remove(&Str::from(id));
                }
                Some(Ok(transaction)) => {
                    let slot = Slot { transaction, open_since_ms: now_ms, is_completing: false, is_forgotten: false };
                    by_id.insert(Str::from(id), Arc::new(Mutex::new(slot)));
                }
                Some(Err(_)) => damaged += 1,
            }
        });
        if damaged > 0 {
            tracing::error!("{damaged} entries of the journal of transactions cannot be read: outcomes may be missing");
        }
        let Around { catalog, groups, identity, metrics } = around;
        Transactions { journal, catalog, groups, identity, metrics, clock, settings, by_id: Mutex::new(by_id) }
    }

    /// Makes the journal's topic, so that a client that looks for the coordinator finds it ready.
    pub(crate) fn prepare(&self) -> Result<(), JournalError> {
        self.journal.partition(self.clock.now_ms()).map(|_| ())
    }

    fn slot(&self, id: &Str) -> Option<Arc<Mutex<Slot>>> {
        self.by_id.lock().get(id).cloned()
    }

    fn keep(&self, id: &str, transaction: &Transaction) -> Result<Acknowledged, JournalError> {
        let entry = JournalEntry { key: durable::encode(VERSION, &id), value: Some(durable::encode(VERSION, transaction)) };
        self.journal.append(&[entry], None, self.clock.now_ms())
    }

    fn next_producer_id(&self) -> Result<i64, TransactionError> {
        self.identity.next_producer_id().map_err(|error| {
            tracing::error!("no producer id could be reserved: {error}");
            TransactionError::NoProducerId
        })
    }

    /// Resolves when everything that was decided until now is durable.
    pub(crate) fn settled(&self) -> Acknowledged {
        self.journal.settled()
    }

    /// Changes a transaction and keeps it; what could not be kept did not change.
    fn change<R>(
        &self,
        id: &str,
        slot: &mut Slot,
        act: impl FnOnce(&mut Transaction) -> Result<R, TransactionError>,
    ) -> Result<(R, Acknowledged), TransactionError> {
        let before = slot.transaction.clone();
        let result = act(&mut slot.transaction);
        let is_changed = slot.transaction != before;
        let kept = match &result {
            Ok(_) if is_changed => self.keep(id, &slot.transaction).map_err(TransactionError::from),
            // What it was before may not be durable yet either.
            _ => Ok(self.journal.settled()),
        };
        match (result, kept) {
            (Ok(result), Ok(acknowledged)) => {
                if before.state != TransactionState::Ongoing && slot.transaction.state == TransactionState::Ongoing {
                    slot.open_since_ms = self.clock.monotonic_ms();
                }
                Ok((result, acknowledged))
            }
            (Err(error), _) | (_, Err(error)) => {
                slot.transaction = before;
                Err(error)
            }
        }
    }

    /// A producer begins with a transactional id. An open transaction of the producer that had it is aborted first.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        id: Str,
        known: Option<ProducerIdentity>,
        timeout_ms: i32,
    ) -> Result<ProducerIdentity, TransactionError> {
        if id.len() > limit::TRANSACTIONAL_ID_BYTES_MAX {
            return Err(TransactionError::IdTooLong);
        }
        if timeout_ms <= 0 || i64::from(timeout_ms) > self.settings.timeout_ms_max {
            return Err(TransactionError::InvalidTimeout);
        }
        loop {
            match self.try_begin(&id, known, timeout_ms)? {
                Begun::Ready(identity, acknowledged) => {
                    crate::journal::durable(acknowledged).await?;
                    return Ok(identity);
                }
                Begun::Ended(marking) => marking.done().await?,
                Begun::Forgotten => {}
            }
        }
    }

    fn try_begin(self: &Arc<Self>, id: &Str, known: Option<ProducerIdentity>, timeout_ms: i32) -> Result<Begun, TransactionError> {
        let now_ms = self.clock.now_ms();
        let slot = {
            let mut by_id = self.by_id.lock();
            match by_id.get(id) {
                Some(slot) => slot.clone(),
                None => {
                    let transaction = Transaction::new(self.next_producer_id()?, timeout_ms, now_ms);
                    let identity = transaction.identity();
                    let acknowledged = self.keep(id, &transaction)?;
                    let slot = Slot { transaction, open_since_ms: self.clock.monotonic_ms(), is_completing: false, is_forgotten: false };
                    by_id.insert(id.detached(), Arc::new(Mutex::new(slot)));
                    return Ok(Begun::Ready(identity, acknowledged));
                }
            }
        };
        let mut locked = slot.lock();
        if locked.is_forgotten {
            return Ok(Begun::Forgotten);
        }
        let (begin, acknowledged) = self.change(id, &mut locked, |transaction| {
            let begin = transaction.begin(known, timeout_ms, now_ms)?;
            match begin {
                Begin::AbortFirst => self.fence(transaction, now_ms)?,
                Begin::NeedsProducerId => transaction.rotate(self.next_producer_id()?, known.is_some(), timeout_ms, now_ms),
                Begin::Known | Begin::Bumped => {}
            }
            Ok(begin)
        })?;
        let identity = locked.transaction.identity();
        Ok(match begin {
            Begin::AbortFirst => Begun::Ended(self.mark(id, &slot, &mut locked, acknowledged)),
            Begin::Known | Begin::Bumped | Begin::NeedsProducerId => Begun::Ready(identity, acknowledged),
        })
    }

    fn fence(&self, transaction: &mut Transaction, now_ms: i64) -> Result<(), TransactionError> {
        if transaction.needs_producer_id_at_end() {
            transaction.next_producer_id = self.next_producer_id()?;
        }
        transaction.fence(now_ms);
        Ok(())
    }

    /// Adds partitions to the transaction.
    pub(crate) fn add(&self, id: &Str, who: ProducerIdentity, places: Vec<AddedPartition>) -> Result<Acknowledged, TransactionError> {
        let slot = self.slot(id).ok_or(TransactionError::OtherProducer)?;
        let mut slot = slot.lock();
        let now_ms = self.clock.now_ms();
        self.change(id, &mut slot, |transaction| transaction.add(who, places, now_ms)).map(|(_, acknowledged)| acknowledged)
    }

    /// Whether the transaction writes to each of the partitions.
    pub(crate) fn verify(
        &self,
        id: &Str,
        who: ProducerIdentity,
        places: &[AddedPartition],
    ) -> Result<Vec<Result<(), TransactionError>>, TransactionError> {
        let slot = self.slot(id).ok_or(TransactionError::OtherProducer)?;
        let slot = slot.lock();
        Ok(places.iter().map(|place| slot.transaction.verify(who, place)).collect())
    }

    /// Writes to a partition in the name of the transaction, which `is_adding` adds it to if it was not (KIP-890). What is written
    /// counts only once the added partition is durable as well.
    pub(crate) fn write<R>(
        &self,
        id: &Str,
        who: ProducerIdentity,
        place: AddedPartition,
        is_adding: bool,
        write: impl FnOnce() -> R,
    ) -> Result<(R, Acknowledged), TransactionError> {
        let slot = self.slot(id).ok_or(TransactionError::OtherProducer)?;
        let mut slot = slot.lock();
        if !is_adding {
            slot.transaction.verify(who, &place)?;
            return Ok((write(), None));
        }
        let now_ms = self.clock.now_ms();
        let (_, acknowledged) = self.change(id, &mut slot, |transaction| transaction.add(who, [place], now_ms))?;
        Ok((write(), acknowledged))
    }

    /// An administrator ends what a producer has open in a partition. The coordinator's word for that id waits meanwhile.
    pub(crate) fn end_by_admin(
        &self,
        topic: &str,
        partition: &Arc<Partition>,
        who: ProducerIdentity,
        is_commit: bool,
        coordinator_epoch: i32,
    ) -> Result<Acknowledged, AppendError> {
        let slots: Vec<Arc<Mutex<Slot>>> = self.by_id.lock().values().cloned().collect();
        let owner = slots.iter().map(|slot| slot.lock()).find(|slot| slot.transaction.producer_id == who.producer_id);
        let appended = self.append_marker(topic, partition, who, is_commit, coordinator_epoch);
        drop(owner);
        appended
    }

    /// Ends what a crash left behind: partitions with an open transaction that the coordinator does not know of, since its
    /// journal had not got that far. Nobody was promised anything of them. It has to happen before any request is served.
    pub(crate) fn abort_unknown(&self) {
        let mut open: HashMap<i64, Arc<Mutex<Slot>>> = HashMap::new();
        for slot in self.by_id.lock().values() {
            open.insert(slot.lock().transaction.producer_id, slot.clone());
        }
        for topic in self.catalog.all() {
            for partition in topic.partitions().iter() {
                for (producer_id, epoch) in partition.open_transactions() {
                    let place = (topic.name.clone(), partition.index);
                    let is_known = open.get(&producer_id).is_some_and(|slot| slot.lock().transaction.is_of(&place, epoch));
                    if !is_known {
                        self.abort_hanging(&topic.name, partition, producer_id, epoch);
                    }
                }
            }
        }
    }

    /// Aborts what is open for too long, forgets ids that nobody uses, and goes on with what could not be completed.
    pub(crate) fn tend_once(self: &Arc<Self>) {
        let (now_ms, wall_ms) = (self.clock.monotonic_ms(), self.clock.now_ms());
        let slots: Vec<(Str, Arc<Mutex<Slot>>)> = self.by_id.lock().iter().map(|(id, slot)| (id.clone(), slot.clone())).collect();
        for (id, slot) in slots {
            let mut locked = slot.lock();
            let transaction = &locked.transaction;
            match transaction.state {
                TransactionState::Ongoing if now_ms - locked.open_since_ms > i64::from(transaction.timeout_ms) => {
                    tracing::info!(transactional_id = %id, "a transaction is open for longer than its timeout and is aborted");
                    let fenced = self.change(&id, &mut locked, |transaction| self.fence(transaction, wall_ms));
                    if let Ok(((), acknowledged)) = fenced {
                        // It is written whether or not somebody waits for it.
                        drop(self.mark(&id, &slot, &mut locked, acknowledged));
                    }
                }
                TransactionState::PrepareCommit | TransactionState::PrepareAbort if !locked.is_completing => {
                    // The decision itself may have been what could not be made durable.
                    drop(self.mark(&id, &slot, &mut locked, self.journal.settled()));
                }
                TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort
                    if wall_ms - transaction.updated_ms > self.settings.expiration_ms =>
                {
                    drop(locked);
                    self.forget(&id, wall_ms);
                }
                _ => {}
            }
        }
    }

    /// Tells the partitions of outcomes that an earlier process decided.
    pub(crate) fn complete_prepared(self: &Arc<Self>) {
        let slots: Vec<(Str, Arc<Mutex<Slot>>)> = self.by_id.lock().iter().map(|(id, slot)| (id.clone(), slot.clone())).collect();
        for (id, slot) in slots {
            let mut locked = slot.lock();
            if matches!(locked.transaction.state, TransactionState::PrepareCommit | TransactionState::PrepareAbort) && !locked.is_completing
            {
                drop(self.mark(&id, &slot, &mut locked, None));
            }
        }
    }

    fn forget(&self, id: &Str, wall_ms: i64) {
        let mut by_id = self.by_id.lock();
        let Some(slot) = by_id.get(id).cloned() else { return };
        let mut slot = slot.lock();
        let is_idle =
            matches!(slot.transaction.state, TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort);
        if is_idle && wall_ms - slot.transaction.updated_ms > self.settings.expiration_ms {
            let entry = JournalEntry { key: durable::encode(VERSION, &&**id), value: None };
            if self.journal.append(&[entry], None, wall_ms).is_ok() {
                slot.is_forgotten = true;
                by_id.remove(id);
            }
        }
    }

    /// How often there is something to tend.
    pub(crate) fn check_ms(&self) -> u64 {
        self.settings.check_ms as u64
    }
}

/// How far a begin has come.
enum Begun {
    /// The producer may go on once this is durable.
    Ready(ProducerIdentity, Acknowledged),
    /// A transaction is being aborted first.
    Ended(Marking),
    /// The id has expired meanwhile.
    Forgotten,
}
