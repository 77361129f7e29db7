//! A SELECT without a stream: it reads tables from their first record to the present end, once, and is no query.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::LogicalPlan;

use super::Session;
use crate::error::QueryError;
use crate::limit::SELECTED_ROWS_MAX;
use crate::plan;
use crate::source::TopicSource;
use crate::sql::bounds;
use crate::sql::lexer::tokens;
use crate::table::{StartingOffsets, Table};

impl Session {
    /// Reads tables from their first record to the present end.
    pub(super) async fn select_present(&self, sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
        // Before anything is read for it.
        bounds::check(sql)?;
        let context = plan::context();
        let tables = self.lookup();
        let words = tokens(sql)?;
        for table in words.iter().filter_map(|word| tables(&word.name()?).ok()) {
            if context.table_exist(&table.name)? {
                continue;
            }
            let schema = table.schema.clone();
            let used = (0..schema.fields().len()).collect();
            let name = table.name.clone();
            let start = match table.starting {
                StartingOffsets::Each(_) | StartingOffsets::Latest | StartingOffsets::Earliest => StartingOffsets::Earliest,
            };
            let mut source = TopicSource::open(&self.client, Table { starting: start, ..table }, used).await?;
            let (start, end) = (source.start().await?, source.latest().await?);
            let waiting: i64 = start.iter().zip(&end).map(|(start, end)| end - start).sum();
            if waiting > SELECTED_ROWS_MAX as i64 {
                let sentence = format!(
                    "table {name} has {waiting} records, more than a SELECT of the present reads ({SELECTED_ROWS_MAX}): read it with FROM STREAM"
                );
                return Err(QueryError::analysis(sentence));
            }
            let input = source.replay(&start, &end).await?;
            context.register_table(&name, Arc::new(MemTable::try_new(schema, vec![input.batches])?))?;
        }
        // A table that cannot be used is not there for the engine; why says more.
        let plan = plan::analyse(&context, sql).await.map_err(|error| self.unusable(&words).unwrap_or(error))?;
        check_read_only(&plan, &tables)?;
        let frame = context.execute_logical_plan(plan).await?;
        Ok(frame.collect().await?)
    }
}

/// SQL from a client reads declared tables and nothing else: no files, no settings.
fn check_read_only(plan: &LogicalPlan, tables: &dyn Fn(&str) -> Result<Table, QueryError>) -> Result<(), QueryError> {
    let mut is_allowed = true;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            is_allowed &= tables(scan.table_name.table()).is_ok();
        }
        is_allowed &= !matches!(
            node,
            LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_) | LogicalPlan::DescribeTable(_)
        );
        Ok(TreeNodeRecursion::Continue)
    })?;
    if is_allowed { Ok(()) } else { Err(QueryError::analysis("only SELECT from declared tables is allowed here")) }
}
