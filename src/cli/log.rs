//! `millstream log`: a data directory, looked at without a server.

use std::path::PathBuf;

use clap::Subcommand;

use super::Failure;

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
    let io = |error: millstream_broker::LogError| Failure::other(error.to_string());
    match command {
        LogCommand::Verify { data_dir } => {
            if !data_dir.join("topics").is_dir() {
                return Err(Failure::not_found(format!("{} is no data directory", data_dir.display())));
            }
            let (damage, sound) = millstream_broker::verify(&data_dir).map_err(io)?;
            damage.iter().for_each(|sentence| println!("{sentence}"));
            eprintln!("{sound} whole batches, {} damaged places", damage.len());
            if damage.is_empty() { Ok(()) } else { Err(Failure::other("the data directory is damaged")) }
        }
        LogCommand::Dump { data_dir, topic } => {
            if !data_dir.join("topics").is_dir() {
                return Err(Failure::not_found(format!("{} is no data directory", data_dir.display())));
            }
            println!("TOPIC\tPARTITION\tOFFSETS\tBYTES\tMAX_TIMESTAMP\tCODEC\tPRODUCER\tEPOCH\tSEQUENCE");
            millstream_broker::dump(&data_dir, topic.as_deref(), &mut |line| println!("{line}")).map_err(io)
        }
    }
}
