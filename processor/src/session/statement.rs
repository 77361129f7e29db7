//! Running a statement.

use super::catalog::CatalogFile;
use super::start::Started;
use super::{Outcome, Session, table_read};
use crate::error::QueryError;
use crate::plan;
use crate::sql::bounds;
use crate::sql::lexer::statements;
use crate::sql::statement::{Options, Statement, parse};
use crate::table::Table;

impl Session {
    pub(super) async fn script(&self, script: &str) -> Result<Outcome, QueryError> {
        let mut last = Err(QueryError::Parse("the statement is empty".into()));
        for text in statements(script)? {
            last = Ok(self.statement(text).await?);
        }
        last
    }

    pub(super) async fn start_text(&self, text: &str) -> Result<String, QueryError> {
        let only = match statements(text)?[..] {
            [only] => only,
            _ => return Err(QueryError::Parse("a query is started by one statement, CREATE STREAMING TABLE … AS SELECT …".into())),
        };
        bounds::check_text(only)?;
        let Statement::CreateStreamingTable { .. } = parse(only)? else {
            return Err(QueryError::analysis(
                "a query is started by CREATE STREAMING TABLE … AS SELECT …; other statements go to 'millstream sql'",
            ));
        };
        match self.statement(only).await? {
            Outcome::Done(sentence) => Ok(sentence),
            Outcome::Rows(_) | Outcome::Stream(..) => Err(QueryError::analysis("the statement started no query")),
        }
    }

    async fn statement(&self, text: &str) -> Result<Outcome, QueryError> {
        bounds::check_text(text)?;
        match parse(text)? {
            Statement::Select(sql) => self.select(&sql).await,
            Statement::ShowTables => self.show_tables(),
            Statement::CreateTable { name, or_replace, if_not_exists, schema, options } => {
                let _held = self.names.hold(&name, None).await;
                let is_streaming = self.query(&name).is_some();
                if is_streaming || (self.exists(&name) && !or_replace) {
                    return already(&name, if_not_exists);
                }
                self.check_unread(&name)?;
                let table = Table::new(&name, &schema, &options)?;
                self.change(
                    |file| drop(file.tables.insert(name.clone(), text.to_owned())),
                    |catalog| drop(catalog.tables.insert(name.clone(), Ok(table))),
                )?;
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
        let Started { query, new_topic } = self.start(name, options, select).await?;
        let kept = self.change(|file| drop(file.queries.insert(name.to_owned(), text.to_owned())), |_| {});
        if kept.is_err() {
            query.stop().await;
            self.catalog.lock().queries.remove(name);
            self.take_back(new_topic).await;
        }
        kept
    }

    async fn drop_table(&self, name: &str, if_exists: bool) -> Result<Outcome, QueryError> {
        self.check_unread(name)?;
        if !self.exists(name) {
            return match if_exists {
                true => Ok(Outcome::Done(format!("there is no table {name}"))),
                false => Err(plan::unknown_table(name)),
            };
        }
        let query = self.query(name);
        if let Some(query) = &query {
            query.stop().await;
        }
        let forget = |file: &mut CatalogFile| {
            file.tables.remove(name);
            file.queries.remove(name);
        };
        self.change(forget, |catalog| {
            catalog.tables.remove(name);
            catalog.queries.remove(name);
        })?;
        self.remove_checkpoint(name)?;
        Ok(Outcome::Done(format!("table {name} dropped; its topic and records stay")))
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
