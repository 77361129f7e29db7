//! The command line, one file a noun. Data goes to stdout, everything else to stderr.
//!
//! * `output` prints tables and documents, `record` has records as text, `start` places in a topic
//! * `http` asks the admin API; everything else speaks the Kafka protocol through the client
//! * `interrupt` is Ctrl-C

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod consume;
pub(crate) mod group;
pub(crate) mod http;
mod interrupt;
pub(crate) mod log;
pub(crate) mod output;
pub(crate) mod produce;
pub(crate) mod query;
pub(crate) mod quickstart;
mod record;
pub(crate) mod sql;
mod start;
pub(crate) mod topic;

use std::io::{IsTerminal, Write};

use clap::Args;
use millstream_client::{Client, ErrorKind};

use crate::failure::Failure;
pub(crate) use interrupt::{block_on, run, until_interrupted};

/// The port of a broker whose address names none.
const KAFKA_PORT: u16 = 9092;

/// Which broker to talk to.
#[derive(Debug, Clone, Args)]
pub(crate) struct Bootstrap {
    /// The broker; of several, separated by commas, the first that answers. Without a port it is 9092.
    #[arg(long, short = 'b', env = "MILLSTREAM_BOOTSTRAP_SERVERS", default_value = "127.0.0.1:9092", value_name = "HOST:PORT")]
    pub bootstrap_servers: String,
}

impl Bootstrap {
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        connect(&self.bootstrap_servers).await
    }
}

/// Connects to the first of several brokers that answers.
pub(crate) async fn connect(servers: &str) -> Result<Client, Failure> {
    let mut last = None;
    for server in servers.split(',').map(str::trim).filter(|server| !server.is_empty()) {
        // An IPv6 address has colons of its own, and brackets when a port follows.
        let names_port = server.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let address = if names_port { server.to_owned() } else { format!("{server}:{KAFKA_PORT}") };
        match Client::connect(&address).await {
            Ok(client) => return Ok(client),
            Err(error) if *error.kind() == ErrorKind::InvalidInput => return Err(error.into()),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| Failure::usage("no broker is named: write HOST:PORT"), Failure::from))
}

/// Something counted: "1 record", "2 records".
pub(crate) fn count(number: impl Into<i128>, what: &str) -> String {
    match number.into() {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

/// Asks before something is destroyed.
pub(crate) async fn confirm(what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("would {what}: give --yes to do it")));
    }
    eprint!("{what}? [y/N] ");
    std::io::stderr().flush().map_err(|error| Failure::other(error.to_string()))?;
    // On a thread of its own, so that Ctrl-C is heard.
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = read.await.map_err(|error| Failure::other(error.to_string()))?.map_err(|error| Failure::other(error.to_string()))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Failure::other("nothing done")) }
}

/// `println!` panics when nobody reads any more (`… | head`): that is the end of the command and no fault of it.
pub(crate) fn end_quietly_without_a_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>().map(String::as_str).unwrap_or_default();
        if let Some(reason) = message.strip_prefix("failed printing to stdout: ") {
            if !reason.contains("Broken pipe") {
                eprintln!("millstream: cannot write the output: {reason}");
                std::process::exit(1);
            }
            std::process::exit(0);
        }
        usual(panic);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            (count(1, "record"), count(0u32, "record"), count(-2, "offset")),
            ("1 record".into(), "0 records".into(), "-2 offsets".into())
        );
    }
}
