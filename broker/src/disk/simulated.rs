//! A disk in memory that behaves as badly as real ones may: a crash keeps, drops or tears each write that was
//! not synced, undoes names whose folder was not synced, and calls fail or take long as told.

mod fault;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{DirEntry, Disk, DiskFile, Mode};
use crate::clock::Clock;
pub use fault::Fault;
use fault::Faults;

/// Writes are torn at this grain.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Default)]
struct Inode {
    durable: Vec<u8>,
    now: Vec<u8>,
    /// Changes that no sync has covered, numbered.
    pending: Vec<(u64, Pending)>,
    changes: u64,
    /// The newest change that a sync has covered.
    synced: u64,
    sync_broken: bool,
    modified_ms: Option<i64>,
    /// Bytes that cannot be read any more.
    unreadable: Vec<Range<usize>>,
}

impl Inode {
    fn check_readable(&self, from: usize, count: usize) -> io::Result<()> {
        let is_met = |range: &Range<usize>| range.start < from + count && from < range.end;
        if self.unreadable.iter().any(is_met) { Err(input_output_error()) } else { Ok(()) }
    }

    fn change(&mut self, change: Pending) {
        self.changes += 1;
        self.pending.push((self.changes, change));
    }
}

#[derive(Debug)]
enum Pending {
    Write { at: usize, bytes: Vec<u8> },
    SetLen(usize),
}

type File = Arc<Mutex<Inode>>;

#[derive(Debug, Default)]
struct World {
    now: BTreeMap<PathBuf, File>,
    durable: BTreeMap<PathBuf, File>,
    dirs: BTreeSet<PathBuf>,
    calls: u64,
    read_bytes: u64,
    faults: Faults,
    is_off: bool,
    crashes: u64,
    clock: Option<Clock>,
}

/// The disk. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SimulatedDisk {
    world: Arc<Mutex<World>>,
    released: Arc<Condvar>,
}

#[derive(Debug)]
struct SimulatedFile {
    inode: File,
    disk: SimulatedDisk,
}

fn power_is_off() -> io::Error {
    io::Error::other("simulated: power is off")
}

fn input_output_error() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl SimulatedDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `fault` happen at the `nth` call from now that changes something (the first is 0).
    pub fn fail_at(&self, nth: u64, fault: Fault) {
        let mut world = self.world.lock();
        world.faults.nth = Some((world.calls + nth, fault));
    }

    /// From now on each sync of the file or folder, and of all in it, fails with EIO.
    pub fn fail_sync_of(&self, path: &Path) {
        self.world.lock().faults.fail(path);
    }

    /// From now on each sync of the file or folder, and of all in it, waits for [`SimulatedDisk::release_sync`].
    pub fn hold_sync(&self, path: &Path) {
        self.world.lock().faults.hold(path);
    }

    /// Lets the syncs go that [`SimulatedDisk::hold_sync`] holds.
    pub fn release_sync(&self, path: &Path) {
        self.world.lock().faults.release(path);
        self.released.notify_all();
    }

    /// How many syncs are held now.
    pub fn held_syncs(&self) -> usize {
        self.world.lock().faults.waiting
    }

    /// Says what time files are changed at; without it they have no times.
    pub fn set_clock(&self, clock: Clock) {
        self.world.lock().clock = Some(clock);
    }

    /// How many calls changed something so far.
    pub fn calls(&self) -> u64 {
        self.world.lock().calls
    }

    /// How many bytes were read or mapped so far.
    pub fn read_bytes(&self) -> u64 {
        self.world.lock().read_bytes
    }

    /// Cuts the power and switches it on again. What was not synced is kept, lost or torn, by the seed.
    pub fn crash(&self, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut world = self.world.lock();
        let (now, durable) = (world.now.clone(), world.durable.clone());
        let mut after = BTreeMap::new();
        for path in now.keys().chain(durable.keys()).collect::<BTreeSet<_>>() {
            let survivor = match (now.get(path), durable.get(path)) {
                (Some(new), Some(old)) if Arc::ptr_eq(new, old) => Some(new),
                (new, old) => {
                    if random.random() {
                        new
                    } else {
                        old
                    }
                }
            };
            if let Some(file) = survivor {
                after.insert(path.clone(), file.clone());
            }
        }
        for file in after.values() {
            let mut inode = file.lock();
            let mut content = std::mem::take(&mut inode.durable);
            for (_, pending) in std::mem::take(&mut inode.pending) {
                match pending {
                    Pending::SetLen(len) => {
                        if random.random() {
                            content.resize(len, 0)
                        }
                    }
                    Pending::Write { at, bytes } => tear(&mut content, at, &bytes, &mut random),
                }
            }
            *inode = Inode {
                durable: content.clone(),
                now: content,
                modified_ms: inode.modified_ms,
                unreadable: std::mem::take(&mut inode.unreadable),
                ..Inode::default()
            };
        }
        world.now = after.clone();
        world.durable = after;
        world.is_off = false;
        world.crashes += 1;
        world.faults.clear();
        drop(world);
        self.released.notify_all();
    }

    /// Changes one bit of a file, as a bad sector would.
    pub fn flip_bit(&self, path: &Path, at: usize, bit: u8) {
        self.damage(path, |content| {
            if let Some(byte) = content.get_mut(at) {
                *byte ^= 1 << bit;
            }
        });
    }

    /// Makes everything in a file from a byte on read as zeros, as blocks do that were never written.
    pub fn zero_from(&self, path: &Path, at: usize) {
        self.damage(path, |content| content.iter_mut().skip(at).for_each(|byte| *byte = 0));
    }

    /// From now on a part of a file cannot be read: reading it fails with EIO.
    pub fn make_unreadable(&self, path: &Path, bytes: Range<usize>) {
        if let Some(file) = self.world.lock().now.get(path) {
            file.lock().unreadable.push(bytes);
        }
    }

    /// Changes what is in a file, now and after a crash.
    fn damage(&self, path: &Path, mut change: impl FnMut(&mut Vec<u8>)) {
        let file = self.world.lock().now.get(path).cloned();
        if let Some(file) = file {
            let mut inode = file.lock();
            change(&mut inode.now);
            change(&mut inode.durable);
            // A crash must not bring back what was written there before.
            let now = inode.now.clone();
            for (_, pending) in &mut inode.pending {
                if let Pending::Write { at, bytes } = pending {
                    let written = now.get(*at..*at + bytes.len()).unwrap_or_default();
                    bytes[..written.len()].copy_from_slice(written);
                }
            }
        }
    }

    /// The paths of all files.
    pub fn files(&self) -> Vec<PathBuf> {
        self.world.lock().now.keys().cloned().collect()
    }

    /// Counts a call that changes something and lets the fault happen.
    fn change(&self) -> io::Result<Option<Fault>> {
        let mut world = self.world.lock();
        if world.is_off {
            return Err(power_is_off());
        }
        let call = world.calls;
        world.calls += 1;
        match world.faults.nth {
            Some((at, Fault::PowerCut)) if call >= at => {
                world.is_off = true;
                self.released.notify_all();
                Err(power_is_off())
            }
            Some((at, Fault::NoSpace)) if call == at => Err(io::Error::from(ErrorKind::StorageFull)),
            Some((at, Fault::Fails)) if call == at => Err(input_output_error()),
            Some((at, Fault::SyncFails)) if call >= at => Ok(Some(Fault::SyncFails)),
            _ => Ok(None),
        }
    }

    /// Lets the faults happen that a sync meets by its path; says whether it fails. Power may go while it is held.
    fn meet_by_path(&self, names: impl Fn(&World) -> Vec<PathBuf>) -> io::Result<bool> {
        let mut world = self.world.lock();
        if !world.faults.are_by_path() {
            return Ok(false);
        }
        let (names, crashes) = (names(&world), world.crashes);
        if world.faults.is_held(&names) {
            world.faults.waiting += 1;
            while world.crashes == crashes && !world.is_off && world.faults.is_held(&names) {
                self.released.wait(&mut world);
            }
            world.faults.waiting -= 1;
        }
        if world.is_off || world.crashes != crashes {
            return Err(power_is_off());
        }
        Ok(world.faults.is_failing(&names))
    }
}

fn tear(content: &mut Vec<u8>, at: usize, bytes: &[u8], random: &mut StdRng) {
    let whole: bool = random.random();
    let mut done = 0;
    while done < bytes.len() {
        let sector_end = ((at + done) / SECTOR_BYTES + 1) * SECTOR_BYTES - at;
        let end = sector_end.min(bytes.len());
        if whole || random.random() {
            if content.len() < at + end {
                content.resize(at + end, 0);
            }
            content[at + done..at + end].copy_from_slice(&bytes[done..end]);
        }
        done = end;
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        let existing = self.world.lock().now.get(path).cloned();
        let inode = match existing {
            Some(inode) => inode,
            None if mode != Mode::Existing => {
                self.change()?;
                self.world.lock().now.entry(path.to_owned()).or_default().clone()
            }
            None => return Err(io::Error::from(ErrorKind::NotFound)),
        };
        Ok(Arc::new(SimulatedFile { inode, disk: self.clone() }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let world = self.world.lock();
        let below = |path: &Path| {
            let rest = path.strip_prefix(dir).ok()?;
            let mut parts = rest.components();
            let name = parts.next()?.as_os_str().to_str()?.to_owned();
            Some((name, parts.next().is_some()))
        };
        let mut found: BTreeMap<String, bool> = world.now.keys().filter_map(|path| below(path)).collect();
        found.extend(world.dirs.iter().filter_map(|path| below(path)).map(|(name, _)| (name, true)));
        Ok(found.into_iter().map(|(name, is_dir)| DirEntry { name, is_dir }).collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.world.lock().dirs.insert(dir.to_owned());
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        let mut world = self.world.lock();
        let moved: Vec<PathBuf> = world.now.keys().filter(|path| path.starts_with(from)).cloned().collect();
        let dirs: Vec<PathBuf> = world.dirs.iter().filter(|path| path.starts_with(from)).cloned().collect();
        if moved.is_empty() && dirs.is_empty() {
            return Err(io::Error::from(ErrorKind::NotFound));
        }
        let renamed = |path: &Path| match path.strip_prefix(from) {
            Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
            Ok(rest) => to.join(rest),
            Err(_) => path.to_owned(),
        };
        for path in moved {
            if let Some(file) = world.now.remove(&path) {
                world.now.insert(renamed(&path), file);
            }
        }
        for path in dirs {
            world.dirs.remove(&path);
            world.dirs.insert(renamed(&path));
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        self.world.lock().now.remove(path).map(|_| ()).ok_or(io::Error::from(ErrorKind::NotFound))
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.change()?;
        let mut world = self.world.lock();
        world.now.retain(|path, _| !path.starts_with(dir));
        world.dirs.retain(|path| !path.starts_with(dir));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change()?;
        if self.meet_by_path(|_| vec![dir.to_owned()])? {
            return Err(input_output_error());
        }
        let mut world = self.world.lock();
        if !world.dirs.contains(dir) && !world.now.keys().any(|path| path.starts_with(dir)) {
            return Err(io::Error::from(ErrorKind::NotFound));
        }
        // Deeper folders count as synced too: a rename of a folder moves what is in it.
        let now: Vec<_> = world.now.iter().filter(|(path, _)| path.starts_with(dir)).map(|(p, f)| (p.clone(), f.clone())).collect();
        world.durable.retain(|path, _| !path.starts_with(dir));
        world.durable.extend(now);
        Ok(())
    }

    fn sync_all(&self, dir: &Path) -> io::Result<()> {
        let files: Vec<PathBuf> = self.world.lock().now.keys().filter(|path| path.starts_with(dir)).cloned().collect();
        for path in files {
            self.open(&path, Mode::Existing)?.sync()?;
        }
        self.sync_dir(dir)
    }

    fn space(&self, _dir: &Path) -> io::Result<(u64, u64)> {
        Ok((1 << 40, 1 << 39))
    }
}

impl SimulatedFile {
    /// Counts a call that changes the file and lets the fault happen.
    fn change(&self) -> io::Result<parking_lot::MutexGuard<'_, Inode>> {
        self.disk.change()?;
        let now_ms = self.disk.world.lock().clock.as_ref().map(Clock::now_ms);
        let mut inode = self.inode.lock();
        inode.modified_ms = now_ms;
        Ok(inode)
    }
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.lock().now.len() as u64)
    }

    fn modified_ms(&self) -> io::Result<i64> {
        self.inode.lock().modified_ms.ok_or(io::Error::from(ErrorKind::Unsupported))
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let inode = self.inode.lock();
        let from = (position as usize).min(inode.now.len());
        let count = buffer.len().min(inode.now.len() - from);
        inode.check_readable(from, count)?;
        buffer[..count].copy_from_slice(&inode.now[from..from + count]);
        drop(inode);
        self.disk.world.lock().read_bytes += count as u64;
        Ok(count)
    }

    fn write_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut inode = self.change()?;
        let at = position as usize;
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        if inode.now.len() < at + bytes.len() {
            inode.now.resize(at + bytes.len(), 0);
        }
        inode.now[at..at + bytes.len()].copy_from_slice(&bytes);
        inode.change(Pending::Write { at, bytes });
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut inode = self.change()?;
        if inode.now.len() < len as usize {
            inode.now.resize(len as usize, 0);
            inode.change(Pending::SetLen(len as usize));
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut inode = self.change()?;
        inode.now.resize(len as usize, 0);
        inode.change(Pending::SetLen(len as usize));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let fault = self.disk.change()?;
        let (content, changes) = {
            let inode = self.inode.lock();
            (inode.now.clone(), inode.changes)
        };
        let is_mine = |(path, file): (&PathBuf, &File)| Arc::ptr_eq(file, &self.inode).then(|| path.clone());
        let is_failing = self.disk.meet_by_path(|world| world.now.iter().filter_map(is_mine).collect())?;
        let mut inode = self.inode.lock();
        if inode.sync_broken || is_failing || fault == Some(Fault::SyncFails) {
            inode.sync_broken = true;
            // As ext4 does: what was not written is forgotten as a debt, though the cache still shows it.
            inode.pending.clear();
            return Err(input_output_error());
        }
        // What was written while it was held is the next one's; a later one may have been faster.
        if changes >= inode.synced {
            inode.durable = content;
            inode.synced = changes;
            inode.pending.retain(|(change, _)| *change > changes);
        }
        Ok(())
    }

    fn map(&self, position: u64, len: usize) -> io::Result<Bytes> {
        let inode = self.inode.lock();
        let from = (position as usize).min(inode.now.len());
        let content = Bytes::copy_from_slice(&inode.now[from..(from + len).min(inode.now.len())]);
        inode.check_readable(from, content.len())?;
        drop(inode);
        self.disk.world.lock().read_bytes += content.len() as u64;
        Ok(content)
    }
}
