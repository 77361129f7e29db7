//! `millstream log`: a data directory, looked at without a server.

use std::path::PathBuf;

use clap::Subcommand;

use super::count;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Check every batch of every partition; damage is told with file and position.
    Verify {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// Print the batches of every partition.
    Dump {
        /// The data directory.
        data_dir: PathBuf,
        /// Only this topic.
        #[arg(long)]
        topic: Option<String>,
    },
}

pub(crate) fn run(command: LogCommand) -> Result<(), Failure> {
    let (data_dir, topic, is_shown) = match &command {
        LogCommand::Verify { data_dir } => (data_dir, None, false),
        LogCommand::Dump { data_dir, topic } => (data_dir, topic.as_deref(), true),
    };
    if !data_dir.join("topics").is_dir() {
        return Err(Failure::not_found(format!("{} is no data directory", data_dir.display())));
    }
    if is_shown {
        println!("TOPIC\tPARTITION\tOFFSETS\tBYTES\tMAX_TIMESTAMP\tCODEC\tPRODUCER\tEPOCH\tSEQUENCE");
    }
    let mut show = |line| {
        if is_shown {
            println!("{line}");
        }
    };
    let inspected = millstream_broker::inspect(data_dir, topic, &mut show).map_err(|error| Failure::other(error.to_string()))?;
    inspected.damage.iter().for_each(|sentence| eprintln!("{sentence}"));
    let whole = if inspected.batches == 1 { "1 whole batch".to_owned() } else { format!("{} whole batches", inspected.batches) };
    eprintln!("{whole}, {}", count(inspected.damage.len() as i64, "damaged place"));
    if inspected.damage.is_empty() { Ok(()) } else { Err(Failure::other("the data directory is damaged")) }
}
