//! The door to time. Everything that depends on the hour asks here; a test moves the hands itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where the broker's wall-clock time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's; what has passed is counted from the instant.
    System(Instant),
    /// One that only moves when it is told to: for tests.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands still at `now_ms`.
    pub fn manual(now_ms: i64) -> Self {
        Clock::Manual(Arc::new(AtomicI64::new(now_ms)))
    }

    /// The machine's clock.
    pub fn system() -> Self {
        Clock::System(Instant::now())
    }

    /// Milliseconds since some moment, which no one can set back: for timeouts.
    pub fn monotonic_ms(&self) -> i64 {
        match self {
            Clock::System(start) => start.elapsed().as_millis() as i64,
            Clock::Manual(now_ms) => now_ms.load(Ordering::Relaxed),
        }
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the door")]
            Clock::System(_) => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => since.as_millis() as i64,
                Err(before) => -(before.duration().as_millis() as i64),
            },
            Clock::Manual(now_ms) => now_ms.load(Ordering::Relaxed),
        }
    }

    /// Moves a manual clock; a system clock is left alone.
    pub fn advance_ms(&self, by_ms: i64) {
        if let Clock::Manual(now_ms) = self {
            now_ms.fetch_add(by_ms, Ordering::Relaxed);
        }
    }
}
