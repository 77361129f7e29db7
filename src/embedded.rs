//! The broker as queries ask it, in the same process.

use millstream_processor::outside;
use millstream_protocol::exchange::Answer;
use millstream_protocol::{ApiKey, Call, Exchange};

/// What the broker does on a query's thread is the broker's: a panic in it ends the process, where one of the query's ends the query.
#[derive(Debug)]
pub(crate) struct Embedded<E>(pub E);

impl<E: Exchange> Exchange for Embedded<E> {
    fn exchange(&self, call: Call) -> Answer {
        Box::pin(outside(|| self.0.exchange(call)))
    }

    fn version(&self, api: ApiKey) -> Option<i16> {
        self.0.version(api)
    }
}
