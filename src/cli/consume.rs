//! `millstream consume`: the records of a topic, from a place on.

use std::io::Write;
use std::time::Duration;

use clap::{Args, ValueEnum};
use millstream_client::{Client, Error, ErrorCode, Isolation, PartitionBatches, Record, TopicReader};

use super::record::encoding::Encoding;
use super::record::json;
use super::record::template::Template;
use super::{Bootstrap, start};
use crate::failure::Failure;

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
    #[arg(long, default_value = "beginning", allow_hyphen_values = true, value_name = "PLACE", help = format!("Where to begin: {}", start::FORMS))]
    from: String,
    /// Go on when the end is reached, also when the broker was away meanwhile.
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
    /// How keys and values stand in a line or in a template.
    #[arg(long, default_value = "raw")]
    encoding: Encoding,
    /// A line for each record: %t topic, %p partition, %o offset, %T timestamp, %k key, %K its length, %s value, %S its length, %h
    /// headers, %% a percent sign; \n, \t, \r, \0, \\ and \xHH.
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

const FETCH_WAIT: Duration = Duration::from_millis(500);
const FETCH_BYTES_MAX: i32 = 8 * 1024 * 1024;
/// The pause before a broker that is away is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn run(arguments: ConsumeArguments) -> Result<(), Failure> {
    let from = start::parse("--from", &arguments.from)?;
    let lines = Lines::new(&arguments)?;
    let client = arguments.bootstrap.connect().await?;
    let mut reader = TopicReader::open(&client, &arguments.topic).await?;
    reader.set_isolation(match arguments.isolation {
        IsolationArgument::ReadCommitted => Isolation::ReadCommitted,
        IsolationArgument::ReadUncommitted => Isolation::ReadUncommitted,
    });
    let partitions = reader.topic().partitions;
    if let Some(partition) = arguments.partition.filter(|partition| !(0..partitions).contains(partition)) {
        return Err(Failure::no_partition(&arguments.topic, partitions, partition));
    }
    let ends = reader.ends().await?;
    let wanted: Vec<i32> = (0..partitions).filter(|partition| arguments.partition.is_none_or(|only| only == *partition)).collect();
    let mut positions = positions(&client, &arguments.topic, &wanted, from).await?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut is_away = false;
    while left > 0 {
        let is_at_end = positions.iter().all(|(partition, position)| *position >= ends[*partition as usize]);
        if is_at_end && !arguments.follow {
            break;
        }
        let fetched = match reader.fetch_from(&positions, FETCH_WAIT, FETCH_BYTES_MAX, FETCH_BYTES_MAX).await {
            Err(error) if arguments.follow && is_passing(&error) => {
                if !std::mem::replace(&mut is_away, true) {
                    eprintln!("millstream: {error}; waiting for the broker");
                }
                tokio::time::sleep(RETRY_PAUSE).await;
                continue;
            }
            fetched => fetched?,
        };
        if std::mem::replace(&mut is_away, false) {
            eprintln!("millstream: the broker is back");
        }
        for part in fetched {
            let end = if arguments.follow { i64::MAX } else { ends[part.partition as usize] };
            let Some((_, position)) = positions.iter_mut().find(|(partition, _)| *partition == part.partition) else { continue };
            let shown = lines.write(&part, *position, end, left, &mut out);
            *position = part.next_offset;
            match shown? {
                Shown::Records(count) => left -= count,
                Shown::NobodyReads => return Ok(()),
            }
        }
        if !is_read(&out.flush())? {
            return Ok(());
        }
    }
    Ok(())
}

/// Where each partition begins.
async fn positions(client: &Client, topic: &str, partitions: &[i32], from: millstream_client::Start) -> Result<Vec<(i32, i64)>, Failure> {
    let mut positions = Vec::new();
    for &partition in partitions {
        positions.push((partition, client.reader(topic, partition, from).await?.position()));
    }
    Ok(positions)
}

/// Whether a broker that starts again makes it good.
fn is_passing(error: &Error) -> bool {
    let is_gone = matches!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID));
    error.is_retriable() && !is_gone
}

/// What came of showing records.
enum Shown {
    Records(u64),
    /// The reader of our output has gone: nothing is left to do.
    NobodyReads,
}

/// The form of a line.
struct Lines {
    topic: String,
    format: RecordFormat,
    encoding: Encoding,
    template: Option<Template>,
}

impl Lines {
    fn new(arguments: &ConsumeArguments) -> Result<Self, Failure> {
        if arguments.output == RecordFormat::Json && arguments.encoding != Encoding::Raw {
            return Err(Failure::usage("--encoding has no effect with -o json, which has text, and base64 beside what is no text"));
        }
        let template = arguments.template.as_deref().map(Template::parse).transpose();
        let template = template.map_err(|sentence| Failure::usage(format!("--template: {sentence}")))?;
        Ok(Lines { topic: arguments.topic.clone(), format: arguments.output, encoding: arguments.encoding, template })
    }

    /// Writes the records from one offset to another, and no more than so many.
    fn write(&self, part: &PartitionBatches, from: i64, end: i64, most: u64, out: &mut impl Write) -> Result<Shown, Failure> {
        let mut shown = 0;
        for record in part.records(from)?.iter().take_while(|record| record.offset < end).take(most.try_into().unwrap_or(usize::MAX)) {
            let mut line = self.line(part.partition, record);
            line.push(b'\n');
            if !is_read(&out.write_all(&line))? {
                return Ok(Shown::NobodyReads);
            }
            shown += 1;
        }
        Ok(Shown::Records(shown))
    }

    fn line(&self, partition: i32, record: &Record) -> Vec<u8> {
        let mut line = Vec::new();
        match (&self.template, self.format) {
            (Some(template), _) => template.write(&self.topic, partition, record, self.encoding, &mut line),
            (None, RecordFormat::Value) => self.encoding.write(record.value.as_deref().unwrap_or_default(), &mut line),
            (None, RecordFormat::Json) => line = json::document(&self.topic, partition, record).to_string().into_bytes(),
        }
        line
    }
}

/// Whether somebody still reads the output; any other failure to write it is one.
fn is_read(written: &std::io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::other(format!("cannot write the output: {error}"))),
    }
}
