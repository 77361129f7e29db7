//! Apache Kafka's recorded answers, as tests use them.

use bytes::{Bytes, BytesMut};
use millstream_protocol::ApiKey;
use millstream_protocol::encode::Part;

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) request: Bytes,
    pub(crate) response: Bytes,
}

fn unhex(text: &str) -> Bytes {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex")).collect::<Vec<u8>>().into()
}

/// The recorded exchanges of versions that are served, where Kafka answered in the version that it was asked in.
pub(crate) fn cases() -> Vec<Case> {
    let recorded: serde_json::Value = serde_json::from_str(include_str!("../../../tests/oracle/kafka-4.3.0.json")).expect("JSON");
    let case = |case: &serde_json::Value| {
        let api = ApiKey::from_i16(i16::try_from(case["api_key"].as_i64()?).ok()?)?;
        let version = i16::try_from(case["api_version"].as_i64()?).ok()?;
        let (request, response) = (unhex(case["request"].as_str()?), unhex(case["response"].as_str()?));
        api.serves(version).then(|| Case { name: case["name"].as_str().unwrap_or_default().to_owned(), api, version, request, response })
    };
    recorded["cases"].as_array().expect("cases").iter().filter_map(case).collect()
}

pub(crate) fn joined(pieces: Vec<Bytes>) -> Bytes {
    let mut all = BytesMut::new();
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all.freeze()
}

/// A response as it travels.
pub(crate) fn joined_parts(parts: Vec<Part>) -> Bytes {
    joined(parts.iter().map(|part| part.bytes().expect("it is in memory")).collect())
}
