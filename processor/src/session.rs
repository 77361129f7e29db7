//! The one type that knows tables and queries: statements come in here.
//!
//! With a folder, tables and streaming tables are kept in it and go on after a restart; without one, everything is gone
//! with the session.

mod present;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use millstream_client::Client;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::checkpoint::Checkpoint;
use crate::checkpoint::file::Files;
use crate::containment::{contain, mark_tasks};
use crate::error::QueryError;
use crate::micro_batch::Execution;
use crate::names::Names;
use crate::output_mode::OutputMode;
use crate::plan;
use crate::query::{Ending, Query, QueryStatus, Rows, Shared};
use crate::sink::Sink;
use crate::sink::rows::RowsSink;
use crate::sink::topic::{Delivery, TopicSink};
use crate::source::TopicSource;
use crate::sql::bounds;
use crate::sql::lexer::{Token, statements};
use crate::sql::rewrite::rewrite;
use crate::sql::statement::{Options, Statement, parse};
use crate::table::Table;
use crate::trigger::Trigger;

/// Batches that wait for whoever watches a streaming SELECT.
const ROWS_UNDER_WAY: usize = 4;

/// What is kept of the catalog: statements, as they were given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct CatalogFile {
    tables: BTreeMap<String, String>,
    queries: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct State {
    catalog: CatalogFile,
    /// Tables, or why the statement that the catalog has of one cannot be read.
    tables: BTreeMap<String, Result<Table, String>>,
    queries: BTreeMap<String, Query>,
}

/// Tables, queries, and a client.
#[derive(Debug, Clone)]
pub struct Session {
    client: Client,
    dir: Option<PathBuf>,
    state: Arc<Mutex<State>>,
    /// The names that statements create, replace or drop just now.
    names: Arc<Names>,
}

/// A table, for listings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// Columns and their types.
    pub columns: Vec<(String, String)>,
    /// Why it cannot be read, if its statement was written by another version; topic and columns are not known then.
    pub error: Option<String>,
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
    /// A session that forgets everything.
    pub fn temporary(client: Client) -> Self {
        Session::new(client, None)
    }

    fn new(client: Client, dir: Option<PathBuf>) -> Self {
        mark_tasks();
        Session { client, dir, state: Arc::default(), names: Arc::default() }
    }

    /// A session kept in a folder; its streaming tables go on at once.
    ///
    /// # Errors
    /// When the folder cannot be read. A query that cannot go on, and a statement that cannot be read any more, are no error: they are
    /// listed as failed, and stay in the catalog until they are dropped.
    pub async fn open(client: Client, dir: &Path) -> Result<Self, QueryError> {
        let files = Files { is_synced: true };
        files.create_dir(dir)?;
        let path = dir.join("catalog.json");
        let catalog: CatalogFile = match files.read(&path)? {
            Some(content) => serde_json::from_slice(&content).map_err(|error| QueryError::checkpoint(&path, error))?,
            None => CatalogFile::default(),
        };
        let session = Session::new(client, Some(dir.to_owned()));
        let tables = catalog.tables.iter().map(|(name, text)| (name.clone(), declared(name, text)));
        let (tables, queries) = (tables.collect(), catalog.queries.clone());
        *session.state.lock() = State { catalog, tables, queries: BTreeMap::new() };
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
        let query = Query { shared, sql: select.to_owned(), table: table_read(select), topic: None, stop: watch::Sender::new(false) };
        self.state.lock().queries.insert(name.to_owned(), query);
    }

    /// Runs a script; what its last statement came to is answered.
    ///
    /// # Errors
    /// With the first statement that fails; those before it have taken effect.
    pub async fn execute(&self, script: &str) -> Result<Outcome, QueryError> {
        contain(self.script(script)).await
    }

    async fn script(&self, script: &str) -> Result<Outcome, QueryError> {
        let mut last = Err(QueryError::Parse("the statement is empty".into()));
        for text in statements(script)? {
            last = Ok(self.statement(text).await?);
        }
        last
    }

    async fn statement(&self, text: &str) -> Result<Outcome, QueryError> {
        bounds::check_text(text)?;
        match parse(text)? {
            Statement::Select(sql) => self.select(&sql).await,
            Statement::ShowTables => self.show_tables(),
            Statement::CreateTable { name, or_replace, if_not_exists, schema, options } => {
                let _held = self.names.hold(&name, None).await;
                let is_streaming = self.state.lock().queries.contains_key(&name);
                if is_streaming || (self.exists(&name) && !or_replace) {
                    return already(&name, if_not_exists);
                }
                self.check_unread(&name)?;
                let table = Table::new(&name, &schema, &options)?;
                let keep = |catalog: &mut CatalogFile| drop(catalog.tables.insert(name.clone(), text.to_owned()));
                self.change(keep, |state| drop(state.tables.insert(name.clone(), Ok(table))))?;
                Ok(Outcome::Done(format!("table {name} created")))
            }
            Statement::CreateStreamingTable { name, if_not_exists, options, select } => {
                let _held = self.names.hold(&name, table_read(&select).as_deref()).await;
                if self.exists(&name) {
                    return already(&name, if_not_exists);
                }
                // A crash may have left the checkpoint of one that was dropped; this one begins anew.
                self.remove_checkpoint(&name)?;
                if let Err(error) = self.start_kept(&name, text, &options, &select).await {
                    self.remove_checkpoint(&name)?;
                    return Err(error);
                }
                Ok(Outcome::Done(format!("streaming table {name} created; its query runs")))
            }
            Statement::DropTable { name, if_exists } => {
                let _held = self.names.hold(&name, None).await;
                self.drop_table(&name, if_exists).await
            }
        }
    }

    /// Starts a query, and keeps its statement.
    async fn start_kept(&self, name: &str, text: &str, options: &Options, select: &str) -> Result<(), QueryError> {
        let query = self.start(name, options, select).await?;
        let kept = self.change(|catalog| drop(catalog.queries.insert(name.to_owned(), text.to_owned())), |_| {});
        if kept.is_err() {
            query.stop().await;
            self.state.lock().queries.remove(name);
        }
        kept
    }

    fn exists(&self, name: &str) -> bool {
        let state = self.state.lock();
        state.tables.contains_key(name) || state.queries.contains_key(name)
    }

    /// Changes the catalog, on the disk and only then in memory.
    fn change(&self, keep: impl FnOnce(&mut CatalogFile), apply: impl FnOnce(&mut State)) -> Result<(), QueryError> {
        let mut state = self.state.lock();
        let mut catalog = state.catalog.clone();
        keep(&mut catalog);
        self.save(&catalog)?;
        state.catalog = catalog;
        apply(&mut state);
        Ok(())
    }

    fn save(&self, catalog: &CatalogFile) -> Result<(), QueryError> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let path = dir.join("catalog.json");
        let content = serde_json::to_vec_pretty(catalog).map_err(|error| QueryError::checkpoint(&path, error))?;
        Files { is_synced: true }.replace(&path, &content)
    }

    /// A query that goes on without its table could not start again.
    fn check_unread(&self, table: &str) -> Result<(), QueryError> {
        let state = self.state.lock();
        let reads = |query: &&Query| query.table.as_deref() == Some(table);
        match state.queries.values().find(reads) {
            None => Ok(()),
            Some(query) => Err(QueryError::analysis(format!("streaming table {} reads table {table}: drop that one first", query.name()))),
        }
    }

    fn remove_checkpoint(&self, name: &str) -> Result<(), QueryError> {
        self.checkpoint_dir(name).map_or(Ok(()), |dir| Files { is_synced: true }.remove_dir(&dir))
    }

    async fn drop_table(&self, name: &str, if_exists: bool) -> Result<Outcome, QueryError> {
        self.check_unread(name)?;
        if !self.exists(name) {
            return match if_exists {
                true => Ok(Outcome::Done(format!("there is no table {name}"))),
                false => Err(plan::unknown_table(name)),
            };
        }
        let query = self.state.lock().queries.get(name).cloned();
        if let Some(query) = &query {
            query.stop().await;
        }
        let forget = |catalog: &mut CatalogFile| {
            catalog.tables.remove(name);
            catalog.queries.remove(name);
        };
        self.change(forget, |state| {
            state.tables.remove(name);
            state.queries.remove(name);
        })?;
        self.remove_checkpoint(name)?;
        Ok(Outcome::Done(format!("table {name} dropped; its topic and records stay")))
    }

    /// Checkpoints lie in the session's folder; a client gives a name, never a path.
    fn checkpoint_dir(&self, name: &str) -> Option<PathBuf> {
        let folder: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.dir.as_ref().map(|dir| dir.join("checkpoints").join(folder))
    }

    fn lookup(&self) -> impl Fn(&str) -> Result<Table, QueryError> + use<> {
        let tables = self.state.lock().tables.clone();
        move |name: &str| match tables.get(name) {
            Some(Ok(table)) => Ok(table.clone()),
            Some(Err(reason)) => Err(unusable(name, reason)),
            None => Err(plan::unknown_table(name)),
        }
    }

    /// Why one of the tables that are named cannot be used, if one cannot.
    fn unusable(&self, words: &[Token]) -> Option<QueryError> {
        let state = self.state.lock();
        let reason = |name: String| state.tables.get(&name)?.as_ref().err().map(|reason| unusable(&name, reason));
        words.iter().filter_map(Token::name).find_map(reason)
    }

    async fn start(&self, name: &str, options: &Options, select: &str) -> Result<Query, QueryError> {
        const KNOWN: &[&str] = &["topic", "outputmode", "trigger", "checkpoint.sync", "acks"];
        if let Some(unknown) = options.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(QueryError::analysis(format!("option {unknown} is not known; there are {}", KNOWN.join(", "))));
        }
        let option = |name: &str| options.get(name).map(String::as_str);
        let mode = option("outputmode").map_or(Ok(OutputMode::Append), OutputMode::parse)?;
        let trigger = option("trigger").map_or(Ok(Trigger::Default), Trigger::parse)?;
        let delivery = match option("acks") {
            None | Some("all") => Delivery::Transactions,
            Some("1") => Delivery::Headers,
            Some(other) => return Err(QueryError::analysis(format!("acks is all or 1, not {other}"))),
        };
        let is_synced = match option("checkpoint.sync") {
            None | Some("true") => true,
            Some("false") => false,
            Some(other) => return Err(QueryError::analysis(format!("checkpoint.sync is true or false, not {other}"))),
        };
        let topic = option("topic").unwrap_or(name).to_owned();
        let plan = plan::streaming(select, &self.lookup(), mode).await?;
        if plan.table.topic == topic {
            return Err(QueryError::analysis(format!("the query would read what it writes: topic {topic}")));
        }
        let dir = self.checkpoint_dir(name).unwrap_or_else(temporary_dir);
        let checkpoint = Checkpoint::open(&dir, is_synced)?;
        let sink = Sink::Topic(Box::new(TopicSink::open(&self.client, &topic, (name, checkpoint.id), delivery).await?));
        let query = self.launch(name.to_owned(), select, plan, sink, checkpoint, trigger, Some(topic)).await?;
        self.state.lock().queries.insert(name.to_owned(), query.clone());
        Ok(query)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a query, each once")]
    async fn launch(
        &self,
        name: String,
        select: &str,
        plan: plan::StreamingPlan,
        sink: Sink,
        checkpoint: Checkpoint,
        trigger: Trigger,
        topic: Option<String>,
    ) -> Result<Query, QueryError> {
        let source = TopicSource::open(&self.client, plan.table.clone(), plan.used.clone()).await?;
        let shared = Shared::new(name, checkpoint.id);
        let (stop, stopped) = watch::channel(false);
        let text = select.to_owned();
        let table = Some(plan.table.name.clone());
        let execution = Execution { plan, source, sink, checkpoint, trigger, text: text.clone(), shared: shared.clone() };
        let query = Query { shared: shared.clone(), sql: text, table, topic, stop };
        tokio::spawn(async move {
            let _ending = Ending(shared.clone());
            let status = match execution.run(stopped).await {
                Ok(()) => QueryStatus::Stopped,
                Err(error) => {
                    tracing::error!(query = shared.name, "failed: {error}");
                    QueryStatus::Failed(error.to_string())
                }
            };
            shared.end(status);
        });
        Ok(query)
    }

    async fn select(&self, sql: &str) -> Result<Outcome, QueryError> {
        let rewritten = rewrite(sql)?;
        if rewritten.streams.is_empty() {
            return Ok(Outcome::Rows(self.select_present(&rewritten.sql).await?));
        }
        let mode = if rewritten.streams.iter().any(|read| read.watermark.is_some()) { OutputMode::Append } else { OutputMode::Update };
        let plan = plan::streaming(sql, &self.lookup(), mode).await?;
        let (sender, receiver) = mpsc::channel(ROWS_UNDER_WAY);
        let checkpoint = Checkpoint::open(&temporary_dir(), false)?;
        let dir = checkpoint.dir.clone();
        let sink = Sink::Rows(RowsSink { sender });
        let query = self.launch("select".into(), sql, plan, sink, checkpoint, Trigger::Default, None).await?;
        let ended = query.clone();
        tokio::spawn(async move {
            ended.ended().await;
            if let Err(error) = (Files { is_synced: false }).remove_dir(&dir) {
                tracing::warn!("{error}");
            }
        });
        Ok(Outcome::Stream(query, receiver))
    }

    fn show_tables(&self) -> Result<Outcome, QueryError> {
        use arrow::array::StringArray;
        let tables = self.tables();
        let queries = self.queries();
        let names = tables.iter().map(|table| table.name.clone()).chain(queries.iter().map(|query| query.name().to_owned()));
        let topics =
            tables.iter().map(|table| table.topic.clone()).chain(queries.iter().map(|query| query.topic().unwrap_or_default().to_owned()));
        let kinds = tables
            .iter()
            .map(|table| if table.error.is_none() { "table".to_owned() } else { "table (failed)".to_owned() })
            .chain(queries.iter().map(|query| format!("streaming table ({})", query.status().name())));
        let batch = RecordBatch::try_from_iter([
            ("name", Arc::new(StringArray::from_iter_values(names)) as _),
            ("topic", Arc::new(StringArray::from_iter_values(topics)) as _),
            ("kind", Arc::new(StringArray::from_iter_values(kinds)) as _),
        ])?;
        Ok(Outcome::Rows(vec![batch]))
    }

    /// The declared tables, by name.
    pub fn tables(&self) -> Vec<TableInfo> {
        let state = self.state.lock();
        let info = |(name, table): (&String, &Result<Table, String>)| match table {
            Ok(table) => TableInfo {
                name: name.clone(),
                topic: table.topic.clone(),
                columns: table.schema.fields().iter().map(|field| (field.name().clone(), field.data_type().to_string())).collect(),
                error: None,
            },
            Err(reason) => TableInfo { name: name.clone(), topic: String::new(), columns: Vec::new(), error: Some(reason.clone()) },
        };
        state.tables.iter().map(info).collect()
    }

    /// The streaming tables' queries, by name.
    pub fn queries(&self) -> Vec<Query> {
        self.state.lock().queries.values().cloned().collect()
    }

    /// A query by its name.
    pub fn query(&self, name: &str) -> Option<Query> {
        self.state.lock().queries.get(name).cloned()
    }

    /// Stops all queries; those in the catalog go on with the next session.
    pub async fn close(&self) {
        let queries = self.queries();
        futures::future::join_all(queries.iter().map(|query| query.stop())).await;
    }
}

fn already(name: &str, if_not_exists: bool) -> Result<Outcome, QueryError> {
    match if_not_exists {
        true => Ok(Outcome::Done(format!("table {name} exists already"))),
        false => {
            Err(QueryError::analysis(format!("[TABLE_OR_VIEW_ALREADY_EXISTS] table {name} exists already: drop it, or give IF NOT EXISTS")))
        }
    }
}

/// A table of the catalog, or why its statement cannot be read.
fn declared(name: &str, text: &str) -> Result<Table, String> {
    let table = match parse(text) {
        Ok(Statement::CreateTable { schema, options, .. }) => Table::new(name, &schema, &options),
        Ok(_) => Err(QueryError::analysis("its statement in the catalog is no CREATE TABLE")),
        Err(error) => Err(error),
    };
    table.map_err(|error| {
        tracing::error!(table = name, "cannot be used: {error}");
        error.to_string()
    })
}

fn unusable(table: &str, reason: &str) -> QueryError {
    QueryError::analysis(format!("table {table} cannot be used: {reason}; drop it and create it anew"))
}

/// The table that a SELECT reads as a stream, if it can be read.
fn table_read(select: &str) -> Option<String> {
    rewrite(select).ok()?.streams.into_iter().next().map(|read| read.table)
}

fn temporary_dir() -> PathBuf {
    std::env::temp_dir().join(format!("millstream-query-{}", uuid::Uuid::new_v4()))
}
