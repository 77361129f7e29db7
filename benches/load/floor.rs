//! The floor: what receiving, checking and writing costs with nothing around it. One thread takes 1 MiB frames from a
//! socket, computes their CRC-32C and writes them to a file. A broker cannot be cheaper than the parts that it shares
//! with this; how much dearer it is says what its own work costs.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

pub(crate) const FRAME_BYTES: usize = 1024 * 1024;

/// CPU time of the calling thread, s.
fn thread_cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells a thread's CPU time");
    let nanoseconds: f64 = stat.split(' ').next().and_then(|field| field.parse().ok()).expect("nanoseconds on the CPU");
    nanoseconds / 1e9
}

/// CPU of one pass over `frames` frames, µs per KiB.
pub(crate) fn receive_check_write(dir: &Path, frames: usize) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let sender = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).expect("the loop listens");
        let frame = vec![0x5a; FRAME_BYTES];
        (0..frames).for_each(|_| stream.write_all(&frame).expect("the loop reads"));
    });
    let (mut stream, _) = listener.accept().expect("the sender connects");
    let path = dir.join("floor");
    let file = File::create(&path).expect("a file");
    let mut frame = vec![0; FRAME_BYTES];
    let begun = thread_cpu_seconds();
    let mut checksums = 0;
    for number in 0..frames {
        stream.read_exact(&mut frame).expect("the sender sends");
        checksums ^= crc32c::crc32c(&frame);
        file.write_all_at(&frame, (number * FRAME_BYTES) as u64).expect("there is room");
    }
    let seconds = thread_cpu_seconds() - begun;
    std::hint::black_box(checksums);
    sender.join().expect("the sender ends");
    std::fs::remove_file(&path).expect("it is there");
    seconds * 1e6 / (frames * FRAME_BYTES / 1024) as f64
}

/// CPU of sending from memory, µs per KiB.
pub(crate) fn send(frames: usize) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let receiver = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).expect("the loop listens");
        let mut frame = vec![0; FRAME_BYTES];
        (0..frames).for_each(|_| stream.read_exact(&mut frame).expect("the loop sends"));
    });
    let (mut stream, _) = listener.accept().expect("the receiver connects");
    let frame = vec![0x5a; FRAME_BYTES];
    let begun = thread_cpu_seconds();
    (0..frames).for_each(|_| stream.write_all(&frame).expect("the receiver reads"));
    let seconds = thread_cpu_seconds() - begun;
    receiver.join().expect("the receiver ends");
    seconds * 1e6 / (frames * FRAME_BYTES / 1024) as f64
}

/// The disk's own flush: a 4 KiB write and a sync, p50 of `count`, ms.
pub(crate) fn flush_ms(dir: &Path, count: usize) -> f64 {
    let path = dir.join("flush");
    let file = File::create(&path).expect("a file");
    let mut times: Vec<f64> = (0..count)
        .map(|number| {
            let begun = Instant::now();
            file.write_all_at(&[0x5a; 4096], number as u64 * 4096).expect("there is room");
            file.sync_data().expect("the disk syncs");
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    std::fs::remove_file(&path).expect("it is there");
    times.sort_by(f64::total_cmp);
    times[count / 2]
}
