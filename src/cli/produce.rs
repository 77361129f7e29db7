//! `millstream produce`: a line, a record.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use millstream_client::{Acks, Codec, Delivery, NewRecord};
use tokio::sync::mpsc;

use super::record::encoding::{Encoding, unescape};
use super::record::json;
use super::{Bootstrap, count, interrupt};
use crate::failure::Failure;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LineFormat {
    /// A value, or a key and a value.
    Value,
    /// A record in JSON, as 'consume -o json' prints it: key, value, headers, timestamp.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ProduceArguments {
    /// The topic; it must exist.
    topic: String,
    /// A file to read lines from, instead of standard input.
    #[arg(long, short = 'f')]
    file: Option<PathBuf>,
    /// What a line is.
    #[arg(long, short = 'i', default_value = "value")]
    input: LineFormat,
    /// What stands between key and value in a line, such as : or \t; without it a line is a value.
    #[arg(long, short = 'k', value_name = "TEXT")]
    key_separator: Option<String>,
    /// How keys and values stand in a line.
    #[arg(long, default_value = "raw")]
    encoding: Encoding,
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

/// What the options say of every record.
struct InputLines {
    topic: String,
    format: LineFormat,
    key_separator: Option<Vec<u8>>,
    encoding: Encoding,
    headers: Vec<(String, String)>,
    partition: Option<i32>,
    must_be_json: bool,
}

pub(crate) async fn run(arguments: ProduceArguments) -> Result<(), Failure> {
    let codec = Codec::from_name(&arguments.compression)
        .ok_or_else(|| Failure::usage(format!("--compression {} is none of none, gzip, snappy, lz4, zstd", arguments.compression)))?;
    let lines = InputLines::new(&arguments)?;
    let client = arguments.bootstrap.connect().await?;
    let topic = client.topic(&arguments.topic).await?;
    if let Some(partition) = arguments.partition.filter(|partition| !(0..topic.partitions).contains(partition)) {
        return Err(Failure::no_partition(&topic.name, topic.partitions, partition));
    }
    let producer = client.producer().acks(arguments.acks.into()).codec(codec).linger(Duration::from_millis(2)).build();
    let mut input = read_lines(open(&arguments)?);
    let mut under_way = VecDeque::<Delivery>::new();
    let (mut sent, mut stopped) = (0u64, Ok(()));
    let interrupted = interrupt::interrupted();
    tokio::pin!(interrupted);
    loop {
        let line = tokio::select! {
            line = input.recv() => line,
            () = &mut interrupted => {
                stopped = Err(Failure::interrupted());
                None
            }
        };
        let Some(line) = line else { break };
        let number = sent + 1;
        let record = line.map_err(|error| Failure::other(format!("line {number} cannot be read: {error}")));
        let record = record.and_then(|line| lines.record(&line).map_err(|sentence| Failure::usage(format!("line {number} {sentence}"))));
        match record {
            Ok(record) => under_way.push_back(producer.send(record).await?),
            Err(failure) => {
                stopped = Err(failure);
                break;
            }
        }
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
    eprintln!("{} sent to {}", count(sent, "record"), arguments.topic);
    stopped
}

fn open(arguments: &ProduceArguments) -> Result<Box<dyn BufRead + Send>, Failure> {
    match &arguments.file {
        #[expect(clippy::disallowed_methods, reason = "a file of the user's")]
        Some(path) => match std::fs::File::open(path) {
            Ok(file) => Ok(Box::new(BufReader::new(file))),
            Err(error) => Err(Failure::usage(format!("cannot read {}: {error}", path.display()))),
        },
        None => Ok(Box::new(BufReader::new(std::io::stdin()))),
    }
}

impl InputLines {
    fn new(arguments: &ProduceArguments) -> Result<Self, Failure> {
        let (format, encoding) = (arguments.input, arguments.encoding);
        if format == LineFormat::Json && (arguments.key_separator.is_some() || encoding != Encoding::Raw || arguments.json) {
            return Err(Failure::usage(
                "--input json says by itself what key and value are: leave out --key-separator, --encoding and --json",
            ));
        }
        let key_separator = arguments.key_separator.as_deref().map(unescape).transpose();
        let key_separator = key_separator.map_err(|sentence| Failure::usage(format!("--key-separator: {sentence}")))?;
        if key_separator.as_ref().is_some_and(Vec::is_empty) {
            return Err(Failure::usage("--key-separator is empty: leave it out where lines have no keys"));
        }
        let header = |text: &String| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = arguments.header.iter().map(header).collect::<Option<_>>();
        Ok(InputLines {
            topic: arguments.topic.clone(),
            format,
            key_separator,
            encoding,
            headers: headers.ok_or_else(|| Failure::usage("--header: write name=value"))?,
            partition: arguments.partition,
            must_be_json: arguments.json,
        })
    }

    /// What a line says, or why it says nothing.
    fn record(&self, line: &[u8]) -> Result<NewRecord, String> {
        let mut record = match self.format {
            LineFormat::Json => json::record(&self.topic, line)?,
            LineFormat::Value => self.key_and_value(line)?,
        };
        if let Some(partition) = self.partition {
            record = record.partition(partition);
        }
        for (name, value) in &self.headers {
            record = record.header(name.clone(), value.clone());
        }
        Ok(record)
    }

    fn key_and_value(&self, line: &[u8]) -> Result<NewRecord, String> {
        let mut record = NewRecord::to(&self.topic);
        let value = match &self.key_separator {
            Some(separator) => {
                let at = line.windows(separator.len()).position(|part| part == separator);
                let at = at.ok_or_else(|| format!("has no key: {:?} is missing in it", String::from_utf8_lossy(separator)))?;
                record = record.key(self.encoding.read(&line[..at])?);
                &line[at + separator.len()..]
            }
            None => line,
        };
        let value = self.encoding.read(value)?;
        if self.must_be_json && serde_json::from_slice::<serde::de::IgnoredAny>(&value).is_err() {
            return Err("is no JSON".into());
        }
        Ok(record.value(value))
    }
}

/// Reads lines on a thread of their own: a terminal may keep it waiting for ever. The end of a line is a line break, or a carriage
/// return and a line break.
fn read_lines(mut input: Box<dyn BufRead + Send>) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(1024);
    std::thread::spawn(move || {
        loop {
            let mut line = Vec::new();
            let read = match input.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {
                    if line.pop_if(|end| *end == b'\n').is_some() {
                        line.pop_if(|end| *end == b'\r');
                    }
                    Ok(line)
                }
                Err(error) => Err(error),
            };
            let is_over = read.is_err();
            if sender.blocking_send(read).is_err() || is_over {
                return;
            }
        }
    });
    receiver
}
