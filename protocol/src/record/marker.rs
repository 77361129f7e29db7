//! Markers: the control batches that end a transaction in a partition (KIP-98). A marker is one record; its key says
//! how the transaction ended, its value which coordinator says so. Clients read them and never write them.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::batch::{CONTROL, RecordBatch, TRANSACTIONAL};
use super::builder::{BatchBuilder, NewRecord};
use super::compression::Codec;
use crate::limit;

/// The end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Whether it was committed; else it was aborted.
    pub is_commit: bool,
    /// The epoch of the coordinator that decided.
    pub coordinator_epoch: i32,
}

const ABORT: i16 = 0;
const COMMIT: i16 = 1;

impl Marker {
    /// The batch that says so.
    pub fn to_batch(self, producer_id: i64, producer_epoch: i16, timestamp: i64) -> RecordBatch {
        let mut key = BytesMut::with_capacity(4);
        key.put_i16(0);
        key.put_i16(if self.is_commit { COMMIT } else { ABORT });
        let mut value = BytesMut::with_capacity(6);
        value.put_i16(0);
        value.put_i32(self.coordinator_epoch);
        let mut builder = BatchBuilder::new(Codec::None);
        builder.set_producer(producer_id, producer_epoch, -1);
        builder.set_attributes(TRANSACTIONAL | CONTROL);
        builder.push(NewRecord { timestamp, key: Some(&key), value: Some(&value), headers: &[] });
        builder.build().expect("nothing is compressed")
    }
}

impl RecordBatch {
    /// The marker in it; `None` for a batch of data, and for control batches of other kinds.
    pub fn marker(&self) -> Option<Marker> {
        if !self.is_control() {
            return None;
        }
        let record = self.records(limit::MARKER_BYTES_MAX).ok()?.next()?.ok()?;
        let (mut key, value): (Bytes, Option<Bytes>) = (record.key?, record.value);
        if key.len() < 4 {
            return None;
        }
        key.advance(2);
        let is_commit = match key.get_i16() {
            ABORT => false,
            COMMIT => true,
            _ => return None,
        };
        let coordinator_epoch = value.filter(|value| value.len() >= 6).map_or(-1, |mut value| {
            value.advance(2);
            value.get_i32()
        });
        Some(Marker { is_commit, coordinator_epoch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        for marker in [Marker { is_commit: true, coordinator_epoch: 7 }, Marker { is_commit: false, coordinator_epoch: 0 }] {
            let batch = marker.to_batch(12, 3, 1000);
            batch.verify_checksum().unwrap();
            assert_eq!(batch.marker(), Some(marker));
            assert!(batch.is_transactional() && batch.is_control());
            assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.base_sequence()), (12, 3, -1));
        }
    }
}
