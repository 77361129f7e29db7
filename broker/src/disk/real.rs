//! The operating system's disk.

#![expect(clippy::disallowed_methods, reason = "this is the door to the disk")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::FallocateFlags;

use super::{DirEntry, Disk, DiskFile, Mode, map};
use crate::open_files;

/// Files as the operating system has them.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile(Arc<File>);

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        // Before it is made: the next start would have to open it.
        if mode == Mode::Lasting && !open_files::may_be_kept(&File::open("/")?) {
            return Err(rustix::io::Errno::MFILE.into());
        }
        let file = OpenOptions::new().read(true).write(true).create(mode != Mode::Existing).mode(0o600).open(path)?;
        Ok(Arc::new(RealFile(Arc::new(file))))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                found.push(DirEntry { name, is_dir: entry.file_type()?.is_dir() });
            }
        }
        Ok(found)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    /// Of the whole file system: others may write there, too, and are waited for.
    fn sync_all(&self, dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(dir)?)?)
    }

    fn space(&self, dir: &Path) -> io::Result<(u64, u64)> {
        let found = rustix::fs::statvfs(dir)?;
        Ok((found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize))
    }
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn modified_ms(&self) -> io::Result<i64> {
        let found = rustix::fs::fstat(&self.0)?;
        Ok(found.st_mtime * 1000 + found.st_mtime_nsec as i64 / 1_000_000)
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.0.read_at(&mut buffer[read..], position + read as u64) {
                Ok(0) => break,
                Ok(some) => read += some,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let written = rustix::io::retry_on_intr(|| rustix::io::pwritev(&self.0, parts, position))?;
        if written == total {
            return Ok(());
        }
        // The rare short write: finish part by part.
        let mut skip = written;
        let mut position = position + written as u64;
        for part in parts {
            let left = &part[skip.min(part.len())..];
            skip -= skip.min(part.len());
            self.0.write_all_at(left, position)?;
            position += left.len() as u64;
        }
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len) {
            // A file system without fallocate still extends: only the guarantee of room is lost.
            Err(rustix::io::Errno::OPNOTSUPP) => self.0.set_len(len),
            other => Ok(other?),
        }
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn map(&self, position: u64, len: usize) -> io::Result<Bytes> {
        map::map(&self.0, position, len)
    }

    fn sent(&self) -> Option<Arc<File>> {
        Some(self.0.clone())
    }

    fn is_in_memory(&self, position: u64, len: usize) -> bool {
        map::is_in_memory(&self.0, position, len)
    }

    fn bring_in(&self, position: u64, len: usize) -> io::Result<()> {
        map::bring_in(&self.0, position, len)
    }
}

impl RealDisk {
    /// Locks a folder for this process; `None` when another one has it. The lock ends with the file or the process.
    pub(crate) fn lock(dir: &Path) -> io::Result<Option<File>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}
