//! Any bytes, in both directions and as record batches: no panic, what is read is written and read again as the same, and
//! what is allocated meanwhile stays within a small multiple of what arrived.
//!
//! It begins with Kafka's recorded requests and answers, and with made ones of share groups, and changes them: bytes, lengths,
//! cuts, joins. By default it runs for a moment, by a seed that it prints:
//!
//!     FUZZ_SECONDS=600 cargo test -p millstream-protocol --release --test fuzz -- --nocapture
//!     FUZZ_SEED=42 cargo test -p millstream-protocol --test fuzz

#![allow(unsafe_code, reason = "an allocator that counts is an unsafe trait")]

mod made;
mod recorded;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use made::share_groups;
use millstream_protocol::header::{decode_request, decode_response, encode_request, encode_response};
use millstream_protocol::record::{BatchBuilder, Codec, NewRecord, RecordBatch, batch};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use recorded::{Case, cases, joined, joined_parts};

/// Counts what the calling thread has allocated, and the most of it at once.
struct Counting;

thread_local! {
    static NOW_BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends frees things when its counters are gone already.
    let _ = NOW_BYTES.try_with(|now| {
        now.set(now.get() + bytes);
        let _ = PEAK_BYTES.try_with(|peak| peak.set(peak.get().max(now.get())));
    });
}

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` had allocated at most at once, beyond what was there before.
fn peak_bytes<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW_BYTES.get();
    PEAK_BYTES.set(before);
    let result = work();
    (result, (PEAK_BYTES.get() - before).max(0) as usize)
}

/// Decoding may take this much for each byte that arrived, and this much in any case.
const BYTES_PER_BYTE: usize = 20;
const BYTES_ALWAYS: usize = 16 * 1024;

fn check_allocated(what: &str, arrived: &[u8], peak: usize) {
    let allowed = arrived.len() * BYTES_PER_BYTE + BYTES_ALWAYS;
    assert!(peak <= allowed, "{what}: {} bytes arrived, {peak} were allocated, {allowed} are allowed: {arrived:02x?}", arrived.len());
}

fn run(name: &str, mut once: impl FnMut(&mut SmallRng) -> bool) {
    let seed: u64 = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    let seconds: u64 = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    println!("{name}: FUZZ_SEED={seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let begun = Instant::now();
    let (mut tries, mut understood) = (0u64, 0u64);
    while tries < 20_000 || begun.elapsed() < Duration::from_secs(seconds) {
        tries += 1;
        understood += u64::from(once(&mut random));
    }
    println!("{name}: {tries} tries, {understood} understood");
    assert!(understood > tries / 100, "{name}: seed {seed}: only {understood} of {tries} got beyond the first check");
}

/// Changes bytes as a broken or hostile peer might.
fn damaged(mut bytes: Vec<u8>, other: &[u8], random: &mut SmallRng) -> Vec<u8> {
    const TELLING: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff, 0x10];
    for _ in 0..random.random_range(0..4) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] = random.random(),
            1 => bytes[at] = TELLING[random.random_range(0..TELLING.len())],
            2 => bytes.truncate(at),
            // A length of four bytes: tiny, huge or negative.
            3 if at + 4 <= bytes.len() => {
                let length = [i32::MAX, i32::MIN, -1, 0, 1, 0x00ff_ffff][random.random_range(0..6)];
                bytes[at..at + 4].copy_from_slice(&length.to_be_bytes());
            }
            4 => {
                let from = random.random_range(0..=other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            _ => {
                let piece: Vec<u8> = bytes[at..].iter().copied().take(16).collect();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

fn corpus() -> Vec<Case> {
    [cases(), share_groups()].concat()
}

#[test]
fn requests() {
    let corpus = corpus();
    run("requests", |random| {
        let (one, other) = (&corpus[random.random_range(0..corpus.len())], &corpus[random.random_range(0..corpus.len())]);
        let arrived = damaged(one.request.to_vec(), &other.request, random);
        let frame = Bytes::from(arrived.clone());
        let (decoded, peak) = peak_bytes(|| decode_request(frame));
        check_allocated(&one.name, &arrived, peak);
        let Ok(incoming) = decoded else { return false };
        if let Ok(again) = encode_request(&incoming.request, incoming.version, incoming.correlation_id, incoming.client_id.as_ref()) {
            let read = decode_request(joined(again)).expect("what was written can be read");
            assert_eq!(read.request, incoming.request);
        }
        true
    });
}

#[test]
fn responses() {
    let corpus = corpus();
    run("responses", |random| {
        let (one, other) = (&corpus[random.random_range(0..corpus.len())], &corpus[random.random_range(0..corpus.len())]);
        let arrived = damaged(one.response.to_vec(), &other.response, random);
        let frame = Bytes::from(arrived.clone());
        let (decoded, peak) = peak_bytes(|| decode_response(frame, one.api, one.version));
        check_allocated(&one.name, &arrived, peak);
        let Ok((correlation_id, response)) = decoded else { return false };
        if let Ok(again) = encode_response(&response, one.version, correlation_id) {
            let (_, read) = decode_response(joined_parts(again), one.api, one.version).expect("what was written can be read");
            assert_eq!(read, response);
        }
        true
    });
}

/// The inflated size that a reader allows in this test.
const INFLATED_BYTES_MAX: usize = 64 * 1024;

#[test]
fn batches() {
    const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
    let mut corpus = Vec::new();
    for codec in CODECS {
        let mut builder = BatchBuilder::new(codec);
        for number in 0..20i64 {
            let value = vec![number as u8; (number as usize) * 7];
            builder.push(NewRecord { timestamp: number, key: Some(b"key"), value: Some(&value), ..Default::default() });
        }
        corpus.push(builder.build().expect("builds").to_bytes());
    }
    run("batches", |random| {
        let (one, other) = (&corpus[random.random_range(0..corpus.len())], &corpus[random.random_range(0..corpus.len())]);
        let arrived = damaged(one.to_vec(), other, random);
        let bytes = Bytes::from(arrived.clone());
        let (read, peak) = peak_bytes(|| {
            let batch = RecordBatch::new(bytes).ok()?;
            let checked = batch.check_records(INFLATED_BYTES_MAX).is_ok();
            // One record at a time, as readers do.
            let read = batch.records(INFLATED_BYTES_MAX).ok()?.take_while(Result::is_ok).count();
            Some((checked, read, batch.record_count()))
        });
        // A codec has tables of its own beside what it inflates.
        let allowed = 4 * INFLATED_BYTES_MAX + 2 * 1024 * 1024 + arrived.len() * BYTES_PER_BYTE;
        assert!(peak <= allowed, "{} bytes arrived, {peak} were allocated: {arrived:02x?}", arrived.len());
        if let Some((true, read, announced)) = read {
            assert_eq!(read as i32, announced, "what passed the check can be read: {arrived:02x?}");
        }
        let mut all = BytesMut::new();
        all.extend_from_slice(&arrived);
        let split = batch::split(all.freeze()).filter(Result::is_ok).count();
        read.is_some() || split > 0
    });
}
