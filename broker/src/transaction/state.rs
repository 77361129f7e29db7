//! The state machine of a transactional id. Pure: a request comes in, what is to be kept and done comes out.
//!
//! ```text
//!  Empty ──a partition is added──▶ Ongoing ──end──▶ PrepareCommit ──markers written──▶ CompleteCommit ─┐
//!    ▲                               ▲    └──end, timeout, a new producer──▶ PrepareAbort ─▶ CompleteAbort ─┤
//!    └──InitProducerId───────────────└──a partition is added──────────────────────────────────────────┘
//! ```
//!
//! The rules are those of Kafka's `TransactionCoordinator` and `TransactionMetadata`; with the newer protocol (KIP-890)
//! the epoch rises with the end of every transaction, so that nothing late can get into the next one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::error::TransactionError;

/// A producer with this epoch gets another id instead of a higher epoch.
const EPOCH_LAST: i16 = i16::MAX - 1;

/// Where the id is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TransactionState {
    Empty,
    Ongoing,
    PrepareCommit,
    PrepareAbort,
    CompleteCommit,
    CompleteAbort,
}

impl TransactionState {
    /// Every state by its name; Kafka has a few more, which nothing here is ever in.
    pub(super) const NAMES: [&'static str; 8] =
        ["Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"];

    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// A topic and a partition.
pub(super) type AddedPartition = (String, i32);

/// A transactional id, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transaction {
    pub producer_id: i64,
    /// The id that it had until its epochs ran out, or -1.
    pub previous_producer_id: i64,
    pub epoch: i16,
    /// The epoch before, which a client that missed an answer still has; or -1.
    pub last_epoch: i16,
    pub timeout_ms: i32,
    pub state: TransactionState,
    pub partitions: BTreeSet<AddedPartition>,
    /// When the open transaction began, or -1; wall clock.
    pub started_ms: i64,
    /// Wall clock.
    pub updated_ms: i64,
    /// Producer id of the next transaction, when the epochs run out with this one; or -1.
    pub next_producer_id: i64,
}

/// The producer that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerIdentity {
    pub producer_id: i64,
    pub epoch: i16,
}

/// What InitProducerId has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// The open transaction is aborted first.
    AbortFirst,
    /// Nothing changed: the client missed an answer.
    Known,
    /// The epoch rose.
    Bumped,
    /// The epochs have run out: another id is needed.
    NeedsProducerId,
}

/// What the end of a transaction has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Markers are to be written.
    Prepared,
    /// It ended so before.
    Repeated,
}

impl Transaction {
    pub(super) fn new(producer_id: i64, timeout_ms: i32, now_ms: i64) -> Self {
        Transaction {
            producer_id,
            previous_producer_id: -1,
            epoch: 0,
            last_epoch: -1,
            timeout_ms,
            state: TransactionState::Empty,
            partitions: BTreeSet::new(),
            started_ms: -1,
            updated_ms: now_ms,
            next_producer_id: -1,
        }
    }

    pub(super) fn identity(&self) -> ProducerIdentity {
        ProducerIdentity { producer_id: self.producer_id, epoch: self.epoch }
    }

    /// Whether what is open in a partition with this epoch is this transaction: it may also be the one after it, which wrote its
    /// first batch before a crash made this one's completion forgotten.
    pub(super) fn is_of(&self, place: &AddedPartition, epoch: i16) -> bool {
        let batches_epoch = match self.state {
            TransactionState::Ongoing => self.epoch,
            // The decision may have raised it.
            TransactionState::PrepareCommit | TransactionState::PrepareAbort if self.last_epoch >= 0 => self.last_epoch,
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => self.epoch,
            TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort => return false,
        };
        batches_epoch == epoch && self.partitions.contains(place)
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == TransactionState::Ongoing || self.is_ending()
    }

    fn is_ending(&self) -> bool {
        matches!(self.state, TransactionState::PrepareCommit | TransactionState::PrepareAbort)
    }

    /// Whether the client's id and epoch are the newest.
    fn check(&self, who: ProducerIdentity) -> Result<(), TransactionError> {
        if who.producer_id != self.producer_id {
            Err(TransactionError::OtherProducer)
        } else if who.epoch != self.epoch {
            Err(TransactionError::Fenced)
        } else {
            Ok(())
        }
    }

    /// A producer begins. `known` is what it has from an earlier begin, if it says so (KIP-360).
    pub(super) fn begin(&mut self, known: Option<ProducerIdentity>, timeout_ms: i32, now_ms: i64) -> Result<Begin, TransactionError> {
        if let Some(known) = known
            && known.producer_id != self.producer_id
            && known.producer_id != self.previous_producer_id
        {
            return Err(TransactionError::Fenced);
        }
        let is_current = known.is_none_or(|known| known.producer_id == self.producer_id && known.epoch == self.epoch);
        // Also across a change of the id, but then only the producer that used up the last epoch of the id before.
        let is_retry = known.is_some_and(|known| {
            known.epoch == self.last_epoch && (known.producer_id == self.producer_id || (known.epoch == EPOCH_LAST && self.epoch == 0))
        });
        match self.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => Err(TransactionError::Ending),
            // Whatever epoch it says it has.
            TransactionState::Ongoing => Ok(Begin::AbortFirst),
            _ if !is_current && !is_retry => Err(TransactionError::Fenced),
            TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort => {
                if is_retry && !is_current {
                    self.rest(timeout_ms, now_ms);
                    return Ok(Begin::Known);
                }
                if self.epoch >= EPOCH_LAST {
                    return Ok(Begin::NeedsProducerId);
                }
                // Only a client that says which epoch it had may ask again with it.
                self.last_epoch = if known.is_some() { self.epoch } else { -1 };
                self.epoch += 1;
                self.rest(timeout_ms, now_ms);
                Ok(Begin::Bumped)
            }
        }
    }

    /// Another id, since the epochs have run out. Only a client that says which epoch it had may ask again with it.
    pub(super) fn rotate(&mut self, producer_id: i64, is_known: bool, timeout_ms: i32, now_ms: i64) {
        self.previous_producer_id = self.producer_id;
        self.producer_id = producer_id;
        self.last_epoch = if is_known { self.epoch } else { -1 };
        self.epoch = 0;
        self.rest(timeout_ms, now_ms);
    }

    fn rest(&mut self, timeout_ms: i32, now_ms: i64) {
        self.state = TransactionState::Empty;
        self.timeout_ms = timeout_ms;
        self.started_ms = -1;
        self.updated_ms = now_ms;
        self.partitions.clear();
    }

    /// Partitions that the transaction is about to write to; says whether there is anything to be kept.
    pub(super) fn add(
        &mut self,
        who: ProducerIdentity,
        places: impl IntoIterator<Item = AddedPartition>,
        now_ms: i64,
    ) -> Result<bool, TransactionError> {
        self.check(who)?;
        if self.is_ending() {
            return Err(TransactionError::Ending);
        }
        let mut is_changed = self.state != TransactionState::Ongoing;
        if is_changed {
            self.state = TransactionState::Ongoing;
            self.started_ms = now_ms;
            self.partitions.clear();
        }
        for place in places {
            is_changed |= self.partitions.insert(place);
        }
        if is_changed {
            self.updated_ms = now_ms;
        }
        Ok(is_changed)
    }

    /// Whether the transaction is open and writes to a partition.
    pub(super) fn verify(&self, who: ProducerIdentity, place: &AddedPartition) -> Result<(), TransactionError> {
        self.check(who)?;
        if self.is_ending() {
            return Err(TransactionError::Ending);
        }
        if self.state == TransactionState::Ongoing && self.partitions.contains(place) { Ok(()) } else { Err(TransactionError::NotAdded) }
    }

    /// The client ends the transaction. With the newer protocol the epoch rises.
    pub(super) fn end(&mut self, who: ProducerIdentity, is_commit: bool, is_bumping: bool, now_ms: i64) -> Result<End, TransactionError> {
        let missed_rotation = is_bumping && who.producer_id == self.previous_producer_id && who.epoch == EPOCH_LAST && self.epoch == 0;
        if who.producer_id != self.producer_id && !missed_rotation {
            return Err(TransactionError::OtherProducer);
        }
        let missed_bump = is_bumping
            && !matches!(self.state, TransactionState::Empty | TransactionState::Ongoing)
            && who.producer_id == self.producer_id
            && self.epoch > 0
            && who.epoch == self.epoch - 1;
        let is_repeated = missed_rotation || missed_bump;
        if !is_repeated && who.epoch != self.epoch {
            return Err(TransactionError::Fenced);
        }
        let ended = |state| match state {
            TransactionState::CompleteCommit => Some(true),
            TransactionState::CompleteAbort => Some(false),
            _ => None,
        };
        match self.state {
            TransactionState::Ongoing => {
                self.prepare(is_commit, is_bumping, now_ms);
                Ok(End::Prepared)
            }
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => {
                if is_commit == (self.state == TransactionState::PrepareCommit) {
                    Err(TransactionError::Ending)
                } else {
                    Err(TransactionError::NotToBeEnded)
                }
            }
            TransactionState::CompleteCommit | TransactionState::CompleteAbort if !is_bumping || is_repeated => {
                if ended(self.state) == Some(is_commit) { Ok(End::Repeated) } else { Err(TransactionError::NotToBeEnded) }
            }
            // With the newer protocol a transaction that wrote nothing may be aborted.
            TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort if is_bumping && !is_commit => {
                self.partitions.clear();
                self.prepare(false, true, now_ms);
                Ok(End::Prepared)
            }
            TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort => {
                Err(TransactionError::NotToBeEnded)
            }
        }
    }

    fn prepare(&mut self, is_commit: bool, is_bumping: bool, now_ms: i64) {
        self.state = if is_commit { TransactionState::PrepareCommit } else { TransactionState::PrepareAbort };
        self.updated_ms = now_ms;
        if is_bumping {
            self.last_epoch = self.epoch;
            self.epoch = self.epoch.saturating_add(1);
        } else {
            // A producer with an older epoch has missed more than an answer.
            self.last_epoch = -1;
        }
    }

    /// Whether the next bump uses up the epochs of this producer id.
    pub(super) fn needs_producer_id_at_end(&self) -> bool {
        self.epoch >= EPOCH_LAST
    }

    /// The broker ends the transaction: its time is over, or another producer has its id. The one that had it is fenced. Another producer
    /// id follows if this uses up the epochs.
    pub(super) fn fence(&mut self, now_ms: i64) {
        self.state = TransactionState::PrepareAbort;
        // It may begin anew with what it has (KIP-588).
        self.last_epoch = self.epoch;
        self.epoch = self.epoch.saturating_add(1);
        self.updated_ms = now_ms;
    }

    /// All markers are written.
    pub(super) fn complete(&mut self, now_ms: i64) {
        self.state =
            if self.state == TransactionState::PrepareCommit { TransactionState::CompleteCommit } else { TransactionState::CompleteAbort };
        self.partitions.clear();
        self.updated_ms = now_ms;
        if self.next_producer_id >= 0 {
            self.previous_producer_id = self.producer_id;
            self.producer_id = std::mem::replace(&mut self.next_producer_id, -1);
            self.epoch = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Transaction {
        Transaction::new(7, 1000, 0)
    }

    fn who(epoch: i16) -> ProducerIdentity {
        ProducerIdentity { producer_id: 7, epoch }
    }

    fn place(partition: i32) -> AddedPartition {
        ("t".into(), partition)
    }

    #[test]
    fn a_commit_goes_its_way_and_may_be_repeated() {
        let mut transaction = fresh();
        assert_eq!(transaction.end(who(0), true, true, 1), Err(TransactionError::NotToBeEnded), "nothing to commit");
        assert_eq!(transaction.add(who(0), [place(0)], 1), Ok(true));
        assert_eq!(transaction.add(who(0), [place(0)], 1), Ok(false));
        assert_eq!(transaction.end(who(0), true, true, 2), Ok(End::Prepared));
        assert_eq!((transaction.state, transaction.epoch), (TransactionState::PrepareCommit, 1));
        assert_eq!(transaction.add(who(1), [place(0)], 2), Err(TransactionError::Ending));
        transaction.complete(3);
        assert_eq!(transaction.end(who(0), true, true, 4), Ok(End::Repeated), "the answer was lost");
        assert_eq!(transaction.end(who(0), false, true, 4), Err(TransactionError::NotToBeEnded), "the other outcome");
        assert_eq!(transaction.add(who(0), [place(1)], 4), Err(TransactionError::Fenced), "the old epoch");
        assert_eq!(transaction.add(who(1), [place(1)], 4), Ok(true));
    }

    #[test]
    fn without_the_newer_protocol_the_epoch_stays() {
        let mut transaction = fresh();
        transaction.add(who(0), [place(0)], 1).unwrap();
        assert_eq!(transaction.end(who(0), false, false, 2), Ok(End::Prepared));
        transaction.complete(3);
        assert_eq!((transaction.state, transaction.epoch), (TransactionState::CompleteAbort, 0));
        assert_eq!(transaction.end(who(0), false, false, 4), Ok(End::Repeated));
        assert_eq!(transaction.end(who(0), true, false, 4), Err(TransactionError::NotToBeEnded));
    }

    #[test]
    fn a_new_producer_fences_the_old_one() {
        let mut transaction = fresh();
        transaction.add(who(0), [place(0)], 1).unwrap();
        assert_eq!(transaction.begin(None, 500, 2), Ok(Begin::AbortFirst));
        transaction.fence(2);
        transaction.complete(3);
        assert_eq!(transaction.begin(None, 500, 4), Ok(Begin::Bumped));
        assert_eq!((transaction.epoch, transaction.timeout_ms), (2, 500));
        assert_eq!(transaction.verify(who(0), &place(0)), Err(TransactionError::Fenced));
        assert_eq!(transaction.end(who(0), true, true, 5), Err(TransactionError::Fenced));
    }

    #[test]
    fn a_client_that_missed_the_answer_gets_it_again() {
        let mut transaction = fresh();
        assert_eq!(transaction.begin(Some(who(0)), 1000, 1), Ok(Begin::Bumped));
        assert_eq!(transaction.begin(Some(who(0)), 1000, 2), Ok(Begin::Known));
        assert_eq!(transaction.epoch, 1);
        assert_eq!(transaction.begin(Some(who(5)), 1000, 2), Err(TransactionError::Fenced));
        assert_eq!(transaction.begin(Some(ProducerIdentity { producer_id: 8, epoch: 1 }), 1000, 2), Err(TransactionError::Fenced));
    }

    #[test]
    fn epochs_run_out_and_another_id_follows() {
        let mut transaction = Transaction { epoch: EPOCH_LAST, ..fresh() };
        assert_eq!(transaction.begin(None, 1000, 1), Ok(Begin::NeedsProducerId));
        transaction.add(who(EPOCH_LAST), [place(0)], 1).unwrap();
        assert!(transaction.needs_producer_id_at_end());
        transaction.next_producer_id = 9;
        assert_eq!(transaction.end(who(EPOCH_LAST), true, true, 2), Ok(End::Prepared));
        assert_eq!(transaction.epoch, i16::MAX, "the markers' epoch");
        transaction.complete(3);
        assert_eq!(transaction.identity(), ProducerIdentity { producer_id: 9, epoch: 0 });
        assert_eq!(transaction.end(who(EPOCH_LAST), true, true, 4), Ok(End::Repeated));
    }

    /// Only the producer that used up the last epoch, and says so, gets the new id again; a zombie from before does not.
    #[test]
    fn a_zombie_from_before_the_other_id_stays_fenced() {
        let mut transaction = Transaction { epoch: EPOCH_LAST, ..fresh() };
        transaction.rotate(9, false, 1000, 1);
        for epoch in [5, EPOCH_LAST] {
            assert_eq!(transaction.begin(Some(who(epoch)), 1000, 2), Err(TransactionError::Fenced), "{epoch}");
        }
        let mut transaction = Transaction { epoch: EPOCH_LAST, ..fresh() };
        transaction.rotate(9, true, 1000, 1);
        assert_eq!(transaction.begin(Some(who(5)), 1000, 2), Err(TransactionError::Fenced));
        assert_eq!(transaction.begin(Some(who(EPOCH_LAST)), 1000, 2), Ok(Begin::Known));
        assert_eq!(transaction.begin(None, 1000, 3), Ok(Begin::Bumped));
        assert_eq!(transaction.begin(Some(who(EPOCH_LAST)), 1000, 4), Err(TransactionError::Fenced));
    }

    #[test]
    fn the_transaction_after_one_that_is_being_ended_is_another() {
        let mut transaction = fresh();
        transaction.add(who(0), [place(0)], 1).unwrap();
        assert!(transaction.is_of(&place(0), 0) && !transaction.is_of(&place(1), 0));
        transaction.end(who(0), true, true, 2).unwrap();
        assert!(transaction.is_of(&place(0), 0) && !transaction.is_of(&place(0), 1));
        let mut transaction = Transaction { last_epoch: 0, epoch: 1, ..fresh() };
        transaction.add(who(1), [place(0)], 1).unwrap();
        transaction.end(who(1), true, false, 2).unwrap();
        assert!(transaction.is_of(&place(0), 1));
        transaction.complete(3);
        assert!(!transaction.is_of(&place(0), 1));
    }
}
