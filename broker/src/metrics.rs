//! What is counted, in one list: names and help are those of `/metrics`.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! metrics {
    ($($field:ident: $kind:literal, $name:literal, $help:literal;)*) => {
        /// The broker's counters and gauges.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $(#[doc = $help] pub $field: AtomicU64,)*
        }

        impl Metrics {
            /// All of them in Prometheus's text format.
            pub fn render(&self, to: &mut String) {
                $(
                    // Writing to a string cannot fail.
                    let _ = writeln!(to, "# HELP {} {}\n# TYPE {} {}\n{} {}", $name, $help, $name, $kind, $name, self.$field.load(Ordering::Relaxed));
                )*
            }
        }
    };
}

metrics! {
    connections: "gauge", "millstream_connections", "Open connections.";
    connections_accepted: "counter", "millstream_connections_accepted_total", "Connections accepted since the start.";
    requests: "counter", "millstream_requests_total", "Requests decoded.";
    requests_refused: "counter", "millstream_requests_refused_total", "Frames that were no request that this broker serves; each closed its connection.";
    bytes_in: "counter", "millstream_received_bytes_total", "Bytes received.";
    bytes_out: "counter", "millstream_sent_bytes_total", "Bytes sent.";
    batches_appended: "counter", "millstream_appended_batches_total", "Record batches appended.";
    records_appended: "counter", "millstream_appended_records_total", "Records appended.";
    log_bytes_appended: "counter", "millstream_appended_bytes_total", "Bytes of batches appended.";
    batches_refused: "counter", "millstream_refused_batches_total", "Record batches refused.";
    log_bytes_fetched: "counter", "millstream_fetched_bytes_total", "Bytes of batches handed to fetches.";
    uncleanable_partitions: "gauge", "millstream_uncleanable_partitions", "Partitions that are compacted only up to a damaged segment.";
    offsets_committed: "counter", "millstream_committed_offsets_total", "Offsets of partitions that groups committed outside of transactions.";
    transactions_committed: "counter", "millstream_committed_transactions_total", "Transactions committed: every partition has its marker.";
    transactions_aborted: "counter", "millstream_aborted_transactions_total", "Transactions aborted, by their producers or because their time was over.";
    share_delivered: "counter", "millstream_share_delivered_records_total", "Records that members of share groups acquired.";
    share_redelivered: "counter", "millstream_share_redelivered_records_total", "Those of them that were delivered before.";
    cold_reads: "counter", "millstream_cold_reads_total", "Reads that memory could not serve.";
}

impl Metrics {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}
