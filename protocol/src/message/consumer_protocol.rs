//! What consumers of a classic group tell one another through the coordinator: subscriptions and assignments. It is no API:
//! the coordinator carries these bytes, and reads them only to know which topics a group is subscribed to.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::decode::{DecodeError, Decoder, Fault};
use crate::encode::Encoder;
use crate::string::Str;
use crate::wire;
use crate::wire::Wire;

/// The newest version that is known; what newer ones add stands behind.
const NEWEST_VERSION: i16 = 3;

wire! {
    /// What a consumer wants.
    pub struct Subscription {
        /// The topics.
        pub topics: Vec<Str> => 0;
        /// The assignor's own data.
        pub user_data: Option<Bytes> => 0;
        /// What it has.
        pub owned_partitions: Vec<OwnedPartitions> => 1;
        /// The generation in which it got that.
        pub generation_id: i32 => 2, default -1;
        /// Where it stands.
        pub rack_id: Option<Str> => 3;
    }

    /// What a consumer gets.
    pub struct ConsumerAssignment {
        /// By topic.
        pub assigned_partitions: Vec<OwnedPartitions> => 0;
        /// The assignor's own data.
        pub user_data: Option<Bytes> => 0;
    }

    /// Partitions of a topic.
    pub struct OwnedPartitions {
        /// The topic.
        pub topic: Str => 0;
        /// Its partitions.
        pub partitions: Vec<i32> => 0;
    }
}

fn read<T: Wire>(mut bytes: Bytes) -> Result<T, DecodeError> {
    if bytes.len() < 2 {
        return Err(DecodeError { position: 0, fault: Fault::Truncated { wanted: 2, left: bytes.len() } });
    }
    let version = bytes.get_i16();
    if version < 0 {
        return Err(DecodeError { position: 0, fault: Fault::Version(version) });
    }
    T::decode(&mut Decoder::new(bytes, version.min(NEWEST_VERSION), false))
}

fn write<T: Wire>(value: &T, version: i16) -> Bytes {
    let mut to = Encoder::new(version, false);
    let mut bytes = BytesMut::new();
    bytes.put_i16(version);
    value.encode(&mut to).expect("every field may be absent or present");
    to.finish().iter().filter_map(|part| part.bytes().ok()).for_each(|part| bytes.extend_from_slice(&part));
    bytes.freeze()
}

impl Subscription {
    /// Reads what a member said of itself.
    pub fn read(bytes: Bytes) -> Result<Self, DecodeError> {
        read(bytes)
    }

    /// The bytes for the others.
    pub fn write(&self) -> Bytes {
        write(self, NEWEST_VERSION)
    }
}

impl ConsumerAssignment {
    /// Reads what the leader assigned.
    pub fn read(bytes: Bytes) -> Result<Self, DecodeError> {
        read(bytes)
    }

    /// The bytes for a member.
    pub fn write(&self) -> Bytes {
        write(self, NEWEST_VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_read_as_it_was_written_and_an_old_one_too() {
        let owned = OwnedPartitions { topic: "t".into(), partitions: vec![0, 3] };
        let subscription =
            Subscription { topics: vec!["t".into()], owned_partitions: vec![owned.clone()], generation_id: 7, ..Default::default() };
        assert_eq!(Subscription::read(subscription.write()).unwrap(), subscription);
        let assignment = ConsumerAssignment { assigned_partitions: vec![owned], user_data: None };
        assert_eq!(ConsumerAssignment::read(assignment.write()).unwrap(), assignment);
        let old = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff");
        assert_eq!(Subscription::read(old).unwrap(), Subscription { topics: vec!["t".into()], ..Default::default() });
        assert!(Subscription::read(Bytes::from_static(b"\0\0\x7f\xff\xff\xff")).is_err());
    }
}
