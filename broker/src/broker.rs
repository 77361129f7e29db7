//! The broker: a data directory, opened. It answers requests; sockets are `server`'s.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use millstream_protocol::exchange::Answer;
use millstream_protocol::{ApiKey, Call, Exchange};
use thiserror::Error;
use tokio::sync::watch;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::BrokerSettings;
use crate::disk::{Disk, RealDisk, replace_file};
use crate::dispatch;
use crate::fetch_session::FetchSessions;
use crate::group::Groups;
use crate::identity::Identity;
use crate::journal::{self, Journal};
use crate::log::LogError;
use crate::metrics::Metrics;
use crate::partition::flush::Flusher;
use crate::partition::tail::TailBudget;
use crate::partition::{Partition, Start};
use crate::side_by_side::side_by_side;
use crate::transaction::{Around, Transactions};

/// The one broker of a cluster has this node id.
pub const NODE_ID: i32 = 1;

/// Present while no broker runs and the last one ended as it should.
const CLEAN_MARK: &str = "clean";

/// Why a data directory cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{0} is in use by another process; stop that one, or give this one another --data-dir")]
    Locked(PathBuf),
    /// It cannot be read.
    #[error("cannot open the data directory: {0}")]
    Log(#[from] LogError),
}

/// A broker over a data directory.
#[derive(Debug)]
pub struct Broker {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Clock,
    pub(crate) settings: BrokerSettings,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) groups: Arc<Groups>,
    pub(crate) transactions: Arc<Transactions>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) sessions: FetchSessions,
    pub(crate) metrics: Arc<Metrics>,
    data_dir: PathBuf,
    flusher: Arc<Flusher>,
    advertised: OnceLock<(String, u16)>,
    connections: AtomicU64,
    tail_budget: Arc<TailBudget>,
    /// Keeps other processes out for as long as it is open.
    _lock: Option<std::fs::File>,
}

impl Broker {
    /// Opens a directory of the real disk, which is made if it is not there, and locks it.
    pub fn open(data_dir: &Path, settings: BrokerSettings) -> Result<Arc<Self>, OpenError> {
        let io = |error| LogError::io(data_dir, error);
        RealDisk.create_dir(data_dir).map_err(io)?;
        let lock = RealDisk::lock(data_dir).map_err(io)?.ok_or_else(|| OpenError::Locked(data_dir.to_owned()))?;
        Self::assemble(data_dir, settings, Arc::new(RealDisk), Clock::system(), Some(lock))
    }

    /// Opens a directory of any disk, with any clock: for tests.
    pub fn open_on(data_dir: &Path, settings: BrokerSettings, disk: Arc<dyn Disk>, clock: Clock) -> Result<Arc<Self>, OpenError> {
        Self::assemble(data_dir, settings, disk, clock, None)
    }

    fn assemble(
        data_dir: &Path,
        settings: BrokerSettings,
        disk: Arc<dyn Disk>,
        clock: Clock,
        lock: Option<std::fs::File>,
    ) -> Result<Arc<Self>, OpenError> {
        disk.create_dir(data_dir).map_err(|error| LogError::io(data_dir, error))?;
        let identity = Arc::new(Identity::open(disk.clone(), data_dir)?);
        let flusher = Flusher::new();
        let tail_budget = TailBudget::new(settings.tail_bytes_max);
        let properties = settings.properties.clone();
        let start = Start { now_ms: clock.now_ms(), is_clean: Self::take_clean_mark(&*disk, data_dir)? };
        let catalog = Catalog::open(disk.clone(), data_dir.join("topics"), properties, flusher.clone(), tail_budget.clone(), &start)?;
        let catalog = Arc::new(catalog);
        let journal = Journal::new(journal::OFFSETS, catalog.clone());
        let groups = Arc::new(Groups::open(journal, catalog.clone(), clock.clone(), settings.groups.clone()));
        let journal = Journal::new(journal::TRANSACTIONS, catalog.clone());
        let metrics = Arc::new(Metrics::default());
        let around = Around { catalog: catalog.clone(), groups: groups.clone(), identity: identity.clone(), metrics: metrics.clone() };
        let transactions = Transactions::open(journal, around, clock.clone(), settings.transactions.clone());
        let transactions = Arc::new(transactions);
        transactions.abort_unknown();
        Ok(Arc::new(Broker {
            sessions: FetchSessions::new(settings.fetch_sessions_max),
            disk,
            clock,
            settings,
            catalog,
            groups,
            transactions,
            identity,
            metrics,
            data_dir: data_dir.to_owned(),
            flusher,
            advertised: OnceLock::new(),
            connections: AtomicU64::new(1),
            tail_budget,
            _lock: lock,
        }))
    }

    /// Whether the process before this one left its mark, which goes away now: one that crashes leaves none.
    fn take_clean_mark(disk: &dyn Disk, data_dir: &Path) -> Result<bool, LogError> {
        let path = data_dir.join(CLEAN_MARK);
        match disk.remove_file(&path).and_then(|()| disk.sync_dir(data_dir)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(LogError::io(&path, error)),
        }
    }

    /// The cluster's id, as Kafka prints it.
    pub fn cluster_id(&self) -> &str {
        self.identity.cluster_id()
    }

    /// The directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Where clients are told to connect to.
    pub fn set_advertised(&self, host: String, port: u16) {
        let _ = self.advertised.set((host, port));
    }

    pub(crate) fn advertised(&self) -> (&str, u16) {
        self.advertised.get().map_or(("localhost", 0), |(host, port)| (host, *port))
    }

    /// A number for a new connection.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// Becomes a sentence when a disk has failed: whoever runs the broker must then end the process with an error.
    pub fn failure(&self) -> watch::Receiver<Option<String>> {
        self.flusher.failure()
    }

    /// The time by the broker's clock, ms.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Bytes of batches kept in memory for subscribers that keep up.
    pub fn tail_bytes(&self) -> usize {
        self.tail_budget.used_bytes()
    }

    /// How much there is of everything.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for topic in self.catalog.all() {
            totals.topics += 1;
            for partition in topic.partitions().iter() {
                totals.partitions += 1;
                totals.segments += partition.segment_count() as u64;
                totals.log_bytes += partition.bytes();
            }
        }
        (totals.groups, totals.group_members) = self.groups.count();
        (totals.transactional_ids, totals.open_transactions) = self.transactions.count();
        totals
    }

    /// Retention, compaction, quiet producers, overdue syncs, sessions of members and the time of transactions, for as long as
    /// the broker lives.
    pub async fn tend(self: Arc<Self>) {
        self.transactions.complete_prepared();
        let sessions = self.groups.clone().tend();
        let (settings, transactions, groups) = (&self.settings, &self.transactions, &self.groups);
        let aborting = every(transactions.check_ms(), || async { transactions.tend_once() });
        let expiring = every(settings.groups.offsets_check_ms as u64, || async { groups.expire() });
        let flushing = every(settings.retention_check_ms.clamp(10, 100), || self.off_thread(Self::flush_overdue));
        let retaining = every(settings.retention_check_ms, || self.off_thread(Self::tend_logs));
        let compacting = every(settings.cleaner_backoff_ms, || self.off_thread(Self::compact));
        tokio::join!(compacting, sessions, aborting, expiring, flushing, retaining);
    }

    async fn off_thread(self: &Arc<Self>, work: fn(&Self)) {
        let broker = self.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || work(&broker)).await {
            tracing::error!("tending the logs failed: {error}");
        }
    }

    fn flush_overdue(&self) {
        let now_ms = self.clock.now_ms();
        for topic in self.catalog.all() {
            topic.partitions().iter().for_each(|partition| partition.flush_overdue(now_ms));
        }
    }

    fn tend_logs(&self) {
        let now_ms = self.clock.now_ms();
        for topic in self.catalog.all() {
            for partition in topic.partitions().iter() {
                if let Err(error) = partition.tend(now_ms, self.settings.producer_expiration_ms) {
                    tracing::error!(topic = topic.name, partition = partition.index, "retention failed: {error}");
                }
            }
        }
    }

    fn compact(&self) {
        let now_ms = self.clock.now_ms();
        let mut uncleanable = 0;
        for topic in self.catalog.all() {
            for partition in topic.partitions().iter() {
                if let Err(error) = partition.compact(now_ms) {
                    tracing::error!(topic = topic.name, partition = partition.index, "compaction failed: {error}");
                }
                uncleanable += u64::from(partition.is_uncleanable());
            }
        }
        self.metrics.uncleanable_partitions.store(uncleanable, Ordering::Relaxed);
    }

    /// Does everything that has to be done from time to time, now: for tests that move the clock.
    pub fn tend_now(&self) {
        self.flush_overdue();
        self.tend_logs();
        self.compact();
        self.groups.tick();
        self.groups.expire();
        self.transactions.tend_once();
    }

    /// Syncs everything and leaves the logs so that the next start has little to do.
    pub fn close(&self) -> Result<(), LogError> {
        let partitions: Vec<Arc<Partition>> = self.catalog.all().iter().flat_map(|topic| topic.partitions().to_vec()).collect();
        side_by_side(&partitions, |partition| partition.close())?;
        self.flusher.close();
        if self.failure().borrow().is_some() {
            return Ok(());
        }
        let path = self.data_dir.join(CLEAN_MARK);
        replace_file(&*self.disk, &path, b"").map_err(|error| LogError::io(&path, error))
    }
}

/// Does something again and again, with a pause between.
async fn every<F: Future<Output = ()>>(pause_ms: u64, mut work: impl FnMut() -> F) {
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(pause_ms.max(1))).await;
        work().await;
    }
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Topics.
    pub topics: u64,
    /// Partitions of all topics.
    pub partitions: u64,
    /// Segments of all partitions.
    pub segments: u64,
    /// Bytes of batches in them.
    pub log_bytes: u64,
    /// Groups, those without members included.
    pub groups: u64,
    /// Members of all groups.
    pub group_members: u64,
    /// Transactional ids that are known.
    pub transactional_ids: u64,
    /// Transactions that are open or whose markers are still to be written.
    pub open_transactions: u64,
}

/// The broker behind a shared handle: what a connection, an embedded query and a test ask.
#[derive(Debug, Clone)]
pub struct BrokerHandle(pub Arc<Broker>);

impl Exchange for BrokerHandle {
    fn exchange(&self, call: Call) -> Answer {
        dispatch::dispatch(&self.0, call).map(Ok).boxed()
    }

    fn version(&self, api: ApiKey) -> Option<i16> {
        Some(api.info().max)
    }
}
