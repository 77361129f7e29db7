//! How many files the process may have open. Every segment is one, and every connection.
//!
//! The limit that a shell hands on is often 1,024, for programs that cannot have more: it is raised as far as the system lets us.
//! What is left is a reserve, so that neither clients nor logs take the last ones: a folder that cannot be opened to be synced
//! ends the process.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};

/// Left for what is opened for a moment only.
const LEFT_BY_CONNECTIONS: u64 = 64;
/// Left besides for connections, when there are many segments.
const LEFT_BY_SEGMENTS: u64 = 192;
/// Some systems say that there is no limit and then take no more than so many.
const STEPS: [u64; 4] = [1 << 20, 1 << 16, 24_576, 10_240];

/// Raises the limit as far as it goes, and returns what it is then.
pub fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let wanted = [most].into_iter().chain(STEPS.into_iter().filter(|step| *step < most));
    for current in wanted.take_while(|wanted| limit.current.is_some_and(|current| current < *wanted)) {
        if setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum }).is_ok() {
            return current;
        }
    }
    limit.current.unwrap_or(u64::MAX)
}

/// The next connection, unless it would take one of the last files: then it is closed again, and the accept loop pauses.
pub async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    if !leaves(&stream, LEFT_BY_CONNECTIONS) {
        return Err(Errno::MFILE.into());
    }
    Ok((stream, peer))
}

/// The pause after an accept that failed.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whether another file than this, which was just opened, may be opened to stay open.
pub(crate) fn may_be_kept(file: &impl AsRawFd) -> bool {
    leaves(file, LEFT_BY_SEGMENTS)
}

/// What is opened gets the lowest number that is free.
fn leaves(opened: &impl AsRawFd, count: u64) -> bool {
    getrlimit(Resource::Nofile).current.is_none_or(|limit| opened.as_raw_fd() as u64 + count.min(limit / 2) < limit)
}
