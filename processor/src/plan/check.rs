//! What may not be done with a stream, in which output mode, with Spark's sentences (UnsupportedOperationChecker).

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::names;
use crate::error::QueryError;
use crate::output_mode::OutputMode;
use crate::window::window_args;

/// Refuses what cannot be run batch by batch. `watermark` is the column that carries one.
pub(crate) fn check(plan: &LogicalPlan, mode: OutputMode, watermark: Option<&str>) -> Result<(), QueryError> {
    let mut refusal: Option<String> = None;
    let mut aggregates = 0;
    let mut has_event_time_key = false;
    let mut sorts = false;
    let mut scans = 0;
    plan.apply_with_subqueries(|node| {
        scans += usize::from(matches!(node, LogicalPlan::TableScan(_)));
        let refused = match node {
            LogicalPlan::Aggregate(aggregate) => {
                aggregates += 1;
                has_event_time_key |= aggregate.group_expr.iter().any(|expr| carries(expr, watermark));
                let is_distinct = |expr: &Expr| matches!(unaliased(expr), Expr::AggregateFunction(call) if call.params.distinct);
                aggregate.aggr_expr.iter().any(is_distinct).then_some(
                    "Distinct aggregations are not supported on streaming DataFrames/Datasets. Consider using approx_count_distinct() instead.",
                )
            }
            LogicalPlan::Sort(_) => {
                sorts = true;
                None
            }
            LogicalPlan::Limit(limit) if limit.skip.is_some() => Some("Offset is not supported on streaming DataFrames/Datasets"),
            LogicalPlan::Limit(_) if mode == OutputMode::Update => {
                Some("Limits are not supported on streaming DataFrames/Datasets in Update output mode")
            }
            LogicalPlan::Limit(_) => Some("limits on streams are not supported yet"),
            LogicalPlan::Distinct(_) => Some("DISTINCT on streams is not supported yet"),
            LogicalPlan::Join(_) => Some("joins with streams are not supported yet"),
            LogicalPlan::Union(_) => Some("Union between streaming and batch DataFrames/Datasets is not supported"),
            LogicalPlan::Window(_) => Some("[NON_TIME_WINDOW_NOT_SUPPORTED_IN_STREAMING] Window function is not supported on streaming DataFrames/Datasets."),
            LogicalPlan::RecursiveQuery(_) => Some("recursive queries on streams are not supported"),
            LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_) => {
                Some("only SELECT can be streamed")
            }
            _ => None,
        };
        if let Some(sentence) = refused {
            refusal.get_or_insert(sentence.to_owned());
        }
        for expr in node.expressions() {
            if let Some(name) = clock(&expr)? {
                refusal.get_or_insert(format!("{name}() in a streaming query is not supported yet: use the column timestamp"));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    if let Some(sentence) = refusal {
        return Err(QueryError::Analysis(sentence));
    }
    if scans > 1 {
        return Err(QueryError::analysis("subqueries beside the stream are not supported yet: read one table, with STREAM"));
    }
    let has_aggregate = aggregates > 0;
    let sentence = match mode {
        OutputMode::Append if has_aggregate && !has_event_time_key => {
            "Append output mode not supported when there are streaming aggregations on streaming DataFrames/DataSets without watermark"
        }
        OutputMode::Complete if !has_aggregate => {
            "Complete output mode not supported when there are no streaming aggregations on streaming DataFrames/Datasets"
        }
        OutputMode::Append | OutputMode::Update if sorts => {
            "Sorting is not supported on streaming DataFrames/Datasets, unless it is on aggregated DataFrame/Dataset in Complete output mode"
        }
        _ => return Ok(()),
    };
    Err(QueryError::analysis(sentence))
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

fn carries(expr: &Expr, watermark: Option<&str>) -> bool {
    let Some(watermark) = watermark else { return false };
    match window_args(expr) {
        Some(args) => args.first().is_some_and(|time| names(time, watermark)),
        None => names(expr, watermark),
    }
}

/// A function of the clock: its value would be the one of the planning.
fn clock(expr: &Expr) -> datafusion::common::Result<Option<String>> {
    let mut found = None;
    expr.apply(|expr| {
        if let Expr::ScalarFunction(call) = expr
            && matches!(call.func.name(), "now" | "current_timestamp" | "current_date" | "current_time" | "random" | "uuid")
        {
            found = Some(call.func.name().to_owned());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
