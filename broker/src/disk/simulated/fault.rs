//! What goes wrong on a simulated disk: the n-th call, every sync of a path, or a sync that takes until it is let go.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What goes wrong, and at which call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This sync, and each later one of the file, fails with EIO.
    SyncFails,
    /// This call fails with EIO and changes nothing, later ones do not fail.
    Fails,
    /// This call fails with ENOSPC, later ones do not.
    NoSpace,
    /// Power is cut: this call and all later ones fail.
    PowerCut,
}

/// The faults that were asked for.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// The call, counted from the disk's beginning.
    pub nth: Option<(u64, Fault)>,
    failing: BTreeSet<PathBuf>,
    held: BTreeSet<PathBuf>,
    /// Syncs that wait for being let go.
    pub waiting: usize,
}

impl Faults {
    pub(super) fn fail(&mut self, path: &Path) {
        self.failing.insert(path.to_owned());
    }

    pub(super) fn hold(&mut self, path: &Path) {
        self.held.insert(path.to_owned());
    }

    pub(super) fn release(&mut self, path: &Path) {
        self.held.remove(path);
    }

    /// The disk is sound again, and held calls go on.
    pub(super) fn clear(&mut self) {
        *self = Faults { waiting: self.waiting, ..Faults::default() };
    }

    /// Whether any of a file's names, or a folder above one, has syncs that fail.
    pub(super) fn is_failing(&self, names: &[PathBuf]) -> bool {
        names.iter().any(|name| self.failing.iter().any(|path| name.starts_with(path)))
    }

    /// The same for syncs that take long.
    pub(super) fn is_held(&self, names: &[PathBuf]) -> bool {
        names.iter().any(|name| self.held.iter().any(|path| name.starts_with(path)))
    }

    /// Whether a sync has to look for its file's names at all.
    pub(super) fn are_by_path(&self) -> bool {
        !(self.failing.is_empty() && self.held.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::path::Path;
    use std::sync::Arc;

    use crate::disk::simulated::SimulatedDisk;
    use crate::disk::{Disk, DiskFile, Mode, read_file};

    fn file(disk: &SimulatedDisk, path: &str) -> Arc<dyn DiskFile> {
        let file = disk.open(Path::new(path), Mode::Briefly).unwrap();
        disk.sync_dir(Path::new("/d")).unwrap();
        file
    }

    fn content(disk: &SimulatedDisk, path: &str) -> Vec<u8> {
        read_file(disk, Path::new(path), 1 << 20).unwrap().unwrap()
    }

    #[test]
    fn a_path_whose_sync_fails_fails_it_every_time_and_no_other() {
        let disk = SimulatedDisk::new();
        let (a, b) = (file(&disk, "/d/a/0.log"), file(&disk, "/d/b/0.log"));
        disk.fail_sync_of(Path::new("/d/a"));
        a.write_at(&[IoSlice::new(b"lost")], 0).unwrap();
        b.write_at(&[IoSlice::new(b"kept")], 0).unwrap();
        assert!(a.sync().is_err() && a.sync().is_err() && disk.sync_dir(Path::new("/d/a")).is_err());
        b.sync().unwrap();
        disk.crash(1);
        assert_eq!((content(&disk, "/d/a/0.log"), content(&disk, "/d/b/0.log")), (vec![], b"kept".to_vec()));
    }

    #[test]
    fn a_held_sync_covers_what_was_written_before_it_and_no_more() {
        let lengths: Vec<usize> = (0..20).map(length_after_a_held_sync).collect();
        assert!(lengths.contains(&6) && lengths.iter().all(|length| *length == 6 || *length == 12), "{lengths:?}");
    }

    fn length_after_a_held_sync(seed: u64) -> usize {
        let disk = SimulatedDisk::new();
        let a = file(&disk, "/d/a");
        a.write_at(&[IoSlice::new(b"before")], 0).unwrap();
        disk.hold_sync(Path::new("/d/a"));
        let syncing = std::thread::spawn({
            let a = a.clone();
            move || a.sync()
        });
        while disk.held_syncs() == 0 {
            std::thread::yield_now();
        }
        a.write_at(&[IoSlice::new(b"behind")], 6).unwrap();
        disk.release_sync(Path::new("/d/a"));
        syncing.join().unwrap().unwrap();
        disk.crash(seed);
        let content = content(&disk, "/d/a");
        assert!(content.starts_with(b"before"));
        content.len()
    }

    #[test]
    fn power_goes_while_a_sync_is_held() {
        let disk = SimulatedDisk::new();
        let a = file(&disk, "/d/a");
        disk.hold_sync(Path::new("/d"));
        let syncing = std::thread::spawn(move || a.sync());
        while disk.held_syncs() == 0 {
            std::thread::yield_now();
        }
        disk.crash(1);
        assert!(syncing.join().unwrap().is_err());
    }

    #[test]
    fn zeroed_blocks_stay_zeros() {
        let disk = SimulatedDisk::new();
        let a = file(&disk, "/d/a");
        a.write_at(&[IoSlice::new(b"whole")], 0).unwrap();
        disk.zero_from(Path::new("/d/a"), 2);
        assert_eq!(content(&disk, "/d/a"), b"wh\0\0\0");
        a.sync().unwrap();
        disk.crash(1);
        assert_eq!(content(&disk, "/d/a"), b"wh\0\0\0");
    }
}
