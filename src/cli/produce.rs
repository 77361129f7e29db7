//! `millstream produce`: a line, a record.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use millstream_client::{Acks, Codec, Delivery, NewRecord};
use tokio::sync::mpsc;

use super::{Bootstrap, Failure};

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum AcksArgument {
    /// On stable storage.
    All,
    /// Written to the operating system.
    #[value(name = "1")]
    Leader,
    /// Not at all.
    #[value(name = "0")]
    None,
}

impl From<AcksArgument> for Acks {
    fn from(acks: AcksArgument) -> Self {
        match acks {
            AcksArgument::All => Acks::All,
            AcksArgument::Leader => Acks::Leader,
            AcksArgument::None => Acks::None,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ProduceArguments {
    /// The topic; it must exist.
    topic: String,
    /// A file to read lines from, instead of standard input.
    #[arg(long, short = 'f')]
    file: Option<PathBuf>,
    /// What stands between key and value in a line; without it a line is a value.
    #[arg(long, short = 'k', value_name = "TEXT")]
    key_separator: Option<String>,
    /// A header for every record; may be given several times.
    #[arg(long, short = 'H', value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// The partition for every record.
    #[arg(long, short = 'p')]
    partition: Option<i32>,
    /// none, gzip, snappy, lz4 or zstd.
    #[arg(long, default_value = "none")]
    compression: String,
    #[arg(long, default_value = "all")]
    acks: AcksArgument,
    /// Refuse a line that is no JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    bootstrap: Bootstrap,
}

/// Records that are not acknowledged yet.
const UNDER_WAY_MAX: usize = 10_000;

pub(crate) async fn run(arguments: ProduceArguments) -> Result<(), Failure> {
    let codec = Codec::from_name(&arguments.compression)
        .ok_or_else(|| Failure::usage(format!("--compression {} is none of none, gzip, snappy, lz4, zstd", arguments.compression)))?;
    let headers: Vec<(String, String)> = arguments
        .header
        .iter()
        .map(|text| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect::<Option<_>>()
        .ok_or_else(|| Failure::usage("--header: write name=value"))?;
    let client = arguments.bootstrap.connect().await?;
    let topic = client.topic(&arguments.topic).await?;
    if let Some(partition) = arguments.partition.filter(|partition| !(0..topic.partitions).contains(partition)) {
        return Err(Failure::not_found(format!("topic {} has {} partitions, there is no {partition}", topic.name, topic.partitions)));
    }
    let producer = client.producer().acks(arguments.acks.into()).codec(codec).linger(Duration::from_millis(2)).build();
    let input: Box<dyn BufRead + Send> = match &arguments.file {
        #[expect(clippy::disallowed_methods, reason = "a file of the user's")]
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
            Box::new(BufReader::new(file))
        }
        None => Box::new(BufReader::new(std::io::stdin())),
    };
    let mut lines = lines(input);
    let mut under_way = VecDeque::<Delivery>::new();
    let mut sent = 0u64;
    let mut stopped = Ok(());
    while let Some(line) = lines.recv().await {
        let record = line.map_err(|error| Failure::other(format!("line {} cannot be read: {error}", sent + 1))).and_then(|line| {
            record(&arguments, &headers, line).map_err(|sentence| Failure::usage(format!("line {} {sentence}", sent + 1)))
        });
        let record = match record {
            Ok(record) => record,
            Err(failure) => {
                stopped = Err(failure);
                break;
            }
        };
        under_way.push_back(producer.send(record).await?);
        sent += 1;
        if under_way.len() >= UNDER_WAY_MAX
            && let Some(first) = under_way.pop_front()
        {
            first.delivered().await?;
        }
    }
    // Also those before a line that cannot be sent.
    for delivery in under_way {
        delivery.delivered().await?;
    }
    eprintln!("{sent} records sent to {}", arguments.topic);
    stopped
}

/// What a line says, or why it says nothing.
fn record(arguments: &ProduceArguments, headers: &[(String, String)], line: String) -> Result<NewRecord, String> {
    let mut record = NewRecord::to(&arguments.topic);
    let value = match &arguments.key_separator {
        Some(separator) => {
            let (key, value) = line.split_once(separator.as_str()).ok_or_else(|| format!("has no key: {separator:?} is missing in it"))?;
            record = record.key(Bytes::copy_from_slice(key.as_bytes()));
            value.to_owned()
        }
        None => line,
    };
    if arguments.json && serde_json::from_str::<serde::de::IgnoredAny>(&value).is_err() {
        return Err("is no JSON".into());
    }
    record = record.value(value);
    if let Some(partition) = arguments.partition {
        record = record.partition(partition);
    }
    for (name, value) in headers {
        record = record.header(name.clone(), value.clone());
    }
    Ok(record)
}

/// Reads lines on a thread of their own: a terminal may keep it waiting for ever.
fn lines(input: Box<dyn BufRead + Send>) -> mpsc::Receiver<io::Result<String>> {
    let (sender, receiver) = mpsc::channel(1024);
    std::thread::spawn(move || {
        for line in input.lines() {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
