//! A model of the loop: any cut of the byte stream, any order in which answers become ready, any half-close. Everything that arrived
//! whole is served, in order, and answered, in order.

#![expect(clippy::async_yields_async, reason = "taking effect and being answered are two things to wait for")]

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use millstream_protocol::header::encode_request;
use millstream_protocol::message::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use millstream_protocol::record::Stored;
use millstream_protocol::{Request, Response};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, WriteHalf};
use tokio::sync::{oneshot, watch};

use super::*;

impl Outlet for WriteHalf<DuplexStream> {
    async fn send(&mut self, slices: &[IoSlice<'_>], _is_more: bool) -> io::Result<usize> {
        self.write_vectored(slices).await
    }

    async fn send_stored(&mut self, stored: &dyn Stored, from: usize) -> io::Result<usize> {
        self.write(&stored.read()?[from..]).await
    }
}

/// The version in which a request's name is its key, whatever its length.
const VERSION: i16 = 3;

/// How long a large request may stand still when others wait for its memory.
const WANTED: Duration = Duration::from_millis(100);

/// Requests that were served and wait for their answers, in the order of their arrival.
type WaitingAnswers = Arc<Mutex<Vec<oneshot::Sender<()>>>>;

fn frame(correlation_id: i32, key_bytes: usize) -> Vec<u8> {
    let request: Request = FindCoordinatorRequest { key: "k".repeat(key_bytes).into(), ..Default::default() }.into();
    let pieces = encode_request(&request, VERSION, correlation_id, None).unwrap();
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let mut all = (length as u32).to_be_bytes().to_vec();
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all
}

/// A connection over a stream in memory, whose answers are ready when the test says so.
struct Model {
    client: DuplexStream,
    served: WaitingAnswers,
    connection: tokio::task::JoinHandle<Result<(), ConnectionEnd>>,
    _drain: watch::Sender<bool>,
}

impl Model {
    /// `pipe_bytes`: how much fits between client and server.
    fn new(pipe_bytes: usize, stall_max: Duration) -> Self {
        Self::sharing(RequestMemory::new(64 * 1024), pipe_bytes, stall_max)
    }

    /// One that shares its memory with others.
    fn sharing(memory: RequestMemory, pipe_bytes: usize, stall_max: Duration) -> Self {
        let (client, server) = tokio::io::duplex(pipe_bytes);
        let (reader, writer) = tokio::io::split(server);
        let served = WaitingAnswers::default();
        let (drain, draining) = watch::channel(false);
        let connection = Connection {
            id: 1,
            endpoint: None,
            peer: None,
            stall_max,
            wanted_stall_max: WANTED,
            reader: Reader::new(reader, 1 << 20),
            last_read: Instant::now(),
            writer,
            under_way: UnderWay::default(),
            memory,
            metrics: Arc::default(),
            serve: {
                let (served, is_effective) = (served.clone(), Arc::new(Mutex::new(true)));
                move |call: Call| {
                    let (ready, is_ready) = oneshot::channel();
                    let answer = async move {
                        is_ready.await.expect("the test answers all");
                        Response::from(FindCoordinatorResponse::default())
                    };
                    let Request::FindCoordinator(request) = call.request else { panic!("{:?}", call.request) };
                    assert!(*is_effective.lock(), "a request began before the one before it had taken effect");
                    served.lock().push(ready);
                    if request.key.len() % 5 > 0 {
                        return Served::Begun(answer.boxed());
                    }
                    *is_effective.lock() = false;
                    let is_effective = is_effective.clone();
                    let beginning = async move {
                        for _ in 0..request.key.len() % 7 {
                            tokio::task::yield_now().await;
                        }
                        *is_effective.lock() = true;
                        answer.boxed()
                    };
                    Served::Beginning(beginning.boxed())
                }
            },
        };
        Model { client, served, connection: tokio::spawn(connection.run(draining)), _drain: drain }
    }
}

/// Reads the correlation ids of all answers until the server closes.
async fn answers(mut client: impl AsyncReadExt + Unpin) -> Vec<i32> {
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    let (mut rest, mut ids) = (&all[..], Vec::new());
    while let Some((prefix, behind)) = rest.split_first_chunk() {
        let (body, next) = behind.split_at(u32::from_be_bytes(*prefix) as usize);
        ids.push(i32::from_be_bytes(*body.first_chunk().unwrap()));
        rest = next;
    }
    ids
}

/// One run by a seed: so many requests, some of them large, in cuts of any size, answered in any order; then half a close, perhaps
/// within a frame.
async fn run(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let count = random.random_range(1..300);
    let mut sent = Vec::new();
    for id in 0..count {
        let is_large = random.random_ratio(1, 30);
        sent.extend(frame(id, if is_large { random.random_range(15_000..40_000) } else { random.random_range(1..200) }));
    }
    if random.random() {
        let torn = frame(count, random.random_range(1..30_000));
        sent.extend_from_slice(&torn[..random.random_range(1..torn.len())]);
    }
    let model = Model::new(random.random_range(1..100_000), Duration::from_secs(3600));
    let (reading, mut writing) = tokio::io::split(model.client);
    let served = model.served.clone();
    let mut cuts = StdRng::seed_from_u64(seed + 1);
    let writes = async move {
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let most = if cuts.random_ratio(1, 4) { rest.len() } else { rest.len().min(5000) };
            let (now, later) = rest.split_at(cuts.random_range(1..=most));
            writing.write_all(now).await.unwrap();
            rest = later;
            if cuts.random() {
                tokio::task::yield_now().await;
            }
        }
        writing.shutdown().await.unwrap();
    };
    let answering = async move {
        loop {
            let mut ready = std::mem::take(&mut *served.lock());
            ready.shuffle(&mut random);
            let kept = random.random_range(0..=ready.len());
            let later = ready.split_off(kept);
            ready.into_iter().for_each(|ready| ready.send(()).unwrap());
            served.lock().extend(later);
            tokio::task::yield_now().await;
        }
    };
    let ids = tokio::select! {
        (ids, ()) = async { tokio::join!(answers(reading), writes) } => ids,
        () = answering => unreachable!("it answers for ever"),
        () = tokio::time::sleep(Duration::from_secs(60)) => panic!("seed {seed}: the connection stands still"),
    };
    assert_eq!(ids, (0..count).collect::<Vec<_>>(), "seed {seed}");
    assert!(model.connection.await.unwrap().is_ok(), "seed {seed}");
}

#[tokio::test]
async fn everything_that_arrived_whole_is_served_and_answered_in_order() {
    let seeds = std::env::var("MODEL_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(400);
    for seed in 0..seeds {
        run(seed).await;
    }
}

/// The very case: more requests than may be under way in one write, and all answers ready at the same moment.
#[tokio::test]
async fn requests_beyond_those_under_way_are_served_when_all_answers_come_at_once() {
    let mut model = Model::new(1 << 20, Duration::from_secs(3600));
    let burst: Vec<u8> = (0..200).flat_map(|id| frame(id, 10)).collect();
    model.client.write_all(&burst).await.unwrap();
    model.client.shutdown().await.unwrap();
    let served = model.served.clone();
    let answering = async move {
        loop {
            tokio::task::yield_now().await;
            let mut served = served.lock();
            // Only when as many are under way as may be, or the rest.
            if served.len() == crate::limit::PIPELINED_MAX || served.len() == 200 % crate::limit::PIPELINED_MAX {
                served.drain(..).for_each(|ready| ready.send(()).unwrap());
            }
        }
    };
    let ids = tokio::select! {
        ids = answers(model.client) => ids,
        () = answering => unreachable!("it answers for ever"),
        () = tokio::time::sleep(Duration::from_secs(60)) => panic!("the connection stands still"),
    };
    assert_eq!(ids, (0..200).collect::<Vec<_>>());
}

/// What came before a frame that cannot be served has taken effect, and is answered.
#[tokio::test]
async fn a_bad_frame_ends_the_connection_after_the_answers_before_it() {
    let mut model = Model::new(1 << 20, Duration::from_secs(3600));
    let mut bytes = [frame(1, 11), frame(2, 11)].concat();
    bytes.extend(u32::MAX.to_be_bytes());
    model.client.write_all(&bytes).await.unwrap();
    while model.served.lock().len() < 2 {
        tokio::task::yield_now().await;
    }
    model.served.lock().drain(..).for_each(|ready| ready.send(()).unwrap());
    let end = model.connection.await.unwrap();
    assert!(matches!(end, Err(ConnectionEnd::Refused(_))), "{end:?}");
    assert_eq!(answers(model.client).await, [1, 2]);
}

/// A client that stops within a large request holds up nobody for long: what is reserved for it goes to the requests that wait for it.
#[tokio::test]
async fn a_large_request_that_stands_still_gives_way_to_others() {
    let memory = RequestMemory::new(64 * 1024);
    let hour = Duration::from_secs(3600);
    let mut stalled = Model::sharing(memory.clone(), 1 << 20, hour);
    stalled.client.write_all(&frame(1, 32_000)[..20_000]).await.unwrap();
    tokio::time::sleep(5 * WANTED).await;
    assert!(!stalled.connection.is_finished(), "nobody waited for its memory");
    let mut others = Vec::new();
    for id in 2..4 {
        let mut other = Model::sharing(memory.clone(), 1 << 20, hour);
        other.client.write_all(&frame(id, 32_000)).await.unwrap();
        others.push(other);
    }
    let end = tokio::time::timeout(Duration::from_secs(60), stalled.connection).await.expect("it gives way").unwrap();
    assert!(matches!(&end, Err(ConnectionEnd::Refused(reason)) if reason.contains("others wait for its memory")), "{end:?}");
    for mut other in others {
        while other.served.lock().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        other.served.lock().drain(..).for_each(|ready| ready.send(()).unwrap());
        assert!(other.client.read_u32().await.unwrap() > 0);
    }
}

/// A slow client is no silent one: the limit is for no progress, in both directions.
#[tokio::test]
async fn a_connection_ends_when_no_byte_moves_and_not_when_few_do() {
    let (limit, pause) = (Duration::from_secs(1), Duration::from_millis(100));
    let mut model = Model::new(1 << 20, limit);
    for bytes in frame(7, 15_000).chunks(1000) {
        model.client.write_all(bytes).await.unwrap();
        tokio::time::sleep(pause).await;
    }
    // Being served takes as long as it takes.
    tokio::time::sleep(limit + pause).await;
    model.served.lock().drain(..).for_each(|ready| ready.send(()).unwrap());
    model.client.write_all(&[0, 0]).await.unwrap();
    let end = model.connection.await.unwrap();
    assert!(matches!(&end, Err(ConnectionEnd::Refused(reason)) if reason == "no byte came for 1000 ms"), "{end:?}");
    assert_eq!(answers(model.client).await, [7]);

    // A pipe that takes one byte at a time: the answer is taken slowly, and then not at all.
    let mut model = Model::new(1, limit);
    model.client.write_all(&frame(8, 11)).await.unwrap();
    while model.served.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    model.served.lock().drain(..).for_each(|ready| ready.send(()).unwrap());
    for _ in 0..12 {
        tokio::time::sleep(pause).await;
        model.client.read_u8().await.unwrap();
    }
    assert!(!model.connection.is_finished());
    let end = model.connection.await.unwrap();
    assert!(matches!(&end, Err(ConnectionEnd::Refused(reason)) if reason.contains("took no byte of an answer")), "{end:?}");
}
