//! The door to the disk: all files of the broker are reached through [`Disk`].
//!
//! [`real`] is the operating system's; [`simulated`] forgets what was not synced, tears writes and fails the
//! n-th call, by a seed. What is written counts as durable only after [`DiskFile::sync`], and a new, renamed or
//! removed name only after [`Disk::sync_dir`] of its folder.

mod map;
mod real;
pub mod simulated;

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustix::io::Errno;

pub use real::RealDisk;

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is there.
    Existing,
    /// It is made if it is not there, and soon closed.
    Briefly,
    /// It is made if it is not there, and stays open: refused when only few more can be open.
    Lasting,
}

/// Folders and names.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>>;
    /// What is in a folder, in no order. A folder that is not there is empty.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;
    /// Makes a folder and those above it.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Gives a file or folder another name, replacing a file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and all in it.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes everything in a folder and below durable, contents and names: for thousands of files it is much cheaper than one by one.
    fn sync_all(&self, dir: &Path) -> io::Result<()>;
    /// Size of the volume and what is free on it, in bytes.
    fn space(&self, dir: &Path) -> io::Result<(u64, u64)>;
}

/// One open file.
#[expect(clippy::len_without_is_empty, reason = "the length is a question to the system that can fail")]
pub trait DiskFile: Debug + Send + Sync {
    /// Its size, preallocated room included.
    fn len(&self) -> io::Result<u64>;
    /// When it was last written to, ms since 1970.
    fn modified_ms(&self) -> io::Result<i64>;
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all parts one after the other.
    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Makes room up to `len` bytes, filled with zeros.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Cuts or extends it to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes content and size durable. A failure is final: see `log`.
    fn sync(&self) -> io::Result<()>;
    /// `len` bytes from `position` on as shared memory, which is let go with the last handle. Only for a
    /// part that is written, and that nobody changes or cuts any more. A part that the disk cannot read is an error here.
    fn map(&self, position: u64, len: usize) -> io::Result<Bytes>;
    /// The system's file, where it can send parts of it by itself. Only parts that may be mapped, and that were brought in before.
    fn sent(&self) -> Option<Arc<File>> {
        None
    }
    /// Whether a part is in the system's cache, so that neither reading nor sending it waits for the disk.
    fn is_in_memory(&self, _position: u64, _len: usize) -> bool {
        false
    }
    /// Reads what is not in memory of a part into the system's cache. A part that the disk cannot read is an error here.
    fn bring_in(&self, _position: u64, _len: usize) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a whole small file; `None` if it is not there.
pub fn read_file(disk: &dyn Disk, path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, Mode::Existing) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let len = file.len()?;
    if len > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} has {len} bytes, more than any such file", path.display())));
    }
    let mut content = vec![0; len as usize];
    let read = file.read_at(&mut content, 0)?;
    content.truncate(read);
    Ok(Some(content))
}

/// Whether an error says that the disk cannot read a part of a file, and nothing of the rest.
pub(crate) fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

/// What stands in for bytes that cannot be read: no batch, and no block that was never written.
const UNREADABLE: u8 = 0xff;

/// Reads `len` bytes, fewer only at the end of the file. Pages that the disk cannot read are filled with bytes that make no sense, so
/// that what is around them can still be looked at.
pub(crate) fn read_around(file: &dyn DiskFile, position: u64, len: usize) -> io::Result<Bytes> {
    const PAGE_BYTES: usize = 4096;
    let mut content = BytesMut::zeroed(len);
    match file.read_at(&mut content, position) {
        Ok(read) => {
            content.truncate(read);
            return Ok(content.freeze());
        }
        Err(error) if is_unreadable(&error) => {}
        Err(error) => return Err(error),
    }
    let len = len.min(file.len()?.saturating_sub(position) as usize);
    content.truncate(len);
    let mut at = 0;
    while at < len {
        let end = (at + PAGE_BYTES - (position as usize + at) % PAGE_BYTES).min(len);
        match file.read_at(&mut content[at..end], position + at as u64) {
            Ok(_) => {}
            Err(error) if is_unreadable(&error) => content[at..end].fill(UNREADABLE),
            Err(error) => return Err(error),
        }
        at = end;
    }
    Ok(content.freeze())
}

/// Replaces a small file so that after a crash either the old or the new content is there, whole.
pub fn replace_file(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    // A name of its own: two files that differ in their extensions alone may be replaced side by side.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    let file = disk.open(temporary, Mode::Briefly)?;
    file.truncate(0)?;
    file.write_at(&[IoSlice::new(content)], 0)?;
    file.sync()?;
    disk.rename(temporary, path)?;
    disk.sync_dir(dir)
}
