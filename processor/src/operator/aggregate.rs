//! Aggregation over batches: what Spark does in four operators (partial, restore, merge, save) is one here.
//!
//! A batch is first aggregated by itself; groups that are too late are dropped; the rest is merged with the state of
//! its keys. State keys are row-encoded, the event-time column first, so that what closes is a range at the front.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use crate::error::QueryError;
use crate::output_mode::OutputMode;
use crate::state::StateStore;
use crate::window::{Tumbling, starts, windows};

/// A key and its state, as the store has them.
type StateRow = (Vec<u8>, Vec<u8>);

/// One grouping expression.
#[derive(Debug, Clone)]
pub(crate) enum GroupKey {
    /// Any value.
    Plain(Arc<dyn PhysicalExpr>),
    /// A window of this time.
    Window(Arc<dyn PhysicalExpr>, Tumbling),
}

/// One aggregate.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    pub function: Arc<AggregateFunctionExpr>,
    pub filter: Option<Arc<dyn PhysicalExpr>>,
}

/// What is aggregated, and how.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub keys: Vec<GroupKey>,
    pub measures: Vec<Measure>,
    /// The key that carries the watermark.
    pub event_time_key: Option<usize>,
    pub mode: OutputMode,
    /// Keys, then measures.
    pub output: SchemaRef,
}

/// The two watermarks of a batch, ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watermarks {
    /// Below it rows are too late: what the batch before evicted with.
    pub late_ms: i64,
    /// Below it groups are final.
    pub eviction_ms: i64,
}

/// What a batch did to the state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StateMetrics {
    pub rows_updated: usize,
    pub rows_removed: usize,
    pub rows_dropped_by_watermark: usize,
}

/// The operator.
pub(crate) struct Aggregate {
    spec: Spec,
    input: SchemaRef,
    key_schema: SchemaRef,
    /// The order in which key columns are encoded.
    key_order: Vec<usize>,
    keys: RowConverter,
    states: RowConverter,
    state_columns: Vec<usize>,
}

impl Aggregate {
    pub(crate) fn new(spec: Spec, input: &Schema) -> Result<Self, QueryError> {
        let mut fields = Vec::new();
        for (place, key) in spec.keys.iter().enumerate() {
            let kind = match key {
                GroupKey::Plain(expr) => expr.data_type(input)?,
                GroupKey::Window(..) => DataType::Timestamp(TimeUnit::Microsecond, None),
            };
            fields.push(Field::new(format!("k{place}"), kind, true));
        }
        let key_schema = Arc::new(Schema::new(fields));
        let mut key_order: Vec<usize> = (0..spec.keys.len()).collect();
        if let Some(first) = spec.event_time_key {
            key_order.retain(|place| *place != first);
            key_order.insert(0, first);
        }
        let sort_fields = key_order.iter().map(|place| SortField::new(key_schema.field(*place).data_type().clone())).collect();
        let mut state_fields = Vec::new();
        let mut state_columns = Vec::new();
        for measure in &spec.measures {
            let fields = measure.function.state_fields()?;
            state_columns.push(fields.len());
            state_fields.extend(fields.iter().map(|field| SortField::new(field.data_type().clone())));
        }
        Ok(Aggregate {
            spec,
            input: Arc::new(input.clone()),
            key_schema,
            key_order,
            keys: RowConverter::new(sort_fields)?,
            states: RowConverter::new(state_fields)?,
            state_columns,
        })
    }

    fn accumulators(&self) -> Result<Vec<Box<dyn GroupsAccumulator>>, QueryError> {
        self.spec.measures.iter().map(|measure| Ok(measure.function.create_groups_accumulator()?)).collect()
    }

    fn key_columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, QueryError> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.spec.keys.len());
        for key in &self.spec.keys {
            columns.push(match key {
                GroupKey::Plain(expr) => expr.evaluate(batch)?.into_array(batch.num_rows())?,
                GroupKey::Window(expr, tumbling) => {
                    let times = expr.evaluate(batch)?.into_array(batch.num_rows())?;
                    Arc::new(starts(&times, *tumbling)?)
                }
            });
        }
        Ok(columns)
    }

    /// Aggregates a batch by itself: key columns and state columns.
    fn partial(&self, batches: &[RecordBatch]) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>), QueryError> {
        let mut accumulators = self.accumulators()?;
        let mut groups: Option<Box<dyn GroupValues>> = match self.spec.keys.is_empty() {
            true => None,
            false => Some(new_group_values(self.key_schema.clone(), &GroupOrdering::None)?),
        };
        let mut indices = Vec::new();
        // A global aggregate has its one row even when nothing came: a row that no accumulator may look at makes it.
        let is_nothing = groups.is_none() && batches.iter().all(|batch| batch.num_rows() == 0);
        let nothing = is_nothing.then(|| self.null_row()).transpose()?;
        for batch in nothing.as_ref().map_or(batches, std::slice::from_ref) {
            let batch = self.without_timeless(batch)?;
            if batch.num_rows() == 0 {
                continue;
            }
            let total = match &mut groups {
                Some(groups) => {
                    groups.intern(&self.key_columns(&batch)?, &mut indices)?;
                    groups.len()
                }
                None => {
                    indices.clear();
                    indices.resize(batch.num_rows(), 0);
                    1
                }
            };
            for (measure, accumulator) in self.spec.measures.iter().zip(&mut accumulators) {
                let arguments = measure.function.expressions();
                let values =
                    arguments.iter().map(|expr| expr.evaluate(&batch)?.into_array(batch.num_rows())).collect::<Result<Vec<_>, _>>()?;
                let filter = match &measure.filter {
                    _ if is_nothing => Some(Arc::new(BooleanArray::from(vec![false])) as ArrayRef),
                    Some(filter) => Some(filter.evaluate(&batch)?.into_array(batch.num_rows())?),
                    None => None,
                };
                accumulator.update_batch(&values, &indices, filter.as_ref().map(|filter| filter.as_boolean()), total)?;
            }
        }
        let keys = match &mut groups {
            Some(groups) => groups.emit(EmitTo::All)?,
            None => Vec::new(),
        };
        let mut states = Vec::new();
        for accumulator in &mut accumulators {
            states.extend(accumulator.state(EmitTo::All)?);
        }
        Ok((keys, states))
    }

    fn null_row(&self) -> Result<RecordBatch, QueryError> {
        let fields: Vec<Field> = self.input.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let columns = fields.iter().map(|field| arrow::array::new_null_array(field.data_type(), 1)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
    }

    /// A null time is in no window: Spark drops such rows.
    fn without_timeless(&self, batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
        let mut batch = batch.clone();
        for key in &self.spec.keys {
            if let GroupKey::Window(expr, _) = key {
                let times = expr.evaluate(&batch)?.into_array(batch.num_rows())?;
                if times.null_count() > 0 {
                    batch = arrow::compute::filter_record_batch(&batch, &arrow::compute::is_not_null(&times)?)?;
                }
            }
        }
        Ok(batch)
    }

    /// When the group of a row is over: the end of its window, or its time itself. Microseconds.
    fn closes_us(&self, keys: &[ArrayRef]) -> Option<Vec<Option<i64>>> {
        let place = self.spec.event_time_key?;
        let times = keys[place].as_primitive_opt::<TimestampMicrosecondType>()?;
        let size_us = match &self.spec.keys[place] {
            GroupKey::Window(_, tumbling) => tumbling.size_us,
            GroupKey::Plain(_) => 0,
        };
        Some(times.iter().map(|time| time.map(|time| time.saturating_add(size_us))).collect())
    }

    /// Takes a batch in, and gives what the mode emits. Nothing is durable before the store is committed.
    pub(crate) fn execute(
        &mut self,
        batches: &[RecordBatch],
        store: &mut StateStore,
        watermarks: Watermarks,
    ) -> Result<(RecordBatch, StateMetrics), QueryError> {
        let mut metrics = StateMetrics::default();
        let is_global = self.spec.keys.is_empty();
        let has_input = batches.iter().any(|batch| batch.num_rows() > 0);
        let mut changed: Vec<Vec<u8>> = Vec::new();
        if has_input || is_global {
            let (keys, states) = self.partial(batches)?;
            let (keys, states) = self.without_late(keys, states, watermarks.late_ms, &mut metrics)?;
            changed = self.merge(&keys, &states, store)?;
            metrics.rows_updated = changed.len();
        }
        let output = match self.spec.mode {
            OutputMode::Complete => {
                let all: Vec<StateRow> = store.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
                self.emit(all)?
            }
            OutputMode::Update => {
                changed.sort_unstable();
                let rows = changed.into_iter().filter_map(|key| store.get(&key).map(<[u8]>::to_vec).map(|value| (key, value))).collect();
                let output = self.emit(rows)?;
                metrics.rows_removed = self.evict(store, watermarks.eviction_ms)?.len();
                output
            }
            OutputMode::Append => {
                let closed = self.evict(store, watermarks.eviction_ms)?;
                metrics.rows_removed = closed.len();
                self.emit(closed)?
            }
        };
        Ok((output, metrics))
    }

    fn without_late(
        &self,
        keys: Vec<ArrayRef>,
        states: Vec<ArrayRef>,
        late_ms: i64,
        metrics: &mut StateMetrics,
    ) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>), QueryError> {
        if self.spec.mode == OutputMode::Complete || late_ms <= 0 {
            return Ok((keys, states));
        }
        let Some(closes) = self.closes_us(&keys) else { return Ok((keys, states)) };
        let late_us = late_ms.saturating_mul(1000);
        let is_kept: BooleanArray = closes.iter().map(|closes| Some(closes.is_none_or(|closes| closes > late_us))).collect();
        metrics.rows_dropped_by_watermark = is_kept.false_count();
        let filter = |columns: Vec<ArrayRef>| -> Result<Vec<ArrayRef>, QueryError> {
            columns.iter().map(|column| Ok(arrow::compute::filter(column, &is_kept)?)).collect()
        };
        Ok((filter(keys)?, filter(states)?))
    }

    fn encode_keys(&self, keys: &[ArrayRef]) -> Result<Vec<Vec<u8>>, QueryError> {
        if keys.is_empty() {
            return Ok(vec![Vec::new()]);
        }
        let ordered: Vec<ArrayRef> = self.key_order.iter().map(|place| keys[*place].clone()).collect();
        let rows = self.keys.convert_columns(&ordered)?;
        Ok(rows.iter().map(|row| row.as_ref().to_vec()).collect())
    }

    fn encode_states(&self, states: &[ArrayRef], rows: usize) -> Result<Vec<Vec<u8>>, QueryError> {
        if states.is_empty() {
            return Ok(vec![Vec::new(); rows]);
        }
        Ok(self.states.convert_columns(states)?.iter().map(|row| row.as_ref().to_vec()).collect())
    }

    fn decode_states(&self, values: &[&[u8]]) -> Result<Vec<ArrayRef>, QueryError> {
        let parser = self.states.parser();
        Ok(self.states.convert_rows(values.iter().map(|value| parser.parse(value)))?)
    }

    /// Merges one row of state a group into what the store has of it; answers the keys.
    fn merge(&self, keys: &[ArrayRef], states: &[ArrayRef], store: &mut StateStore) -> Result<Vec<Vec<u8>>, QueryError> {
        let encoded = self.encode_keys(keys)?;
        // Groups that the store knows come first: an accumulator takes every group below the total for one that it has seen.
        let mut order: Vec<usize> = Vec::with_capacity(encoded.len());
        let mut before: Vec<&[u8]> = Vec::new();
        let mut new_groups = Vec::new();
        for (group, key) in encoded.iter().enumerate() {
            match store.get(key) {
                Some(value) => {
                    order.push(group);
                    before.push(value);
                }
                None => new_groups.push(group),
            }
        }
        order.append(&mut new_groups);
        let merged = if before.is_empty() {
            self.encode_states(states, encoded.len())?
        } else {
            let known = before.len();
            let before = self.decode_states(&before)?;
            let known_groups: Vec<usize> = (0..known).collect();
            let mut now_groups = vec![0; encoded.len()];
            order.iter().enumerate().for_each(|(place, group)| now_groups[*group] = place);
            let mut columns = Vec::new();
            let mut from = 0;
            for (accumulator, count) in self.accumulators()?.iter_mut().zip(&self.state_columns) {
                accumulator.merge_batch(&before[from..from + count], &known_groups, known)?;
                accumulator.merge_batch(&states[from..from + count], &now_groups, encoded.len())?;
                columns.extend(accumulator.state(EmitTo::All)?);
                from += count;
            }
            self.encode_states(&columns, encoded.len())?
        };
        for (group, value) in order.into_iter().zip(&merged) {
            store.put(&encoded[group], value);
        }
        Ok(encoded)
    }

    /// Takes out the groups that the watermark has passed, in the order of their keys.
    fn evict(&self, store: &mut StateStore, eviction_ms: i64) -> Result<Vec<StateRow>, QueryError> {
        let Some(place) = self.spec.event_time_key.filter(|_| eviction_ms > 0) else { return Ok(Vec::new()) };
        let size_us = match &self.spec.keys[place] {
            GroupKey::Window(_, tumbling) => tumbling.size_us,
            GroupKey::Plain(_) => 0,
        };
        // A group closes when its end is at or below the watermark: its time below this bound.
        let bound_us = eviction_ms.saturating_mul(1000).saturating_sub(size_us).saturating_add(1);
        let bound: ArrayRef = Arc::new(arrow::array::TimestampMicrosecondArray::from(vec![bound_us]));
        let time = RowConverter::new(vec![SortField::new(self.key_schema.field(place).data_type().clone())])?;
        let end = time.convert_columns(&[bound])?.row(0).as_ref().to_vec();
        let null: ArrayRef = arrow::array::new_null_array(self.key_schema.field(place).data_type(), 1);
        let null = time.convert_columns(&[null])?.row(0).as_ref().to_vec();
        let closed: Vec<StateRow> =
            store.below(&end).filter(|(key, _)| !key.starts_with(&null)).map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        for (key, _) in &closed {
            store.remove(key);
        }
        Ok(closed)
    }

    /// Rows of keys and states as the operator's output.
    fn emit(&self, rows: Vec<StateRow>) -> Result<RecordBatch, QueryError> {
        if rows.is_empty() {
            return Ok(RecordBatch::new_empty(self.spec.output.clone()));
        }
        let mut columns: Vec<Option<ArrayRef>> = vec![None; self.spec.keys.len()];
        if !self.spec.keys.is_empty() {
            let parser = self.keys.parser();
            let decoded = self.keys.convert_rows(rows.iter().map(|(key, _)| parser.parse(key)))?;
            for (place, column) in self.key_order.iter().zip(decoded) {
                columns[*place] = Some(match &self.spec.keys[*place] {
                    GroupKey::Window(_, tumbling) => windows(column.as_primitive::<TimestampMicrosecondType>(), *tumbling),
                    GroupKey::Plain(_) => column,
                });
            }
        }
        let mut columns: Vec<ArrayRef> = columns.into_iter().flatten().collect();
        let values: Vec<&[u8]> = rows.iter().map(|(_, value)| value.as_slice()).collect();
        let states = if self.state_columns.is_empty() { Vec::new() } else { self.decode_states(&values)? };
        let groups: Vec<usize> = (0..rows.len()).collect();
        let mut from = 0;
        for (accumulator, count) in self.accumulators()?.iter_mut().zip(&self.state_columns) {
            accumulator.merge_batch(&states[from..from + count], &groups, rows.len())?;
            columns.push(accumulator.evaluate(EmitTo::All)?);
            from += count;
        }
        // An accumulator may name a type a little differently from the plan.
        let fields = self.spec.output.fields();
        let columns = columns
            .iter()
            .zip(fields)
            .map(|(column, field)| arrow::compute::cast(column, field.data_type()))
            .collect::<Result<Vec<_>, _>>()?;
        let fields: Vec<_> = fields.iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }
}
