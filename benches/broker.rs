//! What a record costs the server, beside the bare loop and, if one runs, beside another broker, in the same run.
//!
//!     cargo bench --bench broker
//!     cargo bench --bench broker -- --peer 127.0.0.1:9092 --peer-pid 4711 --rounds 3
//!
//! Figures are the server's CPU time per record, which other work on the machine disturbs less than the wall clock does.
//! Every round measures everything once; the table has the medians.

#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the machine itself, past every door")]

mod load {
    pub(crate) mod arguments;
    pub(crate) mod floor;
    pub(crate) mod server;
    pub(crate) mod table;
}

use std::path::PathBuf;
use std::process::Command;

use load::arguments::arguments;
use load::floor;
use load::server::{Cost, Server};
use load::table::{Table, print_conditions};

const REQUESTS: usize = 768;
/// What a subscriber that keeps up reads: little enough to be in memory still.
const TAIL_REQUESTS: usize = 8;

fn main() {
    let arguments = arguments(&[]);
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-broker");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory for the data");
    print_conditions(&dir, arguments.rounds);
    let mut servers = vec![Server::start(&dir.join("data"), 19292)];
    servers.extend(arguments.peer.map(|(address, pid)| Server::peer(&address, pid)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let mut table = Table::default();
    // Memory that was not in use for long costs its first user more than the work itself: everybody gets used one.
    floor::receive_check_write(&dir, 3 * REQUESTS);
    for round in 0..arguments.rounds {
        table.add("bare loop: receive, checksum, write 1 KiB, µs", "floor", floor::receive_check_write(&dir, REQUESTS));
        table.add("bare loop: send 1 KiB, µs", "floor", floor::send(REQUESTS));
        table.add("disk flush of 4 KiB, p50, ms", "floor", floor::flush_ms(&dir, 200));
        for server in &servers {
            runtime.block_on(measure(&mut table, server, round));
        }
    }
    for server in &servers {
        table.add("memory after the load, MiB", &server.name, server.rss_mib() as f64);
    }
    let columns: Vec<String> = std::iter::once("floor".to_owned()).chain(servers.iter().map(|server| server.name.clone())).collect();
    table.print(&columns);
}

async fn measure(table: &mut Table, server: &Server, round: usize) {
    // A peer may have topics of an earlier run.
    let run = std::process::id();
    let mut add = |row: &str, cost: Cost| {
        table.add(&format!("{row}, server CPU µs/record"), &server.name, cost.cpu_us);
        table.add(&format!("{row}, k records/s"), &server.name, cost.records_per_second / 1e3);
    };
    let loads = [
        ("publish 1 KiB, 1 partition, W", 1, 1024, 1, REQUESTS),
        ("publish 1 KiB, 16 partitions, W", 16, 1024, 1, REQUESTS),
        ("publish 1 KiB, 16 partitions, acks=all", 16, 1024, -1, REQUESTS),
        ("publish 100 B, 1 partition, W", 1, 100, 1, REQUESTS / 2),
    ];
    for (row, partitions, record_bytes, acks, requests) in loads {
        let topic = format!("bench-{run}-{round}-{partitions}-{record_bytes}-{acks}");
        let id = server.create(&topic, partitions).await;
        add(row, server.publish(&topic, id, partitions, requests, record_bytes, acks).await);
        if row.starts_with("publish 1 KiB, 1 partition") {
            let records = requests * (1_000_000 / 1040);
            add("fetch 1 KiB, 1 partition, whole log", server.fetch(&topic, id, records, 1).await);
        }
        server.delete(&topic).await;
    }
    let topic = format!("bench-{run}-{round}-tail");
    let id = server.create(&topic, 1).await;
    server.publish(&topic, id, 1, TAIL_REQUESTS, 1024, 1).await;
    let records = TAIL_REQUESTS * (1_000_000 / 1040);
    add("fetch 1 KiB, 1 partition, newest MiB", server.fetch(&topic, id, records, 100).await);
    server.delete(&topic).await;
    latency(table, server, "1", 1000);
    latency(table, server, "all", 1000);
}

/// Open loop: times count from the intended send.
fn latency(table: &mut Table, server: &Server, acks: &str, rate: u32) {
    let seconds = 5;
    let cpu = server.cpu_seconds();
    let output = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["bench", "latency", "--bootstrap-servers", &server.address, "--acks", acks])
        .args(["--rate", &rate.to_string(), "--seconds", &seconds.to_string(), "--topic", &format!("bench-latency-{acks}")])
        .output()
        .expect("the binary starts");
    let cpu_us = (server.cpu_seconds() - cpu) * 1e6 / f64::from(rate * seconds);
    let said = String::from_utf8_lossy(&output.stdout);
    let figures: serde_json::Value =
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said} {}", String::from_utf8_lossy(&output.stderr)));
    for (what, title) in [("acknowledged", "acknowledged"), ("arrived", "end to end")] {
        for (share, name) in [("p50_ms", "p50"), ("p99_ms", "p99")] {
            let row = format!("{rate}/s, acks={acks}, {title}, {name}, ms");
            table.add(&row, &server.name, figures[what][share].as_f64().expect("a figure"));
        }
    }
    table.add(&format!("{rate}/s, acks={acks}, server CPU µs/record"), &server.name, cpu_us);
}
