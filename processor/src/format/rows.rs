//! Records of a topic as rows of its table: only the columns that a query reads are made, the others are null.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Int32Array, Int32Builder, Int64Builder, ListBuilder, RecordBatch, StringArray, StringBuilder, StructBuilder,
};
use arrow::array::{TimestampMicrosecondBuilder, UInt64Array};
use arrow::datatypes::DataType;
use millstream_client::Record;
use parking_lot::Mutex;

use super::json::{self, JsonDecoder};
use crate::error::QueryError;
use crate::table::{ParseMode, Table};

/// Rows, and how many values were malformed.
pub(crate) struct MadeRows {
    pub batch: RecordBatch,
    pub malformed: usize,
}

/// Rows that are made at once at most: few enough that their memory is near and used again.
pub(crate) const CHUNK_ROWS: usize = 8192;

/// Makes rows for one query.
pub(crate) struct RowMaker {
    /// Columns that the query reads.
    used: HashSet<usize>,
    /// Those of them that are fields of the value.
    wanted: Vec<usize>,
    /// Never locked: Arrow's decoder may be sent to another thread, and is not shared. The lock says so to the compiler.
    decoder: Mutex<Option<JsonDecoder>>,
}

impl RowMaker {
    pub(crate) fn new(table: &Table, used: HashSet<usize>) -> Result<Self, QueryError> {
        let wanted: Vec<usize> = (0..table.declared).filter(|column| used.contains(column)).collect();
        // FAILFAST and DROPMALFORMED look at every value, whatever is read of it.
        let looks_at_values = !wanted.is_empty() || (table.declared > 0 && table.mode != ParseMode::Permissive);
        let decoder = || JsonDecoder::new(json::projected(&table.schema, &wanted)?, CHUNK_ROWS);
        let decoder = looks_at_values.then(decoder).transpose()?;
        Ok(RowMaker { used, wanted, decoder: Mutex::new(decoder) })
    }

    /// Makes rows of at most [`CHUNK_ROWS`] records of one partition.
    pub(crate) fn rows(&mut self, table: &Table, partition: i32, records: &[Record]) -> Result<MadeRows, QueryError> {
        let mut malformed = Vec::new();
        let mut decoded = None;
        if let Some(decoder) = self.decoder.get_mut() {
            let values: Vec<Option<&[u8]>> = records.iter().map(|record| record.value.as_deref()).collect();
            let found = decoder.decode(&values)?;
            malformed = found.malformed;
            decoded = Some(found.batch);
        }
        let (used, wanted) = (&self.used, &self.wanted);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(table.schema.fields().len());
        if table.mode == ParseMode::FailFast
            && let Some(row) = malformed.first()
        {
            let offset = records[*row].offset;
            return Err(QueryError::analysis(format!(
                "the value at {}-{partition} offset {offset} is no JSON object of the table's schema (mode FAILFAST)",
                table.topic
            )));
        }
        for (place, field) in table.schema.fields().iter().enumerate() {
            let column = match (place < table.declared, wanted.iter().position(|w| *w == place), &decoded) {
                (true, Some(at), Some(decoded)) => decoded.column(at).clone(),
                (false, ..) if used.contains(&place) => record_column(field.name(), &table.topic, partition, records),
                _ => json::nulls(field, records.len()),
            };
            columns.push(column);
        }
        let mut batch = RecordBatch::try_new(table.schema.clone(), columns)?;
        if table.mode == ParseMode::DropMalformed && !malformed.is_empty() {
            let bad: HashSet<usize> = malformed.iter().copied().collect();
            let kept = (0..records.len()).filter(|row| !bad.contains(row)).map(|row| row as u64);
            batch = arrow::compute::take_record_batch(&batch, &UInt64Array::from_iter_values(kept))?;
        }
        Ok(MadeRows { batch, malformed: malformed.len() })
    }
}

fn record_column(name: &str, topic: &str, partition: i32, records: &[Record]) -> ArrayRef {
    let rows = records.len();
    match name {
        "key" => binary(records.iter().map(|record| record.key.as_deref())),
        "value" => binary(records.iter().map(|record| record.value.as_deref())),
        "topic" => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(topic, rows))),
        "partition" => Arc::new(Int32Array::from_value(partition, rows)),
        "offset" => {
            let mut builder = Int64Builder::with_capacity(rows);
            records.iter().for_each(|record| builder.append_value(record.offset));
            Arc::new(builder.finish())
        }
        "timestamp" => {
            let mut builder = TimestampMicrosecondBuilder::with_capacity(rows);
            records.iter().for_each(|record| builder.append_value(record.timestamp.saturating_mul(1000)));
            Arc::new(builder.finish())
        }
        "timestamptype" => {
            let mut builder = Int32Builder::with_capacity(rows);
            records.iter().for_each(|_| builder.append_value(0));
            Arc::new(builder.finish())
        }
        _ => headers(records),
    }
}

fn binary<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> ArrayRef {
    let mut builder = BinaryBuilder::new();
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

fn headers(records: &[Record]) -> ArrayRef {
    let fields =
        vec![arrow::datatypes::Field::new("key", DataType::Utf8, true), arrow::datatypes::Field::new("value", DataType::Binary, true)];
    let parts: Vec<Box<dyn arrow::array::ArrayBuilder>> = vec![Box::new(StringBuilder::new()), Box::new(BinaryBuilder::new())];
    let mut builder = ListBuilder::new(StructBuilder::new(fields, parts));
    for record in records {
        for header in &record.headers {
            let item = builder.values();
            if let Some(keys) = item.field_builder::<StringBuilder>(0) {
                keys.append_value(String::from_utf8_lossy(&header.key));
            }
            if let Some(values) = item.field_builder::<BinaryBuilder>(1) {
                values.append_option(header.value.as_deref());
            }
            item.append(true);
        }
        // Spark's headers are null where there are none.
        builder.append(!record.headers.is_empty());
    }
    Arc::new(builder.finish())
}
