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
use crate::limit;

/// What stands in for a malformed value.
const EMPTY: &[u8] = b"{}";

/// Columns, and which rows were malformed.
pub(crate) struct Decoded {
    pub batch: RecordBatch,
    pub malformed: Vec<usize>,
}

/// Decodes values of one schema, and keeps its buffers from call to call: making them anew costs as much as decoding.
pub(crate) struct JsonDecoder {
    schema: SchemaRef,
    rows_max: usize,
    decoder: Decoder,
}

impl JsonDecoder {
    /// For at most `rows_max` values at once.
    pub(crate) fn new(schema: SchemaRef, rows_max: usize) -> Result<Self, QueryError> {
        // Room for one more: a value too many is then seen by its count.
        let builder = ReaderBuilder::new(schema.clone()).with_batch_size(rows_max + 1).with_coerce_primitive(false);
        Ok(JsonDecoder { decoder: builder.build_decoder()?, rows_max, schema })
    }

    /// Decodes values; a null value is a row of nulls and not malformed. When one is malformed they are looked at one by one.
    pub(crate) fn decode(&mut self, values: &[Option<&[u8]>]) -> Result<Decoded, QueryError> {
        if let Some(batch) = self.decode_clean(values)? {
            return Ok(Decoded { batch, malformed: Vec::new() });
        }
        let mut cleaned = values.to_vec();
        let mut malformed = Vec::new();
        for (row, value) in cleaned.iter_mut().enumerate() {
            if self.decode_clean(std::slice::from_ref(value))?.is_none() {
                malformed.push(row);
                *value = None;
            }
        }
        let batch = self.decode_clean(&cleaned)?;
        let batch = batch.ok_or_else(|| QueryError::analysis("JSON values cannot be decoded together"))?;
        Ok(Decoded { batch, malformed })
    }

    /// Decodes values that are all well formed; `None` as soon as one is not.
    fn decode_clean(&mut self, values: &[Option<&[u8]>]) -> Result<Option<RecordBatch>, QueryError> {
        let decoded = self.try_decode(values);
        if decoded.is_none() {
            // What it had begun is not to be gone on with.
            *self = JsonDecoder::new(self.schema.clone(), self.rows_max)?;
        }
        Ok(decoded)
    }

    fn try_decode(&mut self, values: &[Option<&[u8]>]) -> Option<RecordBatch> {
        for (row, value) in values.iter().enumerate() {
            let bytes = value.unwrap_or(EMPTY);
            let is_object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') && !is_too_deep(bytes);
            // Anything but exactly one more whole row would shift all rows behind it.
            match self.decoder.decode(bytes) {
                Ok(read) if is_object && read == bytes.len() && self.decoder.len() == row + 1 && !self.decoder.has_partial_record() => {}
                _ => return None,
            }
        }
        // A value of the wrong type is only found here.
        self.decoder.flush().ok().flatten()
    }
}

/// Whether arrays and objects lie too deep in one another. Brackets within texts are none; but first all are counted, which is quick,
/// and nearly always enough.
fn is_too_deep(json: &[u8]) -> bool {
    let opening = |byte: &u8| matches!(byte, b'[' | b'{');
    json.iter().filter(|byte| opening(byte)).count() > limit::JSON_NESTING_MAX && depth(json) > limit::JSON_NESTING_MAX
}

fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_text(&mut bytes),
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Moves behind the quote that ends a text.
fn skip_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return,
            _ => {}
        }
    }
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
        let decoded = JsonDecoder::new(schema(), values.len()).unwrap().decode(&values).unwrap();
        assert_eq!(decoded.malformed, [1, 3, 4, 5, 6, 7, 8]);
        let a = decoded.batch.column(0).as_primitive::<Int64Type>();
        assert_eq!(a.iter().collect::<Vec<_>>(), [Some(1), None, None, None, None, None, None, None, None, Some(6)]);
    }

    /// Of the wrong type: what Arrow writes into its error is as deep as the value.
    #[test]
    fn a_value_that_is_too_deep_is_malformed() {
        let nested = |levels: usize| format!(r#"{{"a": {}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        let beside = format!(r#"{{"a": 7, "b": {}}}"#, serde_json::json!(vec![serde_json::json!({"c": [1]}); limit::JSON_NESTING_MAX]));
        let text = format!(r#"{{"a": 8, "b": "\"{}"}}"#, "[".repeat(30_000));
        let texts = [nested(30_000), nested(limit::JSON_NESTING_MAX - 1), nested(limit::JSON_NESTING_MAX), beside, text];
        let values: Vec<Option<&[u8]>> = texts.iter().map(|text| Some(text.as_bytes())).collect();
        let decoded = JsonDecoder::new(schema(), values.len()).unwrap().decode(&values).unwrap();
        assert_eq!(decoded.malformed, [0, 1, 2], "those behind them are wide, or have brackets in a text");
        let a = decoded.batch.column(0).as_primitive::<Int64Type>();
        assert_eq!(a.iter().collect::<Vec<_>>(), [None, None, None, Some(7), Some(8)]);
        assert_eq!([&texts[1], &texts[2]].map(|text| is_too_deep(text.as_bytes())), [false, true]);
    }

    #[test]
    fn rows_are_written_as_spark_writes_them() {
        let values = [value(r#"{"a": 1, "t": "2026-03-01T08:00:01.250Z"}"#), value("{}")];
        let decoded = JsonDecoder::new(schema(), 2).unwrap().decode(&values).unwrap();
        assert_eq!(encode(&decoded.batch).unwrap(), [r#"{"a":1,"t":"2026-03-01T08:00:01.250Z"}"#, "{}"]);
    }
}
