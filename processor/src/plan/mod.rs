//! From a streaming SELECT to what runs for each batch.
//!
//! DataFusion plans the query once. Below its aggregate, if it has one, is the lower plan; above it the upper one; the
//! aggregate itself is ours. Both physical plans are kept, and only their input changes: [`input`].

pub(crate) mod check;
pub(crate) mod input;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError};
use datafusion::execution::context::{SessionConfig, SessionContext};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Aggregate as AggregatePlan, Expr, LogicalPlan, LogicalPlanBuilder, TableSource};
use datafusion::physical_expr::aggregate::LoweredAggregateBuilder;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::sql::sqlparser::parser::ParserError;

use crate::error::QueryError;
use crate::operator::aggregate::{Aggregate, GroupKey, Measure, Spec};
use crate::output_mode::OutputMode;
use crate::sql::bounds;
use crate::sql::rewrite::{StreamingRead, rewrite};
use crate::table::Table;
use crate::window::{tumbling, window_args, window_function};
use input::BatchInput;

/// A kept plan with an input of its own.
#[derive(Clone)]
pub(crate) struct Kept {
    input: BatchInput,
    plan: Arc<dyn ExecutionPlan>,
    context: SessionContext,
}

impl Kept {
    pub(crate) async fn run(&self, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>, QueryError> {
        self.input.set(batches);
        let plan = reset_plan_states(self.plan.clone())?;
        let result = collect(plan, self.context.task_ctx()).await;
        self.input.set(Vec::new());
        Ok(result?)
    }
}

/// Everything that runs for a batch.
pub(crate) struct StreamingPlan {
    pub table: Table,
    pub watermark: Option<WatermarkPlan>,
    /// Columns of the table that are read.
    pub used: HashSet<usize>,
    pub lower: Kept,
    pub stateful: Option<(Aggregate, Kept)>,
    pub mode: OutputMode,
}

/// The watermark of the source: which column, and how late it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WatermarkPlan {
    pub column: usize,
    pub delay_ms: i64,
}

/// A context with our functions and without what a server must not offer.
pub(crate) fn context() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
    config.options_mut().sql_parser.dialect = datafusion::common::config::Dialect::Databricks;
    // A filter that one batch found out must not hold for the next one.
    config.options_mut().optimizer.enable_dynamic_filter_pushdown = false;
    let context = SessionContext::new_with_config(config);
    context.register_udf(window_function());
    context
}

/// Plans a SELECT that reads a stream.
pub(crate) async fn streaming(
    sql: &str,
    tables: &(dyn Fn(&str) -> Result<Table, QueryError> + Sync),
    mode: OutputMode,
) -> Result<StreamingPlan, QueryError> {
    let rewritten = rewrite(sql)?;
    let [read] = rewritten.streams.as_slice() else {
        return Err(QueryError::analysis(match rewritten.streams.len() {
            0 => "Queries without streaming sources cannot be executed with writeStream.start(): read a table with FROM STREAM",
            _ => "joins and unions of several streams are not supported yet: read one table with STREAM",
        }));
    };
    let StreamingRead { table, watermark } = read;
    let table = tables(table)?;
    let watermark = match watermark {
        None => None,
        Some(declared) => Some(WatermarkPlan { column: event_time(&table, &declared.column)?, delay_ms: declared.delay_us / 1000 }),
    };
    let context = context();
    let input = BatchInput::new(table.schema.clone());
    context.register_table(&table.name, input.provider()?)?;
    let analysed = analyse(&context, &rewritten.sql).await?;
    let state = context.state();
    let watermark_column = watermark.map(|watermark| table.schema.field(watermark.column).name().clone());
    check::check(&analysed, mode, watermark_column.as_deref())?;
    let optimised = state.optimize(&analysed)?;
    let mut used = used_columns(&optimised, &table)?;
    used.extend(watermark.map(|watermark| watermark.column));
    let aggregate = find_aggregate(&optimised)?;
    let Some(aggregate) = aggregate else {
        let plan = state.create_physical_plan(&optimised).await?;
        let lower = Kept { input, plan, context };
        return Ok(StreamingPlan { table, watermark, used, lower, stateful: None, mode });
    };
    let lower = state.create_physical_plan(&aggregate.input).await?;
    let spec = spec(&aggregate, &lower.schema(), mode, watermark_column.as_deref())?;
    let upper_input = BatchInput::new(spec.output.clone());
    let upper = above(&optimised, &aggregate, upper_input.source()?)?;
    let upper = state.create_physical_plan(&upper).await?;
    let operator = Aggregate::new(spec, &lower.schema())?;
    let lower = Kept { input, plan: lower, context: context.clone() };
    let upper = Kept { input: upper_input, plan: upper, context };
    Ok(StreamingPlan { table, watermark, used, lower, stateful: Some((operator, upper)), mode })
}

/// Has DataFusion parse and plan a SELECT, once it is known to be neither too long nor too deep.
pub(crate) async fn analyse(context: &SessionContext, sql: &str) -> Result<LogicalPlan, QueryError> {
    bounds::check(sql)?;
    let state = context.state();
    match state.create_logical_plan(sql).await {
        Err(DataFusionError::SQL(error, _)) if matches!(*error, ParserError::RecursionLimitExceeded) => {
            Err(bounds::too_deep(state.config_options().sql_parser.recursion_limit.get()))
        }
        planned => Ok(planned?),
    }
}

pub(crate) fn unknown_table(name: &str) -> QueryError {
    QueryError::analysis(format!("table {name} does not exist: declare it with CREATE TABLE {name} (…) USING kafka"))
}

fn event_time(table: &Table, column: &str) -> Result<usize, QueryError> {
    let place = table
        .schema
        .index_of(column)
        .map_err(|_| QueryError::analysis(format!("WATERMARK: table {} has no column {column}", table.name)))?;
    match table.schema.field(place).data_type() {
        arrow::datatypes::DataType::Timestamp(..) => Ok(place),
        other => Err(QueryError::analysis(format!(
            "[EVENT_TIME_IS_NOT_ON_TIMESTAMP_TYPE] The event time `{column}` has the invalid type \"{other}\", but expected \"TIMESTAMP\"."
        ))),
    }
}

/// The columns that the scan of the table is asked for.
fn used_columns(plan: &LogicalPlan, table: &Table) -> Result<HashSet<usize>, QueryError> {
    let mut used = HashSet::new();
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            match &scan.projection {
                Some(columns) => used.extend(columns.iter().copied()),
                None => used.extend(0..table.schema.fields().len()),
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(used)
}

fn find_aggregate(plan: &LogicalPlan) -> Result<Option<AggregatePlan>, QueryError> {
    let mut found = Vec::new();
    plan.apply(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node {
            found.push(aggregate.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => Err(QueryError::analysis("several aggregations in one streaming query are not supported yet")),
    }
}

/// The same plan with the aggregate's place taken by an input.
fn above(plan: &LogicalPlan, aggregate: &AggregatePlan, source: Arc<dyn TableSource>) -> Result<LogicalPlan, QueryError> {
    const NAME: &str = "__aggregate";
    let columns = aggregate.schema.iter().enumerate().map(|(place, (qualifier, field))| {
        let column = Expr::Column(Column::new(Some(NAME), format!("c{place}")));
        column.alias_qualified(qualifier.cloned(), field.name())
    });
    let replacement = LogicalPlanBuilder::scan(NAME, source, None)?.project(columns.collect::<Vec<_>>())?.build()?;
    let replaced = plan.clone().transform_up(|node| match node {
        LogicalPlan::Aggregate(_) => Ok(Transformed::yes(replacement.clone())),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(replaced.data)
}

fn spec(aggregate: &AggregatePlan, input: &Schema, mode: OutputMode, watermark: Option<&str>) -> Result<Spec, QueryError> {
    let schema: &DFSchema = aggregate.input.schema();
    let context = context();
    let state = context.state();
    let properties = state.execution_props();
    let mut keys = Vec::new();
    let mut event_time_key = None;
    for (place, expr) in aggregate.group_expr.iter().enumerate() {
        if matches!(expr, Expr::GroupingSet(_)) {
            return Err(QueryError::analysis("Grouping Sets is not supported on streaming DataFrames/Datasets"));
        }
        let mut carries = |expr: &Expr| {
            if watermark.is_some_and(|watermark| names(expr, watermark)) {
                event_time_key.get_or_insert(place);
            }
        };
        match window_args(expr) {
            Some(args) => {
                carries(&args[0]);
                keys.push(GroupKey::Window(state.create_physical_expr(args[0].clone(), schema)?, tumbling(args)?));
            }
            None => {
                carries(expr);
                keys.push(GroupKey::Plain(state.create_physical_expr(expr.clone(), schema)?));
            }
        }
    }
    let planning = PhysicalPlanningContext::default();
    let mut measures = Vec::new();
    for expr in &aggregate.aggr_expr {
        let lowered = LoweredAggregateBuilder::new(expr, schema, input, properties, &planning).build()?;
        let (function, filter) = (lowered.aggregate, lowered.filter);
        if !function.groups_accumulator_supported() || function.is_distinct() || !function.order_bys().is_empty() {
            return Err(QueryError::analysis(format!("{expr} is not supported on streaming DataFrames/Datasets")));
        }
        measures.push(Measure { function, filter });
    }
    let fields = aggregate.schema.fields().iter().enumerate();
    let output = fields.map(|(place, field)| field.as_ref().clone().with_name(format!("c{place}")).with_nullable(true));
    Ok(Spec { keys, measures, event_time_key, mode, output: Arc::new(Schema::new(output.collect::<Vec<_>>())) })
}

/// Whether an expression is the column of this name.
pub(crate) fn names(expr: &Expr, column: &str) -> bool {
    match expr {
        Expr::Column(found) => found.name == column,
        Expr::Alias(alias) => names(&alias.expr, column),
        _ => false,
    }
}
