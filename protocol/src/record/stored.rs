//! Batches that lie elsewhere than in memory. This crate knows their length; the sender of an answer sends them from where they are.

use std::fmt::Debug;
use std::io;
use std::os::fd::BorrowedFd;

use bytes::Bytes;

/// Whole batches, as they travel.
#[expect(clippy::len_without_is_empty, reason = "there is at least one batch")]
pub trait Stored: Debug + Send + Sync + 'static {
    /// How many bytes they have.
    fn len(&self) -> usize;
    /// Reads all of them.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&self) -> io::Result<Bytes>;
    /// Sends bytes from the one with the number `from` on over a socket, as many as it takes now, and says how many those were.
    ///
    /// # Errors
    /// As a write to the socket, `WouldBlock` among them; or when they cannot be read.
    fn send(&self, socket: BorrowedFd<'_>, from: usize) -> io::Result<usize>;
}
