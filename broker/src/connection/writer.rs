//! The writing half of a connection: the pieces of answers, without copying them together.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Pieces that one call hands to the kernel.
const SLICES_MAX: usize = 64;

/// Sends all pieces. The peer may be as slow as it likes, but a peer that takes no byte at all for `stall_max` ends the connection.
pub(super) async fn write_all(writer: &mut (impl AsyncWrite + Unpin), mut pieces: VecDeque<Bytes>, stall_max: Duration) -> io::Result<()> {
    while !pieces.is_empty() {
        let slices: Vec<IoSlice<'_>> = pieces.iter().take(SLICES_MAX).map(|piece| IoSlice::new(piece)).collect();
        let taken = tokio::time::timeout(stall_max, writer.write_vectored(&slices)).await;
        let mut written = taken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if written == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
        while written > 0 {
            let Some(first) = pieces.front_mut() else { break };
            if first.len() > written {
                first.advance(written);
                break;
            }
            written -= first.len();
            pieces.pop_front();
        }
    }
    Ok(())
}
