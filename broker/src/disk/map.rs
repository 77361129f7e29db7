//! The one module with `unsafe`: a part of a file as shared memory.

#![allow(unsafe_code, reason = "memmap2 has no safe constructor")]

use std::fs::File;
use std::io;

use bytes::Bytes;

/// Maps `len` bytes from `position` on.
pub(super) fn map(file: &File, position: u64, len: usize) -> io::Result<Bytes> {
    if len == 0 {
        return Ok(Bytes::new());
    }
    // Not made present beforehand: a fault brings sixteen pages along, which was measured to cost a quarter to two thirds less.
    // SAFETY: a mapping must not change or shrink while it is used. Only what has been written of a segment is mapped:
    // the broker never writes there again and cuts only room behind it, it removes the file by unlinking, which leaves the
    // mapping valid; and the lock file keeps a second broker out. Another program that cuts the file ends this process with SIGBUS: it loses
    // nothing that was acknowledged.
    let map = unsafe { memmap2::MmapOptions::new().offset(position).len(len).map(file)? };
    Ok(Bytes::from_owner(map))
}
