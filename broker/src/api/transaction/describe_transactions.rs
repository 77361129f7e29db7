//! DescribeTransactions: the state of transactional ids.

use millstream_protocol::message::describe_transactions::{DescribeTransactionsRequest, DescribeTransactionsResponse};

use crate::broker::Broker;

pub(crate) fn describe_transactions(broker: &Broker, request: &DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let transaction_states = request.transactional_ids.iter().map(|id| broker.transactions.describe(id)).collect();
    DescribeTransactionsResponse { transaction_states, ..Default::default() }
}
