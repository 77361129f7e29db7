//! `millstream consume`: the records of a topic, from a place on.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use millstream_client::{Isolation, Record, Start, TopicReader};
use serde_json::json;

use super::{Bootstrap, Failure};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordFormat {
    /// Values, one a line.
    Value,
    /// One JSON object a line, with everything that the record has.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ConsumeArguments {
    topic: String,
    /// beginning, end, an offset, a time ago such as -10m, or a time in ms since 1970 such as @1764000000000.
    #[arg(long, default_value = "beginning", allow_hyphen_values = true)]
    from: String,
    /// Go on when the end is reached.
    #[arg(long, short = 'f')]
    follow: bool,
    /// Stop after this many records.
    #[arg(long, short = 'n')]
    count: Option<u64>,
    /// Only this partition.
    #[arg(long, short = 'p')]
    partition: Option<i32>,
    #[arg(long, short = 'o', default_value = "value")]
    output: RecordFormat,
    /// A line for each record: %t topic, %p partition, %o offset, %T timestamp, %k key, %s value.
    #[arg(long, conflicts_with = "output")]
    template: Option<String>,
    /// Which records of transactions to show: committed ones, or all, also of open and aborted transactions.
    #[arg(long, default_value = "read-committed")]
    isolation: IsolationArgument,
    #[command(flatten)]
    bootstrap: Bootstrap,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum IsolationArgument {
    ReadCommitted,
    ReadUncommitted,
}

/// Where to begin, as an option says it.
pub(crate) fn start(option: &str, text: &str) -> Result<Start, Failure> {
    let wrong = || Failure::usage(format!("{option} {text}: write beginning, end, an offset, -10m or @TIMESTAMP in ms since 1970"));
    // Signs are no part of them: -1 means something else to the protocol.
    let number = |text: &str| text.parse::<i64>().ok().filter(|_| !text.starts_with(['+', '-'])).ok_or_else(wrong);
    #[expect(clippy::disallowed_methods, reason = "a time ago is counted from now")]
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    Ok(match text {
        "beginning" | "earliest" => Start::Beginning,
        "end" | "latest" => Start::End,
        _ => match (text.strip_prefix('-'), text.strip_prefix('@')) {
            (Some(ago), _) => {
                let unit_ms = match ago.chars().last() {
                    Some('s') => 1_000,
                    Some('m') => 60_000,
                    Some('h') => 3_600_000,
                    Some('d') => 86_400_000,
                    _ => return Err(wrong()),
                };
                let ago_ms = number(&ago[..ago.len() - 1])?.saturating_mul(unit_ms);
                Start::Time(now_ms.saturating_sub(ago_ms).max(0))
            }
            (None, Some(time)) => Start::Time(number(time)?),
            (None, None) => Start::Offset(number(text)?),
        },
    })
}

pub(crate) async fn run(arguments: ConsumeArguments) -> Result<(), Failure> {
    let from = start("--from", &arguments.from)?;
    let client = arguments.bootstrap.connect().await?;
    let mut reader = TopicReader::open(&client, &arguments.topic).await?;
    reader.set_isolation(match arguments.isolation {
        IsolationArgument::ReadCommitted => Isolation::ReadCommitted,
        IsolationArgument::ReadUncommitted => Isolation::ReadUncommitted,
    });
    let partitions = reader.topic().partitions;
    if arguments.partition.is_some_and(|partition| !(0..partitions).contains(&partition)) {
        return Err(Failure::not_found(format!("topic {} has {partitions} partitions", arguments.topic)));
    }
    let ends = reader.ends().await?;
    let mut positions = Vec::new();
    for partition in 0..partitions {
        let is_wanted = arguments.partition.is_none_or(|wanted| wanted == partition);
        // A partition that nobody asked for is read from its end, and what comes there is left out.
        let start = if is_wanted { from } else { Start::End };
        positions.push(client.reader(&arguments.topic, partition, start).await?.position());
    }
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    loop {
        let is_at_end = positions.iter().zip(&ends).all(|(position, end)| position >= end);
        if left == 0 || (is_at_end && !arguments.follow) {
            break;
        }
        for part in reader.fetch(&positions, Duration::from_millis(500), 8 * 1024 * 1024).await? {
            let place = part.partition as usize;
            let is_wanted = arguments.partition.is_none_or(|wanted| wanted == part.partition);
            for record in part.records(positions[place])?.iter().filter(|_| is_wanted) {
                if left == 0 || (!arguments.follow && record.offset >= ends[place]) {
                    break;
                }
                left -= 1;
                let written = writeln!(out, "{}", shown(&arguments, part.partition, record));
                if let Err(error) = written {
                    return gone(&error);
                }
            }
            positions[place] = part.next_offset;
        }
        if let Err(error) = out.flush() {
            return gone(&error);
        }
    }
    Ok(())
}

/// When the reader of our output has gone, nothing is left to do; anything else is a failure.
fn gone(error: &std::io::Error) -> Result<(), Failure> {
    match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::other(format!("cannot write the output: {error}"))),
    }
}

fn shown(arguments: &ConsumeArguments, partition: i32, record: &Record) -> String {
    let text = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let (key, value) = (text(&record.key), text(&record.value));
    if let Some(template) = &arguments.template {
        return template
            .replace("%t", &arguments.topic)
            .replace("%p", &partition.to_string())
            .replace("%o", &record.offset.to_string())
            .replace("%T", &record.timestamp.to_string())
            .replace("%k", key.as_deref().unwrap_or_default())
            .replace("%s", value.as_deref().unwrap_or_default());
    }
    match arguments.output {
        RecordFormat::Value => value.unwrap_or_default(),
        RecordFormat::Json => {
            let headers: Vec<_> =
                record.headers.iter().map(|h| json!({"key": String::from_utf8_lossy(&h.key), "value": text(&h.value)})).collect();
            json!({"topic": arguments.topic, "partition": partition, "offset": record.offset, "timestamp": record.timestamp, "key": key, "value": value, "headers": headers}).to_string()
        }
    }
}
