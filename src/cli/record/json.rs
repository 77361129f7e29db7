//! A record as a JSON document on a line: `consume -o json` prints it, `produce --input json` takes it.
//!
//! Bytes that are UTF-8 stand as text. Others stand as base64 in a field of their own beside (`key_base64`, `value_base64`), and the text
//! then shows what can be read of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use millstream_client::{NewRecord, Record};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The document of a record.
pub(crate) fn document(topic: &str, partition: i32, record: &Record) -> Value {
    let mut document = Map::new();
    document.insert("topic".into(), topic.into());
    document.insert("partition".into(), partition.into());
    document.insert("offset".into(), record.offset.into());
    document.insert("timestamp".into(), record.timestamp.into());
    put(&mut document, "key", record.key.as_deref());
    put(&mut document, "value", record.value.as_deref());
    let header = |header: &millstream_client::Header| {
        let mut document = Map::new();
        put(&mut document, "key", Some(&header.key));
        put(&mut document, "value", header.value.as_deref());
        Value::Object(document)
    };
    document.insert("headers".into(), record.headers.iter().map(header).collect::<Vec<Value>>().into());
    Value::Object(document)
}

fn put(document: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    document.insert(name.into(), bytes.map(String::from_utf8_lossy).into());
    if let Some(bytes) = bytes.filter(|bytes| std::str::from_utf8(bytes).is_err()) {
        document.insert(format!("{name}_base64"), STANDARD.encode(bytes).into());
    }
}

/// What `produce` takes of a document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    key: Option<String>,
    key_base64: Option<String>,
    /// A text, or any other JSON, which is sent as it stands.
    #[serde(default)]
    value: Value,
    value_base64: Option<String>,
    #[serde(default)]
    headers: Vec<DocumentHeader>,
    timestamp: Option<i64>,
    // Where the record came from; it goes where the command says.
    #[serde(rename = "topic")]
    _topic: Option<String>,
    #[serde(rename = "partition")]
    _partition: Option<i32>,
    #[serde(rename = "offset")]
    _offset: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentHeader {
    key: String,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
}

/// The record that a document describes, or why it describes none.
pub(crate) fn record(topic: &str, line: &[u8]) -> Result<NewRecord, String> {
    let document: Document = serde_json::from_slice(line).map_err(|error| format!("is no record in JSON: {error}"))?;
    let mut record = NewRecord::to(topic);
    if let Some(key) = bytes("key", document.key, document.key_base64)? {
        record = record.key(key);
    }
    let value = match document.value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    if let Some(value) = bytes("value", value, document.value_base64)? {
        record = record.value(value);
    }
    for header in document.headers {
        let key = bytes("key", Some(header.key), header.key_base64)?.unwrap_or_default();
        record = match bytes("value", header.value, header.value_base64)? {
            Some(value) => record.header(key, value),
            None => record.null_header(key),
        };
    }
    Ok(match document.timestamp {
        Some(timestamp) => record.timestamp(timestamp),
        None => record,
    })
}

/// Base64 says it exactly, where it stands.
fn bytes(name: &str, text: Option<String>, base64: Option<String>) -> Result<Option<Bytes>, String> {
    match base64 {
        Some(base64) => {
            STANDARD.decode(base64).map(|bytes| Some(Bytes::from(bytes))).map_err(|error| format!("{name}_base64 is not base64: {error}"))
        }
        None => Ok(text.map(Bytes::from)),
    }
}

#[cfg(test)]
mod tests {
    use millstream_client::Header;

    use super::*;

    #[test]
    fn a_document_that_was_printed_is_taken() {
        let header = Header { key: Bytes::from_static(b"h\xfe"), value: None };
        let value = Some(Bytes::from_static(b"v\xff"));
        let read = Record { offset: 7, timestamp: 5, key: Some("k".into()), value, headers: vec![header] };
        let line = document("t", 3, &read).to_string();
        assert!(line.contains(r#""value_base64":"dv8=""#), "{line}");
        let expected = NewRecord::to("u").key("k").value(&b"v\xff"[..]).null_header(&b"h\xfe"[..]).timestamp(5);
        assert_eq!(format!("{:?}", record("u", line.as_bytes()).unwrap()), format!("{expected:?}"));
    }

    #[test]
    fn values_are_null_text_or_any_other_json() {
        let value = |text: &str| format!("{:?}", record("t", text.as_bytes()).unwrap());
        assert_eq!(value("{}"), format!("{:?}", NewRecord::to("t")));
        assert_eq!(value(r#"{"value": null, "key": "k"}"#), format!("{:?}", NewRecord::to("t").key("k")));
        assert_eq!(value(r#"{"value": {"a": 1}}"#), format!("{:?}", NewRecord::to("t").value(r#"{"a":1}"#)));
        for wrong in ["", "[]", r#"{"vlaue": 1}"#, r#"{"value_base64": "?"}"#, r#"{"key": 1}"#] {
            assert!(record("t", wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
