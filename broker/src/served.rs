//! A request that a handler has: whether it has taken effect, and the answer.

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use millstream_protocol::Response;

/// A request that a handler has.
pub(crate) enum Served {
    /// It has taken effect; the future waits for the answer.
    Begun(BoxFuture<'static, Response>),
    /// It is taking effect off the I/O threads, because it waits for the disk or inflates much. When the outer future is over it has
    /// taken effect: what comes after it on a connection begins then, and not before.
    Beginning(BoxFuture<'static, BoxFuture<'static, Response>>),
}

impl Served {
    pub(crate) fn done(response: impl Into<Response>) -> Self {
        Served::Begun(ready(response.into()).boxed())
    }
}

impl From<BoxFuture<'static, Response>> for Served {
    fn from(answer: BoxFuture<'static, Response>) -> Self {
        Served::Begun(answer)
    }
}
