//! JSON values ↔ columns, through Arrow's decoder. A value that is not exactly one JSON object of the schema is malformed;
//! it never spoils its neighbours.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::json::ReaderBuilder;
use arrow::json::reader::Decoder;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use bytes::Bytes;

use crate::error::QueryError;

/// What stands in for a malformed value.
const EMPTY: &[u8] = b"{}";

/// Columns, and which rows were malformed.
pub(crate) struct Decoded {
    pub batch: RecordBatch,
    pub malformed: Vec<usize>,
}

fn decoder(schema: &SchemaRef, rows: usize) -> Result<Decoder, QueryError> {
    Ok(ReaderBuilder::new(schema.clone()).with_batch_size(rows + 1).with_coerce_primitive(false).build_decoder()?)
}

/// Decodes values; a null value is a row of nulls and not malformed. When one is malformed they are looked at one by one.
pub(crate) fn decode(schema: &SchemaRef, values: &[Option<&[u8]>]) -> Result<Decoded, QueryError> {
    if let Some(batch) = decode_clean(schema, values)? {
        return Ok(Decoded { batch, malformed: Vec::new() });
    }
    let mut cleaned = values.to_vec();
    let mut malformed = Vec::new();
    for (row, value) in cleaned.iter_mut().enumerate() {
        if decode_clean(schema, std::slice::from_ref(value))?.is_none() {
            malformed.push(row);
            *value = None;
        }
    }
    let batch = decode_clean(schema, &cleaned)?;
    let batch = batch.ok_or_else(|| QueryError::analysis("JSON values cannot be decoded together"))?;
    Ok(Decoded { batch, malformed })
}

/// Decodes values that are all well formed; `None` as soon as one is not.
fn decode_clean(schema: &SchemaRef, values: &[Option<&[u8]>]) -> Result<Option<RecordBatch>, QueryError> {
    let mut decoder = decoder(schema, values.len())?;
    for (row, value) in values.iter().enumerate() {
        let bytes = value.unwrap_or(EMPTY);
        let is_object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        // Anything but exactly one more whole row would shift all rows behind it.
        match decoder.decode(bytes) {
            Ok(read) if is_object && read == bytes.len() && decoder.len() == row + 1 && !decoder.has_partial_record() => {}
            _ => return Ok(None),
        }
    }
    // A value of the wrong type is only found here.
    Ok(decoder.flush().ok().flatten())
}

/// One JSON object a row. Times are written as Spark writes them, nulls are left out.
pub(crate) fn encode(batch: &RecordBatch) -> Result<Vec<Bytes>, QueryError> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    if batch.num_columns() == 0 {
        return Ok(vec![Bytes::from_static(EMPTY); batch.num_rows()]);
    }
    let builder = WriterBuilder::new()
        .with_explicit_nulls(false)
        .with_timestamp_format("%Y-%m-%dT%H:%M:%S%.3fZ".into())
        .with_date_format("%Y-%m-%d".into());
    let mut writer = builder.build::<_, LineDelimited>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    let all = Bytes::from(writer.into_inner());
    let mut rows = Vec::with_capacity(batch.num_rows());
    let mut from = 0;
    // A line break inside of a text is written escaped, so every one here ends a row.
    for end in memchr_lines(&all) {
        rows.push(all.slice(from..end));
        from = end + 1;
    }
    Ok(rows)
}

fn memchr_lines(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at)
}

/// The schema of some columns.
pub(crate) fn projected(schema: &SchemaRef, columns: &[usize]) -> Result<SchemaRef, QueryError> {
    Ok(Arc::new(schema.project(columns)?))
}

/// A column of nulls where nobody reads it.
pub(crate) fn nulls(field: &arrow::datatypes::Field, rows: usize) -> Arc<dyn Array> {
    arrow::array::new_null_array(field.data_type(), rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit};

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        ]))
    }

    fn value(text: &'static str) -> Option<&'static [u8]> {
        Some(text.as_bytes())
    }

    #[test]
    fn malformed_values_do_not_spoil_their_neighbours() {
        let values = [
            value(r#"{"a": 1, "t": "2026-03-01T08:00:01.250Z"}"#),
            value("not json"),
            None,
            value(r#"{"a": "text"}"#),
            value(r#"{"a": 2"#),
            value(r#"{"a": 3}{"a": 4}"#),
            value("[1]"),
            value("5"),
            value(""),
            value(r#"{"b": {"c": 1}, "a": 6}"#),
        ];
        let decoded = decode(&schema(), &values).unwrap();
        assert_eq!(decoded.malformed, [1, 3, 4, 5, 6, 7, 8]);
        let a = decoded.batch.column(0).as_primitive::<Int64Type>();
        assert_eq!(a.iter().collect::<Vec<_>>(), [Some(1), None, None, None, None, None, None, None, None, Some(6)]);
    }

    #[test]
    fn rows_are_written_as_spark_writes_them() {
        let decoded = decode(&schema(), &[value(r#"{"a": 1, "t": "2026-03-01T08:00:01.250Z"}"#), value("{}")]).unwrap();
        assert_eq!(encode(&decoded.batch).unwrap(), [r#"{"a":1,"t":"2026-03-01T08:00:01.250Z"}"#, "{}"]);
    }
}
