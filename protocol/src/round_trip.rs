//! Every message in every version, there and back; and the same bytes through `kafka-protocol`, which was generated
//! from Kafka's own schemas: what it reads and writes back must be what was written here.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{RequestKind, ResponseKind};
use proptest::prelude::*;

use crate::encode::Encoder;
use crate::sample::Entropy;
use crate::{ApiKey, Request, Response};

fn written(api: ApiKey, version: i16, write: impl FnOnce(&mut Encoder) -> Result<(), crate::encode::EncodeError>) -> Bytes {
    let mut to = Encoder::new(version, api.is_flexible(version));
    write(&mut to).unwrap_or_else(|error| panic!("{api:?} version {version}: {error}"));
    let mut all = BytesMut::new();
    to.finish().iter().for_each(|part| all.extend_from_slice(&part.bytes().unwrap()));
    all.freeze()
}

fn theirs(api: ApiKey) -> kafka_protocol::messages::ApiKey {
    kafka_protocol::messages::ApiKey::try_from(api as i16).expect("Kafka has it")
}

/// Versions that `kafka-protocol` does not have yet.
const OURS_ALONE: [(ApiKey, i16); 6] = [
    (ApiKey::InitProducerId, 6),
    (ApiKey::OffsetCommit, 10),
    (ApiKey::OffsetFetch, 10),
    (ApiKey::ShareFetch, 2),
    (ApiKey::ShareAcknowledge, 2),
    (ApiKey::DescribeShareGroupOffsets, 1),
];

/// Lets the other crate read a message and write it back.
fn check_theirs(
    api: ApiKey,
    version: i16,
    bytes: Bytes,
    read_and_write: impl FnOnce(&mut Bytes, &mut BytesMut) -> Result<(), String>,
) -> Result<(), TestCaseError> {
    if OURS_ALONE.contains(&(api, version)) {
        return Ok(());
    }
    let (mut rest, mut again) = (bytes.clone(), BytesMut::new());
    read_and_write(&mut rest, &mut again).map_err(|error| TestCaseError::fail(format!("{api:?} version {version}: {error}")))?;
    prop_assert_eq!(again.freeze(), bytes, "{:?} version {}", api, version);
    Ok(())
}

fn check_request(api: ApiKey, version: i16, entropy: &[u8]) -> Result<(), TestCaseError> {
    let request = Request::sample(api, &mut Entropy::new(entropy, version));
    let bytes = written(api, version, |to| request.encode(to));
    prop_assert_eq!(Request::decode(api, version, bytes.clone()), Ok(request), "{:?} version {}", api, version);
    check_theirs(api, version, bytes, |from, to| {
        let read = RequestKind::decode(theirs(api), from, version).map_err(|error| error.to_string())?;
        read.encode(to, version).map_err(|error| error.to_string())
    })
}

fn check_response(api: ApiKey, version: i16, entropy: &[u8]) -> Result<(), TestCaseError> {
    let response = Response::sample(api, &mut Entropy::new(entropy, version));
    let bytes = written(api, version, |to| response.encode(to));
    prop_assert_eq!(Response::decode(api, version, bytes.clone()), Ok(response), "{:?} version {}", api, version);
    check_theirs(api, version, bytes, |from, to| {
        let read = ResponseKind::decode(theirs(api), from, version).map_err(|error| error.to_string())?;
        read.encode(to, version).map_err(|error| error.to_string())
    })
}

fn every_version(mut check: impl FnMut(ApiKey, i16) -> Result<(), TestCaseError>) -> Result<(), TestCaseError> {
    for &api in ApiKey::ALL {
        let info = api.info();
        (info.served_min..=info.max).try_for_each(|version| check(api, version))?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn requests_there_and_back(entropy in proptest::collection::vec(any::<u8>(), 0..2000)) {
        every_version(|api, version| check_request(api, version, &entropy))?;
    }

    #[test]
    fn responses_there_and_back(entropy in proptest::collection::vec(any::<u8>(), 0..2000)) {
        every_version(|api, version| check_response(api, version, &entropy))?;
    }
}
