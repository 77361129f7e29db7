//! The member: the half of a consumer that speaks with the group. One task; which one depends on the protocol.
//!
//! * [`classic`]: joins, assigns if it is the leader, syncs (JoinGroup, SyncGroup, Heartbeat)
//! * [`consumer`]: tells the broker what it reads and has, and is told what to have (KIP-848)
//! * [`assignment`]: what both do when partitions come and go

mod assignment;
mod classic;
mod consumer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use futures::task::AtomicWaker;
use millstream_protocol::ErrorCode;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::options::GroupProtocol;
use super::{Event, Shared};
use crate::error::Error;
use assignment::Assignment;

/// The pause before the coordinator is asked again after an error that passes.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

type Leave = oneshot::Sender<Result<(), Error>>;

/// When the application last asked for a record, and whether it may still wait for one.
#[derive(Debug)]
pub(super) struct Asked {
    begun: Instant,
    last_ms: AtomicU64,
    is_waiting: AtomicBool,
    waiting: AtomicWaker,
    again: Notify,
}

impl Asked {
    pub(super) fn new() -> Self {
        Asked {
            begun: Instant::now(),
            last_ms: AtomicU64::new(0),
            is_waiting: AtomicBool::new(false),
            waiting: AtomicWaker::new(),
            again: Notify::new(),
        }
    }

    pub(super) fn now(&self) {
        self.last_ms.store(self.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
        self.again.notify_waiters();
    }

    /// The application has its answer, or waits for it with this waker.
    pub(super) fn answered(&self, is_answered: bool, waker: &Waker) {
        if !is_answered {
            self.waiting.register(waker);
        }
        self.is_waiting.store(!is_answered, Ordering::Release);
    }

    /// Whether the application takes longer than it may to ask for the next record. One that seems to wait for a record is woken before
    /// it is judged: if it does wait it asks again at once; if it has given up waiting, nothing asks, and the next look finds it overdue.
    fn is_overdue(&self, interval: Duration) -> bool {
        let since_ms = (self.begun.elapsed().as_millis() as u64).saturating_sub(self.last_ms.load(Ordering::Relaxed));
        if u128::from(since_ms) <= interval.as_millis() {
            return false;
        }
        let was_waiting = self.is_waiting.swap(false, Ordering::AcqRel);
        if was_waiting {
            self.waiting.wake();
        }
        !was_waiting
    }
}

/// Why a member stops.
#[derive(Debug)]
enum Stop {
    /// The consumer is closed, and wants to know how leaving went; or it was dropped.
    Closed(Option<Leave>),
    /// The group does not take it.
    Refused(Error),
}

/// What a coordinator's error means to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Ask again.
    Again,
    /// The group has gone on without it: join again.
    Forgotten,
    /// Nothing helps.
    Refused,
}

fn verdict(error: &Error) -> Verdict {
    match error.code() {
        Some(
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION | ErrorCode::FENCED_MEMBER_EPOCH | ErrorCode::STALE_MEMBER_EPOCH,
        ) => Verdict::Forgotten,
        Some(ErrorCode::REBALANCE_IN_PROGRESS) => Verdict::Again,
        _ if error.is_retriable() => Verdict::Again,
        _ => Verdict::Refused,
    }
}

/// Starts the member of a consumer.
pub(super) fn start(shared: Arc<Shared>, events: mpsc::Sender<Event>, leaving: mpsc::Receiver<Leave>) {
    let assignment = Assignment::new(shared.clone(), events);
    match shared.options.protocol {
        GroupProtocol::Classic => tokio::spawn(classic::run(shared, assignment, leaving)),
        GroupProtocol::Consumer => tokio::spawn(consumer::run(shared, assignment, leaving)),
    };
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::task::Wake;

    use futures::task::noop_waker_ref;

    use super::*;

    const INTERVAL: Duration = Duration::from_millis(1);

    /// Lets the interval pass.
    fn pass() {
        std::thread::sleep(Duration::from_millis(5));
    }

    /// `next` was cancelled: the waker belongs to a task that does something else now.
    #[test]
    fn an_application_that_gave_up_waiting_is_overdue_like_one_that_works_on_a_record() {
        let asked = Asked::new();
        asked.now();
        asked.answered(false, noop_waker_ref());
        pass();
        assert!(!asked.is_overdue(INTERVAL), "it is woken first");
        assert!(asked.is_overdue(INTERVAL));
        asked.now();
        asked.answered(true, noop_waker_ref());
        pass();
        assert!(asked.is_overdue(INTERVAL), "it works on a record");
    }

    /// Asks again whenever it is woken.
    struct Waits(Weak<Asked>);

    impl Wake for Waits {
        fn wake(self: Arc<Self>) {
            if let Some(asked) = self.0.upgrade() {
                asked.now();
                asked.answered(false, &Waker::from(self));
            }
        }
    }

    #[test]
    fn an_application_that_waits_for_a_record_is_never_overdue() {
        let asked = Arc::new(Asked::new());
        let waker = Waker::from(Arc::new(Waits(Arc::downgrade(&asked))));
        asked.answered(false, &waker);
        for _ in 0..3 {
            pass();
            assert!(!asked.is_overdue(INTERVAL));
        }
    }
}
