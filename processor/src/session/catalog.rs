//! What statements declared: tables and streaming tables, on the disk and in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use serde::{Deserialize, Serialize};

use super::{Outcome, Session};
use crate::checkpoint::file::Files;
use crate::error::QueryError;
use crate::plan;
use crate::query::Query;
use crate::sql::lexer::Token;
use crate::sql::statement::{Statement, parse};
use crate::table::Table;

/// What is kept of the catalog: statements, as they were given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct CatalogFile {
    pub(super) tables: BTreeMap<String, String>,
    pub(super) queries: BTreeMap<String, String>,
}

/// The catalog in memory.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    file: CatalogFile,
    /// Tables, or why the statement that the file has of one cannot be read.
    pub(super) tables: BTreeMap<String, Result<Table, String>>,
    pub(super) queries: BTreeMap<String, Query>,
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

impl Catalog {
    /// With the tables that a file declares; its queries are started one by one.
    pub(super) fn of(file: CatalogFile) -> Self {
        let tables = file.tables.iter().map(|(name, text)| (name.clone(), declared(name, text))).collect();
        Catalog { file, tables, queries: BTreeMap::new() }
    }
}

impl Session {
    pub(super) fn exists(&self, name: &str) -> bool {
        let state = self.catalog.lock();
        state.tables.contains_key(name) || state.queries.contains_key(name)
    }

    /// Changes the catalog, on the disk and only then in memory.
    pub(super) fn change(&self, keep: impl FnOnce(&mut CatalogFile), apply: impl FnOnce(&mut Catalog)) -> Result<(), QueryError> {
        let mut catalog = self.catalog.lock();
        let mut file = catalog.file.clone();
        keep(&mut file);
        self.save(&file)?;
        catalog.file = file;
        apply(&mut catalog);
        Ok(())
    }

    fn save(&self, file: &CatalogFile) -> Result<(), QueryError> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let path = dir.join("catalog.json");
        let content = serde_json::to_vec_pretty(file).map_err(|error| QueryError::checkpoint(&path, error))?;
        Files { is_synced: true }.replace(&path, &content)
    }

    /// A query that goes on without its table could not start again.
    pub(super) fn check_unread(&self, table: &str) -> Result<(), QueryError> {
        let catalog = self.catalog.lock();
        let reads = |query: &&Query| query.table.as_deref() == Some(table);
        match catalog.queries.values().find(reads) {
            None => Ok(()),
            Some(query) => Err(QueryError::analysis(format!("streaming table {} reads table {table}: drop that one first", query.name()))),
        }
    }

    pub(super) fn lookup(&self) -> impl Fn(&str) -> Result<Table, QueryError> + use<> {
        let tables = self.catalog.lock().tables.clone();
        move |name: &str| match tables.get(name) {
            Some(Ok(table)) => Ok(table.clone()),
            Some(Err(reason)) => Err(unusable(name, reason)),
            None => Err(plan::unknown_table(name)),
        }
    }

    /// Why one of the tables that are named cannot be used, if one cannot.
    pub(super) fn unusable(&self, words: &[Token]) -> Option<QueryError> {
        let catalog = self.catalog.lock();
        let reason = |name: String| catalog.tables.get(&name)?.as_ref().err().map(|reason| unusable(&name, reason));
        words.iter().filter_map(Token::name).find_map(reason)
    }

    pub(super) fn show_tables(&self) -> Result<Outcome, QueryError> {
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
        let catalog = self.catalog.lock();
        let info = |(name, table): (&String, &Result<Table, String>)| match table {
            Ok(table) => TableInfo {
                name: name.clone(),
                topic: table.topic.clone(),
                columns: table.schema.fields().iter().map(|field| (field.name().clone(), field.data_type().to_string())).collect(),
                error: None,
            },
            Err(reason) => TableInfo { name: name.clone(), topic: String::new(), columns: Vec::new(), error: Some(reason.clone()) },
        };
        catalog.tables.iter().map(info).collect()
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
