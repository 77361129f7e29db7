//! Why a command failed, in a sentence, and the exit code that scripts see.

use std::fmt;
use std::process::ExitCode;

use millstream_client::{Error, ErrorCode, ErrorKind};

/// What shells give for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

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

    /// A topic does not have this partition.
    pub(crate) fn no_partition(topic: &str, partitions: i32, partition: i32) -> Self {
        let has = if partitions == 1 { "1 partition".to_owned() } else { format!("{partitions} partitions") };
        Failure::not_found(format!("topic {topic} has {has}, counted from 0; there is no {partition}"))
    }

    /// What it makes is there already, or what it takes away is in use.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Failure { code: 4, message: message.into() }
    }

    /// It did not happen in time.
    pub(crate) fn timed_out(message: impl Into<String>) -> Self {
        Failure { code: 6, message: message.into() }
    }

    /// Ctrl-C came before it was done.
    pub(crate) fn interrupted() -> Self {
        Failure { code: INTERRUPTED, message: "interrupted".into() }
    }

    /// Whether it was Ctrl-C.
    pub(crate) fn is_interruption(&self) -> bool {
        self.code == INTERRUPTED
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
