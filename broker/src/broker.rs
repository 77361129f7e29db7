//! The broker: a data directory, opened. It answers requests; sockets are `server`'s.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_protocol::{Endpoint, Str};
use parking_lot::RwLock;
use thiserror::Error;
use tokio::sync::{Semaphore, watch};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::{BrokerSettings, Listener, Properties};
use crate::disk::{Disk, RealDisk, replace_file};
use crate::dynamic::{Dynamic, DynamicError, Whose};
use crate::fetch_session::FetchSessions;
use crate::group::Groups;
use crate::identity::Identity;
use crate::journal::{self, Journal, JournalError};
use crate::limit;
use crate::log::LogError;
use crate::metrics::Metrics;
use crate::partition::flush::Flusher;
use crate::partition::tail::TailBudget;
use crate::partition::{Env, Partition, ProcessStart};
use crate::seldom::Seldom;
use crate::share::Shares;
use crate::share::window::ShareLimits;
use crate::side_by_side::side_by_side;
use crate::transaction::{Around, Transactions};

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
    pub(crate) shares: Arc<Shares>,
    pub(crate) sessions: FetchSessions,
    pub(crate) metrics: Arc<Metrics>,
    /// Properties that can change while it runs.
    pub(crate) dynamic: Dynamic,
    /// Requests that administer topics take this in turns, and wait for it off the I/O threads.
    pub(crate) administration: Arc<Semaphore>,
    /// Room for batches that are inflated off the I/O threads.
    pub(crate) inflating: Arc<Semaphore>,
    /// What was said of failed reads.
    pub(crate) seldom: Seldom,
    data_dir: PathBuf,
    flusher: Arc<Flusher>,
    listeners: RwLock<Vec<Listener>>,
    /// Room for connections, and how much of it was given away.
    connection_room: Arc<Semaphore>,
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
        let identity = Arc::new(Identity::open(disk.clone(), data_dir, settings.node_id, settings.cluster_id.as_deref())?);
        let dynamic = Dynamic::open(disk.clone(), data_dir, &settings)?;
        let holding = dynamic.settings();
        let connections_max = holding.connections_max;
        let flusher = Flusher::new();
        let tail_budget = TailBudget::new(settings.tail_bytes_max);
        let properties = holding.properties.clone();
        let start = ProcessStart { now_ms: clock.now_ms(), is_clean: Self::take_clean_mark(&*disk, data_dir)? };
        let env = Env { disk: disk.clone(), flusher: flusher.clone(), tail_budget: tail_budget.clone() };
        let catalog = Arc::new(Catalog::open(env, data_dir.join("topics"), properties, &start)?);
        if !start.is_clean {
            begin_epoch(&catalog, &identity)?;
        }
        let journal = Journal::new(journal::OFFSETS, catalog.clone());
        let groups = Arc::new(Groups::open(journal, catalog.clone(), clock.clone(), holding.groups.clone()));
        let journal = Journal::new(journal::TRANSACTIONS, catalog.clone());
        let shares = Arc::new(Shares::open(Journal::new(journal::SHARES, catalog.clone()), &catalog, clock.clone()));
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
            shares,
            transactions,
            identity,
            metrics,
            data_dir: data_dir.to_owned(),
            flusher,
            listeners: RwLock::default(),
            connection_room: Arc::new(Semaphore::new(connections_max)),
            dynamic,
            seldom: Seldom::default(),
            administration: Arc::new(Semaphore::new(1)),
            inflating: Arc::new(Semaphore::new(inflating_max())),
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

    /// The id of the one node.
    pub fn node_id(&self) -> i32 {
        self.settings.node_id
    }

    /// Notes a listener, with the address that it has.
    pub(crate) fn add_listener(&self, listener: Listener) {
        self.listeners.write().push(listener);
    }

    /// Where it listens.
    pub(crate) fn listeners(&self) -> Vec<Listener> {
        self.listeners.read().clone()
    }

    /// The address that answers to a caller in the same process name.
    pub(crate) fn first_endpoint(&self) -> Endpoint {
        let listeners = self.listeners.read();
        let first = listeners.first().map(|listener| listener.advertised.as_ref().unwrap_or(&listener.address).clone());
        first.unwrap_or_else(|| Endpoint { host: Str::from_static("localhost"), port: 0 })
    }

    pub(crate) fn connection_room(&self) -> Arc<Semaphore> {
        self.connection_room.clone()
    }

    /// Changes properties while the broker runs, all or none of them, durably. They hold at once.
    pub(crate) fn alter_properties<E: From<DynamicError>>(
        &self,
        whose: Whose,
        validate_only: bool,
        alter: impl FnOnce(&mut Properties) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.dynamic.settings();
        let Some(holding) = self.dynamic.alter(whose, validate_only, alter)? else { return Ok(()) };
        self.catalog.set_broker_properties(holding.properties.clone());
        self.groups.set_assignment_intervals(&holding.groups);
        let (had, has) = (before.connections_max, holding.connections_max);
        self.connection_room.add_permits(has.saturating_sub(had));
        // Connections that are there stay; the room that they leave is not given away again.
        let surplus = had.saturating_sub(has);
        if surplus > 0 {
            let room = self.connection_room.clone();
            tokio::spawn(async move {
                if let Ok(permits) = room.acquire_many(surplus as u32).await {
                    permits.forget();
                }
            });
        }
        Ok(())
    }

    /// A number for a new connection.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// Becomes a sentence when a disk has failed: the caller must then end the process with an error.
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
        let shared = self.shares.counts();
        (totals.share_available, totals.share_acquired) = (shared.available as u64, shared.acquired as u64);
        totals.share_dead_letters = shared.archiving as u64;
        totals
    }

    /// Retention, compaction, quiet producers, overdue syncs, sessions of members and the time of transactions, for as long as
    /// the broker lives.
    pub fn tend(self: Arc<Self>) -> BoxFuture<'static, ()> {
        self.tend_for_ever().boxed()
    }

    async fn tend_for_ever(self: Arc<Self>) {
        self.transactions.complete_prepared();
        self.off_thread(Self::index_recovered).await;
        let sessions = self.groups.clone().tend();
        let (settings, transactions, groups) = (&self.settings, &self.transactions, &self.groups);
        let aborting = every(transactions.check_ms(), || async { transactions.tend_once() });
        let expiring = every(settings.groups.offsets_check_ms as u64, || async { groups.expire() });
        let flushing = every(settings.retention_check_ms.clamp(10, 100), || self.off_thread(Self::flush_overdue));
        let retaining = every(settings.retention_check_ms, || self.off_thread(Self::tend_logs));
        let compacting = async {
            loop {
                tokio::time::sleep(Duration::from_millis(self.dynamic.settings().cleaner_backoff_ms.max(1))).await;
                self.off_thread(Self::compact).await;
            }
        };
        let unlocking = every(limit::SHARE_TEND_PAUSE_MS, || async { self.tend_shares() });
        tokio::join!(compacting, sessions, aborting, expiring, flushing, retaining, unlocking);
    }

    async fn off_thread(self: &Arc<Self>, work: fn(&Self)) {
        let broker = self.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || work(&broker)).await {
            tracing::error!("tending the logs failed: {error}");
        }
    }

    fn index_recovered(&self) {
        for topic in self.catalog.all() {
            topic.partitions().iter().for_each(|partition| partition.index_recovered());
        }
    }

    fn flush_overdue(&self) {
        let now_ms = self.clock.now_ms();
        for topic in self.catalog.all() {
            topic.partitions().iter().for_each(|partition| partition.flush_overdue(now_ms));
        }
    }

    /// Locks of share groups whose time is over although nobody asks.
    fn tend_shares(&self) {
        self.shares.tend(|group| ShareLimits::of(&self.groups.share_settings(group)), |group| self.groups.dead_letter_topic(group));
    }

    /// A connection is over, and with it its share sessions: what they held is available to others.
    pub(crate) fn disconnected(&self, connection: u64) {
        for ended in self.shares.sessions.disconnect(connection) {
            self.shares.release(&ended, &ShareLimits::of(&self.groups.share_settings(&ended.group)));
        }
    }

    /// Makes a coordinator's journal, for a client that asks for its topic.
    pub(crate) fn prepare_journal(&self, topic: &str) -> Result<(), JournalError> {
        match topic {
            journal::OFFSETS => self.groups.prepare(),
            journal::SHARES => self.shares.keeper.prepare(),
            _ => self.transactions.prepare(),
        }
    }

    fn tend_logs(&self) {
        let (now_ms, expiration_ms) = (self.clock.now_ms(), self.dynamic.settings().producer_expiration_ms);
        for topic in self.catalog.all() {
            for partition in topic.partitions().iter() {
                if let Err(error) = partition.tend(now_ms, expiration_ms) {
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
        self.tend_shares();
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

/// Begins a new leader epoch in every partition: the last process ended without closing the logs, and offsets that were readable may be
/// given anew. It is on stable storage before anybody can read a batch of it.
fn begin_epoch(catalog: &Catalog, identity: &Identity) -> Result<(), LogError> {
    let partitions: Vec<Arc<Partition>> = catalog.all().iter().flat_map(|topic| topic.partitions().to_vec()).collect();
    let highest = partitions.iter().map(|partition| partition.positions().leader_epoch).max();
    if let Some(highest) = highest {
        let epoch = identity.next_leader_epoch(highest)?;
        partitions.iter().for_each(|partition| partition.begin_epoch(epoch));
    }
    Ok(())
}

/// So many requests are checked at once off the I/O threads: as many as there are cores, which they share with those threads.
fn inflating_max() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does something again and again, with a pause between.
async fn every<F: Future<Output = ()>>(pause_ms: u64, mut work: impl FnMut() -> F) {
    loop {
        tokio::time::sleep(Duration::from_millis(pause_ms.max(1))).await;
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
    /// Records that came back to share groups and wait for a member.
    pub share_available: u64,
    /// Records that members of share groups hold.
    pub share_acquired: u64,
    /// Records that share groups gave up and whose dead letters are still to be written.
    pub share_dead_letters: u64,
}
