//! The one module with `unsafe`: a part of a file as shared memory.

#![allow(unsafe_code, reason = "neither mapping a file nor asking which pages are in memory has a safe form")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use memmap2::Mmap;

/// Maps `len` bytes from `position` on.
pub(super) fn map(file: &File, position: u64, len: usize) -> io::Result<Bytes> {
    if len == 0 {
        return Ok(Bytes::new());
    }
    let map = mapped(file, position, len)?;
    read_absent(file, &map, position)?;
    Ok(Bytes::from_owner(map))
}

/// Reads what is not in memory of a part, and keeps no mapping.
pub(super) fn bring_in(file: &File, position: u64, len: usize) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    read_absent(file, &mapped(file, position, len)?, position)
}

fn mapped(file: &File, position: u64, len: usize) -> io::Result<Mmap> {
    // Not made present beforehand: a fault brings sixteen pages along, which was measured to cost a quarter to two thirds less.
    // SAFETY: a mapping must not change or shrink while it is used. Only what has been written of a segment is mapped:
    // the broker never writes there again and cuts only room behind it, it removes the file by unlinking, which leaves the
    // mapping valid; and the lock file keeps a second broker out. Another program that cuts the file ends this process with SIGBUS: it loses
    // nothing that was acknowledged.
    unsafe { memmap2::MmapOptions::new().offset(position).len(len).map(file) }
}

/// Whether a part is in memory; not if nobody can say.
pub(super) fn is_in_memory(file: &File, position: u64, len: usize) -> bool {
    let present = || -> io::Result<bool> { Ok(presence(&mapped(file, position, len)?, position)?.iter().all(|page| page & 1 == 1)) };
    len == 0 || present().unwrap_or(false)
}

/// A byte for each page that a mapping shows a part of; its lowest bit says whether the page is in memory.
fn presence(map: &Mmap, position: u64) -> io::Result<Vec<u8>> {
    let page_bytes = rustix::param::page_size();
    let lead = position as usize % page_bytes;
    let mut is_present = vec![0u8; (lead + map.len()).div_ceil(page_bytes)];
    // SAFETY: the mapping begins at a page's start, `lead` bytes before what it shows, and the list has a byte for each page of it.
    let asked = unsafe { libc::mincore(map.as_ptr().sub(lead).cast_mut().cast(), lead + map.len(), is_present.as_mut_ptr()) };
    if asked == 0 { Ok(is_present) } else { Err(io::Error::last_os_error()) }
}

/// Reads the pages of a mapping that are not in memory. The first touch of a page that the disk cannot read would end the process
/// with SIGBUS; reading it is an error of this call alone. It leaves the page in memory for the mapping.
fn read_absent(file: &File, map: &Mmap, position: u64) -> io::Result<()> {
    let page_bytes = rustix::param::page_size();
    let mut at = position as usize / page_bytes * page_bytes;
    let mut scratch = Vec::new();
    for run in presence(map, position)?.chunk_by(|one, other| one & 1 == other & 1) {
        let run_bytes = run.len() * page_bytes;
        if run[0] & 1 == 0 {
            read_pages(file, at, run_bytes, &mut scratch)?;
        }
        at += run_bytes;
    }
    Ok(())
}

fn read_pages(file: &File, mut at: usize, len: usize, scratch: &mut Vec<u8>) -> io::Result<()> {
    const STEP_BYTES: usize = 256 * 1024;
    scratch.resize(STEP_BYTES.min(len).max(scratch.len()), 0);
    let end = at + len;
    while at < end {
        let step = scratch.len().min(end - at);
        match file.read_at(&mut scratch[..step], at as u64) {
            Ok(0) => break,
            Ok(read) => at += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
