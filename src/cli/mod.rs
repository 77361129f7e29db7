//! The command line, one file a noun. Data goes to stdout, everything else to stderr.

pub(crate) mod bench;
pub(crate) mod consume;
pub(crate) mod group;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod output;
pub(crate) mod produce;
pub(crate) mod query;
pub(crate) mod quickstart;
pub(crate) mod sql;
pub(crate) mod topic;

use std::fmt;
use std::future::Future;
use std::process::ExitCode;

use clap::Args;
use millstream_client::{Client, Error, ErrorCode, ErrorKind};
use millstream_processor::STACK_BYTES;

/// Why a command failed; the number is the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The command was given wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure { code: 2, message: message.into() }
    }

    /// What it names is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Failure { code: 3, message: message.into() }
    }

    /// What it makes is there already, or what it takes away is in use.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Failure { code: 4, message: message.into() }
    }

    /// It did not happen in time.
    pub(crate) fn timed_out(message: impl Into<String>) -> Self {
        Failure { code: 6, message: message.into() }
    }

    /// Anything else.
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Failure { code: 1, message: message.into() }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error.kind() {
            ErrorKind::Refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID) => {
                Failure::not_found(format!("{message}; 'millstream topic list' shows what there is"))
            }
            ErrorKind::Refused(ErrorCode::GROUP_ID_NOT_FOUND) => {
                Failure::not_found(format!("{message}; 'millstream group list' shows what there is"))
            }
            ErrorKind::Refused(ErrorCode::TOPIC_ALREADY_EXISTS | ErrorCode::NON_EMPTY_GROUP) => Failure::conflict(message),
            ErrorKind::Disconnected => Failure::other(format!("{message}; is 'millstream serve' running there?")),
            ErrorKind::TimedOut => Failure::timed_out(message),
            ErrorKind::InvalidInput => Failure::usage(message),
            _ => Failure::other(message),
        }
    }
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

/// Which broker to talk to.
#[derive(Debug, Clone, Args)]
pub(crate) struct Bootstrap {
    /// The broker.
    #[arg(long, short = 'b', env = "MILLSTREAM_BOOTSTRAP_SERVERS", default_value = "127.0.0.1:9092", value_name = "HOST:PORT")]
    pub bootstrap_servers: String,
}

impl Bootstrap {
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        Ok(Client::connect(&self.bootstrap_servers).await?)
    }
}

/// Runs a command to its end, or until Ctrl-C.
pub(crate) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_stack_size(STACK_BYTES).enable_all().build();
    let runtime = threads.map_err(|error| Failure::other(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = command => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    });
    runtime.shutdown_background();
    result
}
