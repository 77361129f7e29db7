//! The writing half of a connection: the parts of answers, without copying them together. What is stored goes from the page cache into
//! the socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::time::Duration;

use crate::limit;
use bytes::Buf;
use millstream_protocol::encode::Part;
use millstream_protocol::record::Stored;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// Where answers go. Each call takes as much as there is room for now, and waits while there is none.
pub(super) trait Outlet {
    /// Takes bytes; `is_more` says that others follow at once.
    async fn send(&mut self, slices: &[IoSlice<'_>], is_more: bool) -> io::Result<usize>;
    /// Takes what is stored elsewhere, from the byte with the number `from` on.
    async fn send_stored(&mut self, stored: &dyn Stored, from: usize) -> io::Result<usize>;
}

impl Outlet for OwnedWriteHalf {
    async fn send(&mut self, slices: &[IoSlice<'_>], is_more: bool) -> io::Result<usize> {
        // A small packet of its own would wake the client before there is anything to do.
        let flags = if is_more { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL };
        let stream: &TcpStream = self.as_ref();
        let send = || Ok(rustix::io::retry_on_intr(|| rustix::net::sendmsg(stream, slices, &mut SendAncillaryBuffer::default(), flags))?);
        stream.async_io(Interest::WRITABLE, send).await
    }

    async fn send_stored(&mut self, stored: &dyn Stored, from: usize) -> io::Result<usize> {
        let stream: &TcpStream = self.as_ref();
        stream.async_io(Interest::WRITABLE, || stored.send(stream.as_fd(), from)).await
    }
}

/// Sends all parts. The peer may be as slow as it likes, but a peer that takes no byte at all for `stall_max` ends the connection.
pub(super) async fn write_all(outlet: &mut impl Outlet, mut parts: VecDeque<Part>, stall_max: Duration) -> io::Result<()> {
    // Of a stored part at the front, how much is sent.
    let mut sent = 0;
    while let Some(front) = parts.front() {
        let taken = match front {
            Part::Stored(stored) => tokio::time::timeout(stall_max, outlet.send_stored(&**stored, sent)).await,
            Part::Bytes(_) => {
                let in_memory = parts.iter().map_while(|part| match part {
                    Part::Bytes(bytes) => Some(bytes),
                    Part::Stored(_) => None,
                });
                let slices: Vec<IoSlice<'_>> = in_memory.take(limit::SLICES_MAX).map(|bytes| IoSlice::new(bytes)).collect();
                let is_more = slices.len() < parts.len();
                tokio::time::timeout(stall_max, outlet.send(&slices, is_more)).await
            }
        };
        match taken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero)),
            taken => sent = advance(&mut parts, sent + taken),
        }
    }
    Ok(())
}

/// Takes off the front what was sent; how much is sent of a stored part that is at the front then.
fn advance(parts: &mut VecDeque<Part>, mut sent: usize) -> usize {
    while sent > 0 {
        match parts.front_mut() {
            Some(Part::Bytes(bytes)) if bytes.len() > sent => {
                bytes.advance(sent);
                return 0;
            }
            Some(Part::Stored(stored)) if stored.len() > sent => return sent,
            Some(front) => {
                sent -= front.len();
                parts.pop_front();
            }
            None => return 0,
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use std::os::fd::BorrowedFd;
    use std::sync::Arc;

    use bytes::Bytes;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// What lies elsewhere, here in memory.
    #[derive(Debug)]
    struct Elsewhere(Bytes);

    impl Stored for Elsewhere {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn read(&self) -> io::Result<Bytes> {
            Ok(self.0.clone())
        }

        fn send(&self, _socket: BorrowedFd<'_>, _from: usize) -> io::Result<usize> {
            unreachable!("the outlet takes it")
        }
    }

    /// Takes any number of bytes at a time, and keeps them.
    struct Choosy {
        random: StdRng,
        taken: Vec<u8>,
        most: usize,
        last_said_more: bool,
    }

    impl Choosy {
        fn take(&mut self, offered: &[u8]) -> usize {
            let count = self.random.random_range(1..=offered.len());
            assert!(self.taken.len() + count <= self.most, "more than there is");
            self.taken.extend_from_slice(&offered[..count]);
            count
        }
    }

    impl Outlet for Choosy {
        async fn send(&mut self, slices: &[IoSlice<'_>], is_more: bool) -> io::Result<usize> {
            self.last_said_more = is_more;
            let offered = slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<u8>>();
            Ok(self.take(&offered))
        }

        async fn send_stored(&mut self, stored: &dyn Stored, from: usize) -> io::Result<usize> {
            self.last_said_more = false;
            Ok(self.take(&stored.read()?[from..]))
        }
    }

    /// Parts of both kinds in any order, taken in any cuts: every byte leaves, once, in its place.
    #[tokio::test]
    async fn parts_leave_whole_and_in_order_whatever_is_taken_at_once() {
        for seed in 0..500 {
            let mut random = StdRng::seed_from_u64(seed);
            let (mut parts, mut expected) = (VecDeque::new(), Vec::new());
            for _ in 0..random.random_range(1..100) {
                let bytes: Vec<u8> = (0..random.random_range(1..30)).map(|_| random.random()).collect();
                expected.extend_from_slice(&bytes);
                let bytes = Bytes::from(bytes);
                parts.push_back(if random.random_bool(0.3) { Part::Stored(Arc::new(Elsewhere(bytes))) } else { Part::Bytes(bytes) });
            }
            let mut outlet = Choosy { random, taken: Vec::new(), most: expected.len(), last_said_more: false };
            write_all(&mut outlet, parts, Duration::from_secs(60)).await.unwrap();
            assert_eq!(outlet.taken, expected, "seed {seed}");
            assert!(!outlet.last_said_more, "seed {seed}: the kernel would wait for more");
        }
    }

    /// A file that another program has cut ends the connection, and not the loop.
    #[tokio::test]
    async fn nothing_taken_is_an_error() {
        struct Full;
        impl Outlet for Full {
            async fn send(&mut self, _: &[IoSlice<'_>], _: bool) -> io::Result<usize> {
                Ok(0)
            }

            async fn send_stored(&mut self, _: &dyn Stored, _: usize) -> io::Result<usize> {
                Err(io::Error::from(io::ErrorKind::UnexpectedEof))
            }
        }
        let stored = Part::Stored(Arc::new(Elsewhere(Bytes::from_static(b"x"))));
        for (part, kind) in [(Part::Bytes(Bytes::from_static(b"x")), io::ErrorKind::WriteZero), (stored, io::ErrorKind::UnexpectedEof)] {
            let written = write_all(&mut Full, VecDeque::from([part]), Duration::from_secs(1)).await;
            assert_eq!(written.unwrap_err().kind(), kind);
        }
    }
}
