//! Something that is under way for a consumer, at most one of each kind.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use parking_lot::Mutex;

/// The lock is never waited for: it only lets a consumer be shared between threads, which a future of its own would not.
pub(super) struct InFlight<T>(Mutex<Option<BoxFuture<'static, T>>>);

impl<T> std::fmt::Debug for InFlight<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_at_rest() { "at rest" } else { "under way" })
    }
}

impl<T> InFlight<T> {
    pub(super) fn none() -> Self {
        InFlight(Mutex::new(None))
    }

    pub(super) fn begin(&mut self, future: BoxFuture<'static, T>) {
        *self.0.get_mut() = Some(future);
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.0.lock().is_none()
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<T> {
        let under_way = self.0.get_mut();
        let Some(future) = under_way else { return Poll::Pending };
        let answer = std::task::ready!(future.as_mut().poll(context));
        *under_way = None;
        Poll::Ready(answer)
    }
}
