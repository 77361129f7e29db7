//! A running query, and what is known of it from outside.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

/// How many reports are kept (`spark.sql.streaming.numRecentProgressUpdates`).
const PROGRESS_KEPT: usize = 100;

/// Rows of one batch, for the watcher.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The batch.
    pub batch_id: i64,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
}

/// Where a query is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryStatus {
    /// It runs, or waits for data.
    Running,
    /// It was stopped, or its trigger was done.
    Stopped,
    /// It ended with this error.
    Failed(String),
}

impl QueryStatus {
    /// As a word.
    pub fn name(&self) -> &'static str {
        match self {
            QueryStatus::Running => "running",
            QueryStatus::Stopped => "stopped",
            QueryStatus::Failed(_) => "failed",
        }
    }
}

/// What the loop tells.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) run_id: Uuid,
    progress: Mutex<VecDeque<Value>>,
    status: watch::Sender<QueryStatus>,
}

impl Shared {
    pub(crate) fn new(name: String, id: Uuid) -> Arc<Self> {
        let status = watch::Sender::new(QueryStatus::Running);
        Arc::new(Shared { name, id, run_id: Uuid::new_v4(), progress: Mutex::default(), status })
    }

    pub(crate) fn report(&self, progress: Value) {
        let mut kept = self.progress.lock();
        if kept.len() == PROGRESS_KEPT {
            kept.pop_front();
        }
        kept.push_back(progress);
    }

    pub(crate) fn end(&self, status: QueryStatus) {
        self.status.send_replace(status);
    }
}

/// Ends a query whose task ends by a panic that nothing contained: nobody waits for it in vain.
pub(crate) struct Ending(pub(crate) Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        if matches!(*self.0.status.borrow(), QueryStatus::Running) {
            self.0.end(QueryStatus::Failed("its task ended by itself".into()));
        }
    }
}

/// A query. Clones are of the same one.
#[derive(Debug, Clone)]
pub struct Query {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sql: String,
    /// The table that it reads; unknown when its SELECT could not be read.
    pub(crate) table: Option<String>,
    /// The topic behind that table.
    pub(crate) reads: Option<String>,
    pub(crate) topic: Option<String>,
    pub(crate) stop: watch::Sender<bool>,
}

impl Query {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Its id, as long as its checkpoint lives.
    pub fn id(&self) -> String {
        self.shared.id.to_string()
    }

    /// The id of this run.
    pub fn run_id(&self) -> String {
        self.shared.run_id.to_string()
    }

    /// The SELECT.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The topic that it reads, if that is known.
    pub fn reads(&self) -> Option<&str> {
        self.reads.as_deref()
    }

    /// The topic that it writes, if it writes one.
    pub fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }

    /// Where it is.
    pub fn status(&self) -> QueryStatus {
        self.shared.status.borrow().clone()
    }

    /// The newest report, as Spark's StreamingQueryProgress.
    pub fn last_progress(&self) -> Option<Value> {
        self.shared.progress.lock().back().cloned()
    }

    /// The reports that are kept, oldest first.
    pub fn recent_progress(&self) -> Vec<Value> {
        self.shared.progress.lock().iter().cloned().collect()
    }

    /// Asks it to stop, and waits until it has: a batch under way may end, unless it takes longer than a few seconds.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        self.ended().await;
    }

    /// Waits until it has ended, and says how.
    pub async fn ended(&self) -> QueryStatus {
        let mut status = self.shared.status.subscribe();
        match status.wait_for(|status| *status != QueryStatus::Running).await {
            Ok(status) => status.clone(),
            Err(_) => QueryStatus::Stopped,
        }
    }
}
