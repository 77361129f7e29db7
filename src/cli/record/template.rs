//! A line for each record, as `consume --template` describes it. The letters are kcat's.

use millstream_client::Record;

use super::encoding::{self, Encoding};

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    KeyLength,
    Value,
    ValueLength,
    Headers,
}

/// A line that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

const KNOWN: &str =
    "%t topic, %p partition, %o offset, %T timestamp, %k key, %K its length, %s value, %S its length, %h headers, %% a percent sign";

impl Template {
    /// Understands a template, or says what it cannot.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut rest, mut parts) = (text.chars(), Vec::new());
        while let Some(character) = rest.next() {
            parts.push(match character {
                '\\' => Part::Text(encoding::escape(&mut rest)?),
                '%' => match rest.next() {
                    Some('t') => Part::Topic,
                    Some('p') => Part::Partition,
                    Some('o') => Part::Offset,
                    Some('T') => Part::Timestamp,
                    Some('k') => Part::Key,
                    Some('K') => Part::KeyLength,
                    Some('s') => Part::Value,
                    Some('S') => Part::ValueLength,
                    Some('h') => Part::Headers,
                    Some('%') => Part::Text(b"%".to_vec()),
                    Some(other) => return Err(format!("%{other} is not known: there are {KNOWN}")),
                    None => return Err(format!("a % at the end means nothing: there are {KNOWN}")),
                },
                other => Part::Text(other.to_string().into_bytes()),
            });
        }
        Ok(Template(parts))
    }

    /// Writes the line of a record, without an end.
    pub(crate) fn write(&self, topic: &str, partition: i32, record: &Record, encoding: Encoding, line: &mut Vec<u8>) {
        let length = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i64).to_string();
        for part in &self.0 {
            match part {
                Part::Text(text) => line.extend_from_slice(text),
                Part::Topic => line.extend_from_slice(topic.as_bytes()),
                Part::Partition => line.extend_from_slice(partition.to_string().as_bytes()),
                Part::Offset => line.extend_from_slice(record.offset.to_string().as_bytes()),
                Part::Timestamp => line.extend_from_slice(record.timestamp.to_string().as_bytes()),
                Part::Key => encoding.write(record.key.as_deref().unwrap_or_default(), line),
                Part::KeyLength => line.extend_from_slice(length(&record.key).as_bytes()),
                Part::Value => encoding.write(record.value.as_deref().unwrap_or_default(), line),
                Part::ValueLength => line.extend_from_slice(length(&record.value).as_bytes()),
                Part::Headers => {
                    for (index, header) in record.headers.iter().enumerate() {
                        if index > 0 {
                            line.push(b',');
                        }
                        line.extend_from_slice(&header.key);
                        line.push(b'=');
                        match &header.value {
                            Some(value) => encoding.write(value, line),
                            None => line.extend_from_slice(b"NULL"),
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use millstream_client::Header;

    use super::*;

    #[test]
    fn every_letter_has_its_place() {
        let header = |value: Option<&'static str>| Header { key: "h".into(), value: value.map(Bytes::from) };
        let record = Record {
            offset: 7,
            timestamp: 5,
            key: None,
            value: Some(Bytes::from_static(b"\xff")),
            headers: vec![header(Some("1")), header(None)],
        };
        let mut line = Vec::new();
        let template = Template::parse("%t-%p@%o %T\\t%k|%K|%s|%S %h 100%%").unwrap();
        template.write("t", 3, &record, Encoding::Hex, &mut line);
        assert_eq!(String::from_utf8(line).unwrap(), "t-3@7 5\t|-1|ff|1 h=31,h=NULL 100%");
        for wrong in ["%x", "%", "\\q"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }
}
