//! A table: a topic whose values are JSON of a declared schema, plus the columns that every record has.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use crate::error::QueryError;
use crate::sql::statement::Options;

/// What to do with a value that is no JSON object of the schema: Spark's `mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParseMode {
    /// A row of nulls, counted.
    Permissive,
    /// The row is left out, counted.
    DropMalformed,
    /// The query fails.
    FailFast,
}

/// Where a query without a checkpoint begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartingOffsets {
    Earliest,
    Latest,
    /// By partition; -2 earliest, -1 latest.
    Each(Vec<i64>),
}

/// A declared table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub name: String,
    pub topic: String,
    /// Declared columns first, then the record's own.
    pub schema: SchemaRef,
    /// How many columns are declared.
    pub declared: usize,
    pub mode: ParseMode,
    pub starting: StartingOffsets,
    pub offsets_per_trigger_max: Option<i64>,
    pub fails_on_data_loss: bool,
}

const OPTIONS: &[&str] =
    &["subscribe", "topic", "startingoffsets", "mode", "maxoffsetspertrigger", "failondataloss", "value.format", "kafka.bootstrap.servers"];

impl Table {
    pub(crate) fn new(name: &str, declared: &Schema, options: &Options) -> Result<Self, QueryError> {
        if let Some(unknown) = options.keys().find(|key| !OPTIONS.contains(&key.as_str())) {
            return Err(QueryError::analysis(format!("option {unknown} is not known; there are {}", OPTIONS.join(", "))));
        }
        let option = |name: &str| options.get(name).map(String::as_str);
        if option("kafka.bootstrap.servers").is_some() {
            let sentence = "a table is of the broker that the statement is run against: leave kafka.bootstrap.servers out, \
                            and name another broker with millstream sql --bootstrap-servers";
            return Err(QueryError::analysis(sentence));
        }
        if let Some(format) = option("value.format").filter(|format| !format.eq_ignore_ascii_case("json")) {
            return Err(QueryError::analysis(format!("value.format {format} is not known; json is")));
        }
        let topic = option("subscribe").or(option("topic")).unwrap_or(name).to_owned();
        let mode = match option("mode").map(str::to_uppercase).as_deref() {
            None | Some("PERMISSIVE") => ParseMode::Permissive,
            Some("DROPMALFORMED") => ParseMode::DropMalformed,
            Some("FAILFAST") => ParseMode::FailFast,
            Some(other) => return Err(QueryError::analysis(format!("mode {other} is none of PERMISSIVE, DROPMALFORMED and FAILFAST"))),
        };
        let number = |name: &str| -> Result<Option<i64>, QueryError> {
            let Some(text) = option(name) else { return Ok(None) };
            let number = text.parse().ok().filter(|number| *number > 0);
            number.map(Some).ok_or_else(|| QueryError::analysis(format!("option {name} is a positive number, not {text}")))
        };
        let fails_on_data_loss = match option("failondataloss") {
            None | Some("true") => true,
            Some("false") => false,
            Some(other) => return Err(QueryError::analysis(format!("failOnDataLoss is true or false, not {other}"))),
        };
        let mut fields: Vec<Arc<Field>> = declared.fields().iter().cloned().collect();
        for own in record_columns() {
            // A declared column hides the record's own of the same name.
            if !fields.iter().any(|field| field.name() == own.name()) {
                fields.push(Arc::new(own));
            }
        }
        Ok(Table {
            name: name.to_owned(),
            starting: starting_offsets(option("startingoffsets"), &topic)?,
            topic,
            schema: Arc::new(Schema::new(fields)),
            declared: declared.fields().len(),
            mode,
            offsets_per_trigger_max: number("maxoffsetspertrigger")?,
            fails_on_data_loss,
        })
    }
}

fn starting_offsets(text: Option<&str>, topic: &str) -> Result<StartingOffsets, QueryError> {
    match text {
        Some("earliest") => Ok(StartingOffsets::Earliest),
        None | Some("latest") => Ok(StartingOffsets::Latest),
        Some(json) => {
            let refuse = |why: &str| QueryError::analysis(format!("startingOffsets {json}: {why}"));
            let parsed: serde_json::Value = serde_json::from_str(json).map_err(|_| refuse("is neither earliest, latest nor JSON"))?;
            let partitions = parsed.get(topic).and_then(|p| p.as_object()).ok_or_else(|| refuse("does not name the topic"))?;
            (0..partitions.len())
                .map(|index| partitions.get(&index.to_string()).and_then(serde_json::Value::as_i64))
                .collect::<Option<Vec<_>>>()
                .map(StartingOffsets::Each)
                .ok_or_else(|| refuse("does not give every partition an offset"))
        }
    }
}

/// The columns of Spark's Kafka source, with headers.
fn record_columns() -> Vec<Field> {
    let header = Fields::from(vec![Field::new("key", DataType::Utf8, true), Field::new("value", DataType::Binary, true)]);
    vec![
        Field::new("key", DataType::Binary, true),
        Field::new("value", DataType::Binary, true),
        Field::new("topic", DataType::Utf8, true),
        Field::new("partition", DataType::Int32, true),
        Field::new("offset", DataType::Int64, true),
        Field::new("timestamp", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        // Spark's name is timestampType; names are compared in lower case here as there.
        Field::new("timestamptype", DataType::Int32, true),
        Field::new("headers", DataType::List(Arc::new(Field::new("item", DataType::Struct(header), true))), true),
    ]
}
