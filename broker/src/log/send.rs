//! Sending a part of a segment from the page cache as it is: no mapping, no page faults, no checksum. Only what was compared with its
//! checksums since the process started is sent so; anything else is read (`read`), which compares it.
//!
//! Where the part begins and ends is found by the index and by the headers around it. Pages that are not in memory are read before, off
//! the I/O threads: a sector that the disk cannot read is an error of that read, and sending does not wait for the disk.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use bytes::Bytes;
use millstream_protocol::record::Stored;

use super::LogError;
use super::index::Start;
use super::read::ReadPlan;
use crate::disk::DiskFile;

/// A part of a segment that can be sent.
#[derive(Debug)]
pub(crate) struct Sendable {
    pub(crate) part: Arc<FilePart>,
    /// The last offset of its last batch.
    pub(crate) last_offset: i64,
    /// The size of its first batch.
    pub(crate) first_bytes: usize,
}

/// A part of a file.
#[derive(Debug)]
pub(crate) struct FilePart {
    file: Arc<File>,
    position: u64,
    len: usize,
}

impl Stored for FilePart {
    fn len(&self) -> usize {
        self.len
    }

    fn read(&self) -> io::Result<Bytes> {
        use std::os::unix::fs::FileExt;
        let mut bytes = vec![0; self.len];
        self.file.read_exact_at(&mut bytes, self.position)?;
        Ok(bytes.into())
    }

    fn send(&self, socket: BorrowedFd<'_>, from: usize) -> io::Result<usize> {
        let mut position = self.position + from as u64;
        match rustix::io::retry_on_intr(|| rustix::fs::sendfile(socket, &*self.file, Some(&mut position), self.len - from))? {
            // Another program has cut the file.
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            sent => Ok(sent),
        }
    }
}

/// What the header of a batch says of its place.
#[derive(Debug, Clone, Copy)]
struct Header {
    base_offset: i64,
    last_offset: i64,
    total_bytes: u64,
}

const HEADER_PART_BYTES: usize = 27;
/// Small batches lie close together: one read has the headers of many.
const BLOCK_BYTES: usize = 4096;

/// Reads headers one after the other.
struct Headers<'a> {
    file: &'a dyn DiskFile,
    block: [u8; BLOCK_BYTES],
    /// What the block holds.
    from: u64,
    to: u64,
}

impl<'a> Headers<'a> {
    fn of(file: &'a dyn DiskFile) -> Self {
        Headers { file, block: [0; BLOCK_BYTES], from: 0, to: 0 }
    }

    fn at(&mut self, position: u64) -> io::Result<Header> {
        if position < self.from || position + HEADER_PART_BYTES as u64 > self.to {
            let read = self.file.read_at(&mut self.block, position)?;
            (self.from, self.to) = (position, position + read as u64);
        }
        let at = (position - self.from) as usize;
        let bytes: &[u8; HEADER_PART_BYTES] = self.block[at..]
            .first_chunk()
            .filter(|_| position + HEADER_PART_BYTES as u64 <= self.to)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, .., w, x, y, z] = *bytes;
        let base_offset = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
        // It was compared with its checksum, and its lengths with its place.
        let total_bytes = u64::from(u32::from_be_bytes([i, j, k, l])) + 12;
        Ok(Header { base_offset, last_offset: base_offset + i64::from(i32::from_be_bytes([w, x, y, z])), total_bytes })
    }
}

impl ReadPlan {
    /// The part that answers a read of up to `room` bytes below the offset `end`, the first batch whatever its size; `None` when it has to
    /// be read instead. It may wait for the disk.
    pub(crate) fn sendable(&self, room: usize, end: i64) -> Result<Option<Sendable>, LogError> {
        let Some(found) = self.locate(room, end)? else { return Ok(None) };
        self.file().bring_in(found.part.position, found.part.len).map_err(|error| LogError::io(self.path(), error))?;
        Ok(Some(found))
    }

    /// The same where nothing waits for the disk: neither index nor headers nor the part; `None` also when something would.
    pub(crate) fn sendable_at_hand(&self, room: usize, end: i64) -> Result<Option<Sendable>, LogError> {
        let Some(from) = self.start_at_hand() else { return Ok(None) };
        let len = (self.end() - from.position).min(room as u64 + BLOCK_BYTES as u64) as usize;
        if !self.file().is_in_memory(from.position, len) {
            return Ok(None);
        }
        let found = self.locate(room, end)?;
        // A first batch that is larger than what was looked at.
        Ok(found.filter(|found| found.part.position + found.part.len as u64 <= from.position + len as u64))
    }

    fn locate(&self, room: usize, end: i64) -> Result<Option<Sendable>, LogError> {
        let Some(file) = self.sent_file() else { return Ok(None) };
        let from = self.start()?;
        let fail = |error| LogError::io(self.path(), error);
        let mut headers = Headers::of(self.file());
        let Some((start, first)) = self.first_batch(&mut headers, from).map_err(fail)? else { return Ok(None) };
        let (behind, last_offset) = self.last_batch(&mut headers, (start, first), room, end).map_err(fail)?;
        if !self.verified().covers(&(start..behind)) {
            return Ok(None);
        }
        let part = Arc::new(FilePart { file, position: start, len: (behind - start) as usize });
        Ok(Some(Sendable { part, last_offset, first_bytes: first.total_bytes as usize }))
    }

    /// The batch that holds the plan's offset, and where it begins.
    fn first_batch(&self, headers: &mut Headers<'_>, from: Start) -> io::Result<Option<(u64, Header)>> {
        let mut position = from.position;
        while position < self.end() && self.is_compared(position) {
            let header = headers.at(position)?;
            if header.last_offset >= self.offset() {
                return Ok(Some((position, header)));
            }
            position += header.total_bytes;
        }
        Ok(None)
    }

    /// Where the last batch ends that still fits, and its last offset. Headers on the way need not be believed: what they lead to is looked at
    /// as a whole afterwards.
    fn last_batch(&self, headers: &mut Headers<'_>, first: (u64, Header), room: usize, end: i64) -> io::Result<(u64, i64)> {
        let (start, first) = first;
        let limit = start + room as u64;
        let (mut position, mut last_offset) = (start + first.total_bytes, first.last_offset);
        // The index knows a batch nearby: what it begins with follows the one before it.
        if let Some(near) = self.indexed_before(limit, end).filter(|near| near.position > position && near.offset > last_offset) {
            (position, last_offset) = (near.position, near.offset - 1);
        }
        while position < self.end().min(limit) {
            let header = headers.at(position)?;
            if header.base_offset >= end || position + header.total_bytes > limit {
                break;
            }
            (position, last_offset) = (position + header.total_bytes, header.last_offset);
        }
        Ok((position, last_offset))
    }

    /// Whether a batch begins here whose header can be believed.
    fn is_compared(&self, position: u64) -> bool {
        self.verified().covers(&(position..position + HEADER_PART_BYTES as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    use bytes::BytesMut;
    use millstream_protocol::record::{BatchBuilder, Codec, NewRecord, RecordBatch};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::disk::RealDisk;
    use crate::log::sync::Unsynced;
    use crate::log::{Log, LogSettings, recovery};

    const SETTINGS: LogSettings = LogSettings { segment_bytes: 1 << 30, segment_ms: i64::MAX, index_interval_bytes: 4096 };

    fn empty(dir: &Path) -> Log {
        Log::recovered(Arc::new(RealDisk), dir.join("0"), Vec::new(), None, 0, Unsynced::default())
    }

    fn append(log: &mut Log, records: usize, value_bytes: usize) {
        let mut builder = BatchBuilder::new(Codec::None);
        let value = vec![b'v'; value_bytes];
        (0..records).for_each(|_| builder.push(NewRecord { value: Some(&value), ..Default::default() }));
        let batch = builder.build().unwrap().stamped(log.next_offset(), 0);
        log.append(&batch, 1, &SETTINGS).unwrap();
    }

    fn joined(batches: &[RecordBatch]) -> Bytes {
        let mut all = BytesMut::new();
        batches.iter().for_each(|batch| all.extend_from_slice(&batch.to_bytes()));
        all.freeze()
    }

    /// Checks that a read of up to `room` bytes from an offset on, below another one, gives the same both ways.
    fn check(log: &Log, offset: i64, room: usize, end: i64) {
        let plan = log.plan(offset, room, end).unwrap();
        let mut read = plan.read(room).unwrap();
        read.retain(|batch| batch.base_offset() < end);
        let sent = plan.sendable(room, end).unwrap().expect("it was compared");
        assert_eq!(sent.first_bytes, read[0].total_bytes());
        assert_eq!(sent.last_offset, read.last().unwrap().last_offset());
        assert_eq!(sent.part.read().unwrap(), joined(&read));
        assert_eq!(sent.part.len(), joined(&read).len());
        // It was written just now.
        let at_hand = plan.sendable_at_hand(room, end).unwrap();
        assert!(at_hand.is_some_and(|part| part.part.read().unwrap() == joined(&read)) || sent.first_bytes > room);
    }

    #[test]
    fn what_is_sent_is_what_would_be_read() {
        for seed in 0..20 {
            println!("seed {seed}");
            let random = &mut StdRng::seed_from_u64(seed);
            let dir = tempfile::tempdir().unwrap();
            let mut log = empty(dir.path());
            let mut bases = Vec::new();
            for _ in 0..random.random_range(1..150) {
                bases.push(log.next_offset());
                let value_bytes = if random.random_bool(0.1) { 20_000 } else { random.random_range(0..300) };
                append(&mut log, random.random_range(1..4), value_bytes);
                if random.random_bool(0.02) {
                    log.roll(Vec::new(), Vec::new()).unwrap();
                }
            }
            bases.push(log.next_offset());
            for _ in 0..100 {
                let offset = random.random_range(0..log.next_offset());
                let end = bases[random.random_range(bases.partition_point(|base| *base <= offset)..bases.len())];
                let room = if random.random_bool(0.5) { random.random_range(1..2000) } else { random.random_range(1..300_000) };
                check(&log, offset, room, end);
            }
        }
    }

    /// What an earlier process wrote is compared when it is first read, and sent from then on. Damage is an error of that first read.
    #[test]
    fn what_was_not_compared_is_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = empty(dir.path());
        (0..30).for_each(|_| append(&mut log, 1, 1000));
        log.roll(Vec::new(), Vec::new()).unwrap();
        append(&mut log, 1, 10);
        log.take_unsynced().sync(&RealDisk, true).unwrap();
        drop(log);
        let path = dir.path().join("0").join("00000000000000000000.log");
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        let log = recovery::open(Arc::new(RealDisk), &dir.path().join("0"), 0, 4096, None, 0).unwrap().log;
        let plan = |offset, room| log.plan(offset, room, 31).unwrap();
        assert!(plan(0, 5000).sendable(5000, 31).unwrap().is_none());
        let first = plan(0, 5000).read(5000).unwrap();
        assert_eq!(first.len(), 4);
        check(&log, 0, 5000, 31);
        check(&log, 1, 2000, 31);
        // More than was compared; and a batch that is damaged now.
        assert!(plan(2, 5000).sendable(5000, 31).unwrap().is_none());
        let position = 10 * first[0].total_bytes() as u64 + 500;
        file.write_all_at(b"x", position).unwrap();
        assert!(plan(10, 5000).read(5000).is_err());
        assert!(plan(10, 5000).sendable(5000, 31).unwrap().is_none());
        // From an indexed batch on: what lies between that and the damage is walked over to find the others.
        plan(12, 1 << 20).read(1 << 20).unwrap();
        check(&log, 12, 1 << 20, 31);
        assert!(plan(9, 5000).sendable(5000, 31).unwrap().is_none(), "not over damage");
    }

    #[test]
    fn a_part_goes_into_a_socket_from_any_byte_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = empty(dir.path());
        (0..50).for_each(|_| append(&mut log, 1, 20_000));
        let part = log.plan(3, 1 << 20, 50).unwrap().sendable(1 << 20, 50).unwrap().unwrap().part;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut reader, _) = listener.accept().unwrap();
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all
        });
        socket.write_all(b"head").unwrap();
        let mut sent = 7;
        while sent < part.len() {
            sent += part.send(socket.as_fd(), sent).unwrap();
        }
        drop(socket);
        let read = reading.join().unwrap();
        assert_eq!(read[..4], *b"head");
        assert_eq!(read[4..], part.read().unwrap()[7..]);
    }
}
