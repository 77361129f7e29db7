//! Listening for partitions that are assigned and revoked.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::commit::Commits;
use crate::error::Error;
use crate::topic_partition::TopicPartition;

/// Is told of partitions that come and go. Records flow when it has answered, so it must not wait for any.
pub trait RebalanceListener: Send + Sync + 'static {
    /// These have come; their records follow.
    fn assigned<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        let _ = partitions;
        futures::future::ready(()).boxed()
    }

    /// These are being given up; none of their records follows. They are still this member's: now is the time to commit what was done.
    fn revoked<'a>(&'a self, partitions: &'a [TopicPartition], commits: &'a Commits) -> BoxFuture<'a, ()> {
        let _ = (partitions, commits);
        futures::future::ready(()).boxed()
    }

    /// These are lost: somebody else may have them already, and nothing can be committed any more.
    fn lost<'a>(&'a self, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        let _ = partitions;
        futures::future::ready(()).boxed()
    }

    /// A commit failed that nobody waits for.
    fn commit_failed(&self, error: &Error) {
        let _ = error;
    }
}

/// Does not care.
pub(super) struct NoListener;

impl RebalanceListener for NoListener {}
