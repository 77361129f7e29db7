//! What much at once costs the server: thousands of partitions, and thousands of connections that say nothing.
//!
//!     cargo bench --bench footprint
//!
//! Every partition is a file, and every connection two, one at each end: the limit of open files (`ulimit -n`) has to allow for
//! 15,000. A start is timed from the process's beginning to its word that it listens.

#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the machine itself, past every door")]

mod load {
    pub(crate) mod server;
    pub(crate) mod table;
}

use std::path::PathBuf;

use load::server::{Server, Signal};
use load::table::{Table, print_conditions};
use millstream_client::{Acks, NewRecord};

const ROUNDS: usize = 3;
const TOPICS: usize = 20;
const PARTITIONS: i32 = 500;
const CONNECTIONS: usize = 10_000;

fn main() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-footprint");
    print_conditions(&dir, ROUNDS);
    let open_files_max = millstream_broker::open_files::raise_limit();
    assert!(open_files_max > CONNECTIONS as u64 * 3 / 2, "only {open_files_max} files may be open");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let mut table = Table::default();
    for _ in 0..ROUNDS {
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory for the data");
        let mut add = |row: &str, value: f64| table.add(row, "Millstream", value);
        let start = || Server::start(&dir.join("data"), 19294);
        let mut server = start();
        add("memory, nothing there, MiB", server.rss_mib() as f64);
        runtime.block_on(fill(&server));
        add("memory, 10,000 partitions with a record each, MiB", server.rss_mib() as f64);
        add("stop, all written to, ms", server.end(Signal::Terminate).as_secs_f64() * 1e3);
        server = start();
        add("start after a stop, 10,000 partitions, ms", server.started_ms);
        add("memory after it, MiB", server.rss_mib() as f64);
        add("stop, nothing written, ms", server.end(Signal::Terminate).as_secs_f64() * 1e3);
        server = start();
        runtime.block_on(fill_again(&server));
        server.end(Signal::Kill);
        server = start();
        add("start after a kill, 10,000 partitions written to, ms", server.started_ms);
        server.end(Signal::Kill);
        std::fs::remove_dir_all(&dir).expect("it was there");
        std::fs::create_dir_all(&dir).expect("a directory for the data");
        server = start();
        let before = server.rss_mib();
        let connections = runtime.block_on(connect(&server));
        add("memory, 10,000 idle connections more, MiB", (server.rss_mib() - before) as f64);
        drop(connections);
    }
    table.print(&["Millstream".to_owned()]);
}

async fn fill(server: &Server) {
    let admin = server.client().await.admin();
    for topic in 0..TOPICS {
        admin.create_topic(&format!("t{topic}"), PARTITIONS, &[]).await.expect("a new topic");
    }
    fill_again(server).await;
}

async fn fill_again(server: &Server) {
    let producer = server.client().await.producer().acks(Acks::Leader).idempotent(false).build();
    for topic in 0..TOPICS {
        let topic = format!("t{topic}");
        for partition in 0..PARTITIONS {
            drop(producer.send(NewRecord::to(topic.as_str()).partition(partition).value("x")).await.expect("the buffer takes it"));
        }
    }
    producer.flush().await;
}

/// Connections that have said which versions they speak, and nothing more.
async fn connect(server: &Server) -> Vec<millstream_client::Client> {
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        connections.push(server.client().await);
    }
    connections
}
