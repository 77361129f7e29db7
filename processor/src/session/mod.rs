//! The one type that knows tables and queries: statements come in here.
//!
//! With a folder, tables and streaming tables are kept in it and go on after a restart; without one, everything is gone
//! with the session.
//!
//! * `statement` runs a statement; `catalog` keeps what statements declare
//! * `start` opens what a query needs and lets it run
//! * `select` is a SELECT of a stream, `present` one of the present
//! * `scratch` has the folders of what the session forgets

mod catalog;
mod present;
mod scratch;
mod select;
mod start;
mod statement;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_client::Client;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::checkpoint::Checkpoint;
use crate::checkpoint::file::Files;
use crate::containment::{contain, mark_tasks};
use crate::error::QueryError;
use crate::names::Names;
use crate::query::{Query, QueryStatus, Rows, Shared};
use crate::sql::rewrite::rewrite;
use crate::sql::statement::{Statement, parse};
pub use catalog::TableInfo;
use catalog::{Catalog, CatalogFile};
use scratch::Scratch;

/// Tables, queries, and a client. Clones are of the same one.
///
/// Its futures are boxed: the code behind them, with all of the engine that it draws in, is then compiled here, once, and not in every
/// crate that waits for one.
#[derive(Debug, Clone)]
pub struct Session {
    client: Client,
    dir: Option<PathBuf>,
    catalog: Arc<Mutex<Catalog>>,
    /// The names that statements create, replace or drop just now.
    names: Arc<Names>,
    /// Streaming SELECTs that run.
    selects: Arc<Mutex<Vec<Query>>>,
    scratch: Arc<Scratch>,
}

/// What a statement came to.
#[derive(Debug)]
pub enum Outcome {
    /// Done; a sentence.
    Done(String),
    /// The rows of a SELECT of the present.
    Rows(Vec<RecordBatch>),
    /// A SELECT of a stream: rows come until the query is stopped.
    Stream(Query, mpsc::Receiver<Rows>),
}

impl Session {
    /// A session that forgets everything. Until [`Session::close`] its checkpoints lie in the system's folder for temporary files.
    pub fn temporary(client: Client) -> Self {
        Session::new(client, None, Scratch::in_system_folder())
    }

    fn new(client: Client, dir: Option<PathBuf>, scratch: Scratch) -> Self {
        mark_tasks();
        let (catalog, names, selects) = (Arc::default(), Arc::default(), Arc::default());
        Session { client, dir, catalog, names, selects, scratch: Arc::new(scratch) }
    }

    /// A session kept in a folder; its streaming tables go on at once.
    ///
    /// # Errors
    /// When the folder cannot be read. A query that cannot go on, and a statement that cannot be read any more, are no error: they are
    /// listed as failed, and stay in the catalog until they are dropped.
    pub fn open(client: Client, dir: &Path) -> BoxFuture<'_, Result<Self, QueryError>> {
        Self::open_kept(client, dir).boxed()
    }

    async fn open_kept(client: Client, dir: &Path) -> Result<Self, QueryError> {
        let files = Files { is_synced: true };
        files.create_dir(dir)?;
        let path = dir.join("catalog.json");
        let file: CatalogFile = match files.read(&path)? {
            Some(content) => serde_json::from_slice(&content).map_err(|error| QueryError::checkpoint(&path, error))?,
            None => CatalogFile::default(),
        };
        // A crash may have left some.
        let scratch = Scratch::inside(dir);
        scratch.remove()?;
        let session = Session::new(client, Some(dir.to_owned()), scratch);
        let queries = file.queries.clone();
        *session.catalog.lock() = Catalog::of(file);
        for (name, text) in &queries {
            session.go_on(name, text).await;
        }
        Ok(session)
    }

    /// Starts a query of the catalog again.
    async fn go_on(&self, name: &str, text: &str) {
        let (select, started) = match parse(text) {
            Ok(Statement::CreateStreamingTable { options, select, .. }) => {
                let started = contain(self.start(name, &options, &select)).await;
                (select, started.map(drop))
            }
            Ok(_) => (text.to_owned(), Err(QueryError::analysis("its statement in the catalog is no CREATE STREAMING TABLE"))),
            Err(error) => (text.to_owned(), Err(error)),
        };
        if let Err(error) = started {
            tracing::error!(query = name, "cannot go on: {error}");
            self.failed(name, &select, error);
        }
    }

    fn failed(&self, name: &str, select: &str, error: QueryError) {
        let checkpoint = self.checkpoint_dir(name).and_then(|dir| Checkpoint::open(&dir, true).ok());
        let shared = Shared::new(name.to_owned(), checkpoint.map_or(uuid::Uuid::nil(), |checkpoint| checkpoint.id));
        shared.end(QueryStatus::Failed(error.to_string()));
        let table = table_read(select);
        let reads = table.as_deref().and_then(|table| self.lookup()(table).ok()).map(|table| table.topic);
        let query = Query { shared, sql: select.to_owned(), table, reads, topic: None, stop: watch::Sender::new(false) };
        self.catalog.lock().queries.insert(name.to_owned(), query);
    }

    /// Runs a script; what its last statement came to is answered.
    ///
    /// # Errors
    /// With the first statement that fails; those before it have taken effect.
    pub fn execute<'a>(&'a self, script: &'a str) -> BoxFuture<'a, Result<Outcome, QueryError>> {
        contain(self.script(script)).boxed()
    }

    /// Runs one statement that must be a CREATE STREAMING TABLE; a sentence says what became of it.
    ///
    /// # Errors
    /// When it is another statement, or several, or fails.
    pub fn start_query<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<String, QueryError>> {
        contain(self.start_text(text)).boxed()
    }

    /// The streaming tables' queries, by name.
    pub fn queries(&self) -> Vec<Query> {
        self.catalog.lock().queries.values().cloned().collect()
    }

    /// A query by its name.
    pub fn query(&self, name: &str) -> Option<Query> {
        self.catalog.lock().queries.get(name).cloned()
    }

    /// Stops all queries and streaming SELECTs; those in the catalog go on with the next session.
    pub async fn close(&self) {
        let selects = std::mem::take(&mut *self.selects.lock());
        let running: Vec<Query> = self.queries().into_iter().chain(selects).collect();
        futures::future::join_all(running.iter().map(Query::stop)).await;
        if let Err(error) = self.scratch.remove() {
            tracing::warn!("{error}");
        }
    }

    /// Checkpoints lie in the session's folder; a client gives a name, never a path.
    fn checkpoint_dir(&self, name: &str) -> Option<PathBuf> {
        let folder: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.dir.as_ref().map(|dir| dir.join("checkpoints").join(folder))
    }

    fn remove_checkpoint(&self, name: &str) -> Result<(), QueryError> {
        self.checkpoint_dir(name).map_or(Ok(()), |dir| Files { is_synced: true }.remove_dir(&dir))
    }
}

/// The table that a SELECT reads as a stream, if it can be read.
fn table_read(select: &str) -> Option<String> {
    rewrite(select).ok()?.streams.into_iter().next().map(|read| read.table)
}
