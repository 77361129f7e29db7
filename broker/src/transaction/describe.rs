//! Describing and listing transactions.

use std::sync::Arc;

use millstream_protocol::Str;
use millstream_protocol::message::describe_transactions::{DescribedTransaction, TransactionTopic};
use millstream_protocol::message::list_transactions::ListedTransaction;
use regex::Regex;

use super::state::TransactionState;
use super::{TransactionError, Transactions};

/// Which transactional ids are wanted.
#[derive(Debug)]
pub(crate) struct Filter {
    /// None: all.
    pub states: Vec<Str>,
    /// None: all.
    pub producer_ids: Vec<i64>,
    /// Open for longer than this; below zero: all.
    pub duration_ms: i64,
    pub pattern: Option<Regex>,
}

impl Filter {
    /// States of the filter that are none.
    pub(crate) fn unknown_states(&self) -> Vec<Str> {
        self.states.iter().filter(|name| !TransactionState::NAMES.contains(&name.as_str())).cloned().collect()
    }
}

impl Transactions {
    /// The transactional ids that a filter lets through, by id.
    pub(crate) fn list(&self, filter: &Filter) -> Vec<ListedTransaction> {
        let now_ms = self.clock.now_ms();
        let slots: Vec<_> = self.by_id.lock().iter().map(|(id, slot)| (id.clone(), Arc::clone(slot))).collect();
        let mut listed = Vec::new();
        for (id, slot) in slots {
            let transaction = &slot.lock().transaction;
            let state = transaction.state.name();
            let is_listed = (filter.states.is_empty() || filter.states.iter().any(|name| *name == state))
                && (filter.producer_ids.is_empty() || filter.producer_ids.contains(&transaction.producer_id))
                && (filter.duration_ms < 0
                    // One that never began is older than anything.
                    || now_ms.saturating_sub(transaction.started_ms) > filter.duration_ms)
                && filter.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&id));
            if is_listed {
                listed.push(ListedTransaction {
                    transactional_id: id,
                    producer_id: transaction.producer_id,
                    transaction_state: Str::from_static(state),
                });
            }
        }
        listed.sort_unstable_by(|a, b| a.transactional_id.cmp(&b.transactional_id));
        listed
    }

    /// How many ids there are, and how many of their transactions have not come to their end.
    pub(crate) fn count(&self) -> (u64, u64) {
        let slots: Vec<_> = self.by_id.lock().values().map(Arc::clone).collect();
        let open = slots.iter().filter(|slot| slot.lock().transaction.is_open()).count();
        (slots.len() as u64, open as u64)
    }

    /// One transactional id.
    pub(crate) fn describe(&self, id: &Str) -> Result<DescribedTransaction, TransactionError> {
        if id.is_empty() {
            return Err(TransactionError::NoId);
        }
        let slot = self.slot(id).ok_or(TransactionError::UnknownId)?;
        let transaction = &slot.lock().transaction;
        let mut topics: Vec<TransactionTopic> = Vec::new();
        for (topic, partition) in &transaction.partitions {
            match topics.last_mut() {
                Some(last) if last.topic == topic.as_str() => last.partitions.push(*partition),
                _ => topics.push(TransactionTopic { topic: topic.into(), partitions: vec![*partition] }),
            }
        }
        Ok(DescribedTransaction {
            transactional_id: id.clone(),
            transaction_state: Str::from_static(transaction.state.name()),
            transaction_timeout_ms: transaction.timeout_ms,
            transaction_start_time_ms: transaction.started_ms,
            producer_id: transaction.producer_id,
            producer_epoch: transaction.epoch,
            topics,
            ..Default::default()
        })
    }
}
