//! A panic in a query ends the query, not the process.
//!
//! Whose panic it is, a mark on the thread says: it is set while the engine runs there, and taken back while the engine waits for
//! somebody else, for instance for the broker in this process. The program's panic hook asks [`is_contained`]. What a panic left half
//! changed goes with the query; its checkpoint is what counts.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use datafusion::common::runtime::{JoinSetTracer, set_join_set_tracer};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::QueryError;

thread_local! {
    static IS_CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic here and now ends no more than a statement or a query. The session sees to it that it does.
pub fn is_contained() -> bool {
    IS_CONTAINED.get()
}

/// Calls something that is not the engine. A panic in the call, or in the future that it gives, is not the query's.
pub fn outside<F, C: FnOnce() -> F>(call: C) -> Marked<F> {
    Marked { is_contained: false, future: Some(under(false, call)) }
}

/// A future that runs under a mark, and is dropped under it.
#[derive(Debug)]
pub struct Marked<F> {
    is_contained: bool,
    future: Option<F>,
}

impl<F: Future + Unpin> Future for Marked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let is_contained = self.is_contained;
        match &mut self.future {
            Some(future) => under(is_contained, || Pin::new(future).poll(context)),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Marked<F> {
    fn drop(&mut self) {
        let future = self.future.take();
        under(self.is_contained, || drop(future));
    }
}

/// Does something under a mark; the one before is set again afterwards, also after a panic.
fn under<T>(is_contained: bool, act: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            IS_CONTAINED.set(self.0);
        }
    }
    let _before = Before(IS_CONTAINED.replace(is_contained));
    act()
}

/// Runs the engine: a panic is an error like others.
pub(crate) async fn contain<T>(running: impl Future<Output = Result<T, QueryError>>) -> Result<T, QueryError> {
    let running = Marked { is_contained: true, future: Some(Box::pin(running)) };
    AssertUnwindSafe(running).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// The same for what waits for nothing.
pub(crate) fn contain_now<T>(act: impl FnOnce() -> Result<T, QueryError>) -> Result<T, QueryError> {
    catch_unwind(AssertUnwindSafe(|| under(true, act))).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

fn panicked(panic: &(dyn Any + Send)) -> QueryError {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    QueryError::Panic(text.unwrap_or("without a message").to_owned())
}

/// The mark for tasks that DataFusion starts by itself; their panics come back to the code that waits for them.
struct Tasks;

impl JoinSetTracer for Tasks {
    fn trace_future(&self, task: BoxFuture<'static, Box<dyn Any + Send>>) -> BoxFuture<'static, Box<dyn Any + Send>> {
        Box::pin(Marked { is_contained: true, future: Some(task) })
    }

    fn trace_block(&self, work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>) -> Box<dyn FnOnce() -> Box<dyn Any + Send> + Send> {
        Box::new(move || under(true, work))
    }
}

/// Has DataFusion's own tasks marked, in the whole process.
pub(crate) fn mark_tasks() {
    static TASKS: Tasks = Tasks;
    // Another session has done it already.
    let _ = set_join_set_tracer(&TASKS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_the_engine_is_an_error_and_the_mark_goes_back() {
        let error = contain::<()>(async {
            tokio::task::yield_now().await;
            let place = "range";
            if is_contained() {
                panic!("out of {place}");
            }
            Ok(())
        });
        assert_eq!(error.await.unwrap_err().to_string(), "the query panicked: out of range");
        assert_eq!(contain_now::<()>(|| panic!("no")).unwrap_err().to_string(), "the query panicked: no");
        assert!(!is_contained());
    }

    #[tokio::test]
    async fn what_the_engine_waits_for_is_not_contained() {
        let seen = contain(async {
            let answer = outside(|| {
                let at_the_call = is_contained();
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    (at_the_call, is_contained())
                })
            });
            let seen = answer.await;
            Ok((seen, is_contained()))
        });
        assert_eq!(seen.await.unwrap(), ((false, false), true));
    }

    #[tokio::test]
    async fn tasks_of_datafusion_are_contained() {
        mark_tasks();
        let task = datafusion::common::runtime::SpawnedTask::spawn(async { is_contained() });
        assert!(task.await.unwrap());
        let work = datafusion::common::runtime::SpawnedTask::spawn_blocking(is_contained);
        assert!(work.await.unwrap());
    }
}
