//! Memory for requests that are being read or served, shared by all connections (`queued.max.request.bytes`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The memory. One permit is a KiB.
#[derive(Debug, Clone)]
pub(crate) struct RequestMemory {
    permits: Arc<Semaphore>,
    kib_max: u32,
    waiting: Arc<AtomicUsize>,
}

/// Counts one that waits, until it is dropped.
struct Waits(Arc<AtomicUsize>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RequestMemory {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let kib_max = (bytes_max / 1024).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize)) as u32;
        RequestMemory { permits: Arc::new(Semaphore::new(kib_max as usize)), kib_max, waiting: Arc::default() }
    }

    /// Waits until there is memory for a request. One larger than all of it gets all of it.
    pub(super) async fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kib = (bytes as u32 / 1024 + 1).min(self.kib_max);
        if let Ok(permit) = self.permits.clone().try_acquire_many_owned(kib) {
            return Some(permit);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waits = Waits(self.waiting.clone());
        self.permits.clone().acquire_many_owned(kib).await.ok()
    }

    /// Whether requests wait for memory.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }
}
