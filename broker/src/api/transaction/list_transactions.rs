//! ListTransactions: transactional ids by state, producer, duration and name.

use millstream_protocol::ErrorCode;
use millstream_protocol::message::list_transactions::{ListTransactionsRequest, ListTransactionsResponse};

use crate::broker::Broker;
use crate::limit;
use crate::transaction::Filter;

pub(crate) fn list_transactions(broker: &Broker, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let pattern = request.transactional_id_pattern.filter(|pattern| !pattern.is_empty());
    // A linear-time engine: no pattern explodes.
    let compiled =
        pattern.map(|pattern| regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(limit::COMPILED_PATTERN_BYTES_MAX).build());
    let Ok(pattern) = compiled.transpose() else {
        return ListTransactionsResponse { error_code: ErrorCode::INVALID_REGULAR_EXPRESSION, ..Default::default() };
    };
    let filter =
        Filter { states: request.state_filters, producer_ids: request.producer_id_filters, duration_ms: request.duration_filter, pattern };
    let unknown_state_filters = filter.unknown_states();
    // Of states that are none there is nothing; with no other left, all would be wrong.
    ListTransactionsResponse { unknown_state_filters, transaction_states: broker.transactions.list(&filter), ..Default::default() }
}
