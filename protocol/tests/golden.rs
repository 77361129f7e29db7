//! The codec against Apache Kafka 4.3.0 itself: what Kafka answered is decoded and encoded again, byte for byte.

use bytes::{Bytes, BytesMut};
use millstream_protocol::header::{decode_request, decode_response, encode_request, encode_response};
use millstream_protocol::{ApiKey, Request};

struct Case {
    name: String,
    api: ApiKey,
    version: i16,
    request: Bytes,
    response: Bytes,
}

fn unhex(text: &str) -> Bytes {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex")).collect::<Vec<u8>>().into()
}

/// The recorded exchanges of versions that are served, where Kafka answered in the version that it was asked in.
fn cases() -> Vec<Case> {
    let recorded: serde_json::Value = serde_json::from_str(include_str!("../../tests/oracle/kafka-4.3.0.json")).expect("JSON");
    let case = |case: &serde_json::Value| {
        let api = ApiKey::from_i16(i16::try_from(case["api_key"].as_i64()?).ok()?)?;
        let version = i16::try_from(case["api_version"].as_i64()?).ok()?;
        let (request, response) = (unhex(case["request"].as_str()?), unhex(case["response"].as_str()?));
        api.serves(version).then(|| Case { name: case["name"].as_str().unwrap_or_default().to_owned(), api, version, request, response })
    };
    recorded["cases"].as_array().expect("cases").iter().filter_map(case).collect()
}

fn joined(pieces: Vec<Bytes>) -> Bytes {
    let mut all = BytesMut::new();
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all.freeze()
}

#[test]
fn what_kafka_answered_is_read_and_written_back_byte_for_byte() {
    let cases = cases();
    assert!(cases.len() > 800, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let decoded = decode_response(case.response.clone(), case.api, case.version);
        let again = decoded.map(|(correlation_id, response)| encode_response(&response, case.version, correlation_id).map(joined));
        if !matches!(&again, Ok(Ok(bytes)) if *bytes == case.response) {
            wrong.push(format!("{}: {:?}", case.name, again.map(|again| again.map(|bytes| bytes.len()))));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Requests that the recorder made by its own encoder, which Kafka understood.
#[test]
fn what_kafka_understood_is_read_and_written_back_byte_for_byte() {
    let mut same = 0;
    for case in cases() {
        let Ok(incoming) = decode_request(case.request.clone()) else { continue };
        let again = encode_request(&incoming.request, incoming.version, incoming.correlation_id, incoming.client_id.as_ref());
        same += i32::from(again.is_ok_and(|again| joined(again) == case.request));
    }
    // The others carry bytes behind the body or unknown tagged fields, which are not kept.
    assert!(same > 800, "{same}");
}

/// Any bytes: no panic, and what is read is written and read again as the same.
#[test]
fn any_bytes_are_survived() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut understood = 0;
    for _ in 0..2_000 {
        for &api in ApiKey::ALL {
            let info = api.info();
            let version = info.served_min + (random() % (info.max - info.served_min + 1) as u64) as i16;
            let length = (random() % 120) as usize;
            let small = random() % 3 > 0;
            let body: Bytes = (0..length).map(|_| if small { (random() % 4) as u8 } else { random() as u8 }).collect::<Vec<u8>>().into();
            let Ok(request) = Request::decode(api, version, body) else { continue };
            let mut to = millstream_protocol::encode::Encoder::new(version, api.is_flexible(version));
            if request.encode(&mut to).is_ok() {
                understood += 1;
                assert_eq!(Request::decode(api, version, joined(to.finish())), Ok(request));
            }
        }
    }
    assert!(understood > 1_000, "{understood}");
}

/// Real requests with one byte changed, cut short or doubled: no panic.
#[test]
fn damaged_requests_are_survived() {
    for (number, case) in cases().iter().enumerate() {
        for at in (0..case.request.len()).step_by(1 + case.request.len() / 40) {
            let mut bytes = case.request.to_vec();
            bytes[at] = bytes[at].wrapping_add(1 + (number % 255) as u8);
            let _ = decode_request(Bytes::from(bytes));
            let _ = decode_request(case.request.slice(..at));
        }
    }
}
