//! The codec against Apache Kafka 4.3.0 itself: what Kafka answered is decoded and encoded again, byte for byte.

use millstream_protocol::header::{decode_request, decode_response, encode_request, encode_response};

mod recorded;
use recorded::{cases, joined, joined_parts};

#[test]
fn what_kafka_answered_is_read_and_written_back_byte_for_byte() {
    let cases = cases();
    assert!(cases.len() > 800, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let decoded = decode_response(case.response.clone(), case.api, case.version);
        let again = decoded.map(|(correlation_id, response)| encode_response(&response, case.version, correlation_id).map(joined_parts));
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
