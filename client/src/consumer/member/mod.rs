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
use std::time::Duration;

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

/// When the application last asked for a record.
#[derive(Debug)]
pub(super) struct Asked {
    begun: Instant,
    last_ms: AtomicU64,
    is_waiting: AtomicBool,
    again: Notify,
}

impl Asked {
    pub(super) fn new() -> Self {
        Asked { begun: Instant::now(), last_ms: AtomicU64::new(0), is_waiting: AtomicBool::new(false), again: Notify::new() }
    }

    pub(super) fn now(&self) {
        self.last_ms.store(self.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
        self.again.notify_waiters();
    }

    pub(super) fn answered(&self, is_answered: bool) {
        self.is_waiting.store(!is_answered, Ordering::Relaxed);
    }

    /// Whether it has worked on a record for longer than it may.
    fn is_overdue(&self, interval: Duration) -> bool {
        let since_ms = (self.begun.elapsed().as_millis() as u64).saturating_sub(self.last_ms.load(Ordering::Relaxed));
        !self.is_waiting.load(Ordering::Relaxed) && u128::from(since_ms) > interval.as_millis()
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
