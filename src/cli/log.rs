//! `millstream log`: a data directory, looked at without a server.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::count;
use super::output::{self, Format};
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Check every batch of every partition; damage is reported with file and position.
    Verify {
        /// The data directory.
        data_dir: PathBuf,
        #[arg(long, short = 'o', default_value = "table")]
        output: Format,
    },
    /// Print the batches of every partition.
    Dump {
        /// The data directory.
        data_dir: PathBuf,
        /// Only this topic.
        #[arg(long)]
        topic: Option<String>,
        #[arg(long, short = 'o', default_value = "table")]
        output: Format,
    },
}

/// The columns of a batch's line.
const COLUMNS: [&str; 9] = ["TOPIC", "PARTITION", "OFFSETS", "BYTES", "MAX_TIMESTAMP", "CODEC", "PRODUCER", "EPOCH", "SEQUENCE"];

pub(crate) fn run(command: LogCommand) -> Result<(), Failure> {
    let (data_dir, topic, output, is_dump) = match &command {
        LogCommand::Verify { data_dir, output } => (data_dir, None, *output, false),
        LogCommand::Dump { data_dir, topic, output } => (data_dir, topic.as_deref(), *output, true),
    };
    if !data_dir.join("topics").is_dir() {
        return Err(Failure::not_found(format!("{} is no data directory", data_dir.display())));
    }
    if is_dump && output == Format::Table {
        println!("{}", COLUMNS.join("\t"));
    }
    let mut show = |line: String| match output {
        _ if !is_dump => {}
        Format::Table => println!("{line}"),
        Format::Json => println!("{}", document(&line)),
    };
    let inspected = millstream_broker::inspect(data_dir, topic, &mut show).map_err(|error| Failure::other(error.to_string()))?;
    if !is_dump && output == Format::Json {
        output::json(&json!({"batches": inspected.batches, "damage": inspected.damage}))?;
    } else {
        inspected.damage.iter().for_each(|sentence| eprintln!("{sentence}"));
        let whole = if inspected.batches == 1 { "1 whole batch".to_owned() } else { format!("{} whole batches", inspected.batches) };
        eprintln!("{whole}, {}", count(inspected.damage.len() as i64, "damaged place"));
    }
    if inspected.damage.is_empty() { Ok(()) } else { Err(Failure::other("the data directory is damaged")) }
}

/// A batch's line as a document; numbers are numbers.
fn document(line: &str) -> Value {
    let value = |name: &str, text: &str| match text.parse::<i64>() {
        Ok(number) if name != "TOPIC" => Value::from(number),
        _ => Value::from(text),
    };
    COLUMNS.iter().zip(line.split('\t')).map(|(name, text)| (name.to_lowercase(), value(name, text))).collect::<Map<String, Value>>().into()
}
