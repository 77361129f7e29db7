//! Every bound of the client that its user does not set, and how the bounds relate.

use std::time::Duration;

/// Requests that may wait to be sent or answered.
pub(crate) const UNDER_WAY_MAX: usize = 256;
/// Lanes that send at once; the others wait. A connection allows 256 requests in flight; this leaves room for the rest.
pub(crate) const SENDING_LANES_MAX: usize = 128;
pub(crate) const RETRY_PAUSE_MIN: Duration = Duration::from_millis(20);
pub(crate) const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Events that wait for the reader.
pub(crate) const WAITING_EVENTS_MAX: usize = 16;
/// Reads at most about this much at once.
pub(crate) const READ_BYTES_MAX: i32 = 8 * 1024 * 1024;

// A connection takes what all lanes send, and has room for what is no batch.
const _: () = assert!(SENDING_LANES_MAX * 2 <= UNDER_WAY_MAX);
const _: () = assert!(RETRY_PAUSE_MIN.as_millis() < RETRY_PAUSE_MAX.as_millis());
