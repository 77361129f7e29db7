//! Which partition a record goes to: as the Java client does it, so that both put a key in the same place.

/// Kafka's murmur2 of a key.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash: u32 = 0x9747_b28c ^ data.len() as u32;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    for (place, &byte) in rest.iter().enumerate() {
        hash ^= u32::from(byte) << (8 * place);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

/// The partition of a key.
pub fn partition_of_key(key: &[u8], partitions: i32) -> i32 {
    ((murmur2(key) & 0x7fff_ffff) % partitions.max(1) as u32) as i32
}

/// Records without a key stay with one partition until its batch is full, then go to another one at random (KIP-480).
#[derive(Debug, Default)]
pub(crate) struct Sticky {
    partition: Option<i32>,
}

impl Sticky {
    pub(crate) fn partition(&mut self, partitions: i32) -> i32 {
        let partitions = partitions.max(1);
        // A topic that was made anew may have fewer of them.
        let partition = self.partition.filter(|partition| *partition < partitions).unwrap_or_else(|| rand::random_range(0..partitions));
        self.partition = Some(partition);
        partition
    }

    pub(crate) fn move_on(&mut self) {
        self.partition = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the Java client's own test.
    #[test]
    fn murmur2_is_kafkas() {
        for (key, hash) in
            [("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536), ("abc", 479_470_107)]
        {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }
}
