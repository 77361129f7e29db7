//! A delta or a snapshot as a file.
//!
//! ```text
//! "MSST" version:u8 count:u32  then per entry  key length:u32 key  value length:i32 (−1: removed) value  then crc32:u32
//! ```

const MAGIC: &[u8; 5] = b"MSST\x01";

type Entry = (Box<[u8]>, Option<Box<[u8]>>);

pub(super) fn encode<'a>(entries: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend([0; 4]);
    let mut count: u32 = 0;
    for (key, value) in entries {
        count += 1;
        bytes.extend((key.len() as u32).to_be_bytes());
        bytes.extend(key);
        match value {
            Some(value) => {
                bytes.extend((value.len() as i32).to_be_bytes());
                bytes.extend(value);
            }
            None => bytes.extend((-1i32).to_be_bytes()),
        }
    }
    bytes[MAGIC.len()..MAGIC.len() + 4].copy_from_slice(&count.to_be_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Entry>, &'static str> {
    let (content, checksum) = bytes.split_last_chunk::<4>().ok_or("is cut off")?;
    if crc32fast::hash(content) != u32::from_be_bytes(*checksum) {
        return Err("does not match its checksum");
    }
    let mut rest = content.strip_prefix(MAGIC).ok_or("has another format")?;
    let mut take = |count: usize| -> Result<&[u8], &'static str> {
        let (taken, left) = rest.split_at_checked(count).ok_or("is cut off")?;
        rest = left;
        Ok(taken)
    };
    let int = |bytes: &[u8]| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let count = int(take(4)?) as u32;
    let mut entries = Vec::new();
    for _ in 0..count {
        let key_length = int(take(4)?) as u32 as usize;
        let key = take(key_length)?.into();
        let value_length = int(take(4)?);
        let value = match usize::try_from(value_length) {
            Ok(length) => Some(take(length)?.into()),
            Err(_) => None,
        };
        entries.push((key, value));
    }
    Ok(entries)
}
