//! DescribeTransactions: the state of transactional ids.

use millstream_protocol::Str;
use millstream_protocol::message::describe_transactions::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, DescribedTransaction,
};

use crate::broker::Broker;

pub(crate) fn describe_transactions(broker: &Broker, request: &DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let describe = |id: &Str| {
        broker.transactions.describe(id).unwrap_or_else(|error| DescribedTransaction {
            error_code: error.code(),
            transactional_id: id.clone(),
            ..Default::default()
        })
    };
    let transaction_states = request.transactional_ids.iter().map(describe).collect();
    DescribeTransactionsResponse { transaction_states, ..Default::default() }
}
