//! The threads that sync. A partition stands in the queue at most once, so the queue is bounded by the number of
//! partitions; up to [`THREADS`] syncs are under way at once, each releasing its own partition's acknowledgements.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::Partition;

/// More do not help: measured with 16 files of 64 KiB a cycle on a virtual disk.
const THREADS: usize = 16;

#[derive(Debug, Default)]
struct Queue {
    partitions: VecDeque<Arc<Partition>>,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

/// The queue and its threads.
#[derive(Debug)]
pub(crate) struct Flusher {
    queue: Mutex<Queue>,
    woken: Condvar,
    failure: watch::Sender<Option<String>>,
}

impl Flusher {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Flusher { queue: Mutex::default(), woken: Condvar::new(), failure: watch::Sender::new(None) })
    }

    /// Takes a partition in. Threads are started as they are needed, and stay.
    pub(crate) fn queue(self: &Arc<Self>, partition: Arc<Partition>) {
        let mut queue = self.queue.lock();
        queue.partitions.push_back(partition);
        if queue.idle >= queue.partitions.len() {
            self.woken.notify_one();
        } else if queue.threads < THREADS && !queue.is_closed {
            queue.threads += 1;
            let flusher = self.clone();
            let spawned = std::thread::Builder::new().name("flush".into()).stack_size(256 * 1024).spawn(move || flusher.run());
            if let Err(error) = spawned {
                queue.threads -= 1;
                tracing::error!("cannot start a thread to sync with: {error}");
            }
        }
    }

    fn run(&self) {
        let mut queue = self.queue.lock();
        loop {
            if let Some(partition) = queue.partitions.pop_front() {
                drop(queue);
                partition.flush();
                drop(partition);
                queue = self.queue.lock();
            } else if queue.is_closed {
                return;
            } else {
                queue.idle += 1;
                self.woken.wait(&mut queue);
                queue.idle -= 1;
            }
        }
    }

    /// A disk failed: the process must end.
    pub(crate) fn report_failure(&self, sentence: String) {
        tracing::error!("{sentence}; nothing is acknowledged from here on");
        self.failure.send_if_modified(|failure| {
            let is_first = failure.is_none();
            failure.get_or_insert(sentence);
            is_first
        });
    }

    /// Becomes a sentence when a disk has failed.
    pub(crate) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    /// Lets the threads end once the queue is empty.
    pub(crate) fn close(&self) {
        self.queue.lock().is_closed = true;
        self.woken.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::disk::simulated::SimulatedDisk;
    use crate::partition::{NotDurable, testing};

    /// Every append that waits for stable storage is told that there is none, later ones too.
    #[test]
    fn nobody_waits_for_a_disk_that_failed() {
        let disk = SimulatedDisk::new();
        let partition = testing::open_on(&disk, &[]);
        disk.fail_sync_of(Path::new(testing::DIR));
        let appended = partition.append(testing::batch("k", b"v", 0, None), -1, 1, false).unwrap();
        for acknowledged in [appended.acknowledged, partition.settled()] {
            assert_eq!(acknowledged.unwrap().blocking_recv().unwrap(), Err(NotDurable::DiskFailed));
        }
    }
}
