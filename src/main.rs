//! The daemon and the command line. This file parses and hands over; each noun has its file in `cli`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod cli;
mod config;
mod embedded;
mod failure;
mod serve;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// A frame of a megabyte that comes and goes must not cost clearing a megabyte each time: this one keeps such memory at hand, and gives
/// it back to the system when it is idle.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A Kafka-compatible broker and a stream processor in one binary.
#[derive(Debug, Parser)]
#[command(name = "millstream", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::ServeArguments),
    /// Run a server on a temporary directory with a live example: publisher, streaming query, results.
    Quickstart(cli::quickstart::QuickstartArguments),
    /// Create, list, describe, alter and delete topics.
    #[command(subcommand)]
    Topic(cli::topic::TopicCommand),
    /// List, describe and delete groups, and move their offsets.
    #[command(subcommand)]
    Group(cli::group::GroupCommand),
    /// Send lines from a file or standard input to a topic.
    Produce(cli::produce::ProduceArguments),
    /// Print the records of a topic.
    Consume(cli::consume::ConsumeArguments),
    /// Run SQL statements: of the present, or streaming.
    Sql(cli::sql::SqlArguments),
    /// List, describe and stop streaming queries.
    #[command(subcommand)]
    Query(cli::query::QueryCommand),
    /// Look at a data directory without a server.
    #[command(subcommand)]
    Log(cli::log::LogCommand),
    /// Measure a running server.
    #[command(subcommand)]
    Bench(cli::bench::BenchCommand),
    /// Print a script that completes commands and options in a shell.
    Completions(cli::completions::CompletionsArguments),
    /// Print the manual page.
    Man,
}

/// A panic is a broken invariant, and what is half changed must not be acknowledged: the process ends, the next start
/// recovers. In a query it ends the query, which goes on from its checkpoint.
fn end_with_a_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        if !millstream_processor::is_contained() {
            std::process::abort();
        }
    }));
}

fn main() -> ExitCode {
    end_with_a_panic();
    let arguments = Arguments::parse();
    cli::end_quietly_without_a_reader();
    let result = match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Quickstart(arguments) => cli::quickstart::run(arguments),
        Command::Topic(command) => cli::block_on(cli::topic::run(command)),
        Command::Group(command) => cli::block_on(cli::group::run(command)),
        Command::Produce(arguments) => cli::run(cli::produce::run(arguments)),
        Command::Consume(arguments) => cli::until_interrupted(cli::consume::run(arguments)),
        Command::Sql(arguments) => cli::run(cli::sql::run(arguments)),
        Command::Query(command) => cli::block_on(cli::query::run(command)),
        Command::Log(command) => cli::log::run(command),
        Command::Bench(command) => cli::block_on(cli::bench::run(command)),
        Command::Completions(arguments) => cli::completions::completions(&arguments, Arguments::command()),
        Command::Man => cli::completions::manual(Arguments::command()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("millstream: {failure}");
            failure.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitStatus};

    use millstream_client::Client;
    use millstream_processor::Session;
    use millstream_protocol::exchange::Answer;
    use millstream_protocol::{ApiKey, Call, Exchange};

    use super::embedded::Embedded;
    use super::end_with_a_panic;

    const ABORTED: i32 = 6;

    struct Panics;

    impl Exchange for Panics {
        fn exchange(&self, _call: Call) -> Answer {
            panic!("out of order");
        }

        fn version(&self, api: ApiKey) -> Option<i16> {
            Some(api.info().max)
        }
    }

    /// With the hook of the program, runs a statement that panics while it asks the other side.
    fn ask(exchange: impl Exchange) -> String {
        end_with_a_panic();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let session = Session::temporary(Client::new(exchange));
        runtime.block_on(session.execute("CREATE TABLE t (a INT); SELECT a FROM t")).unwrap_err().to_string()
    }

    /// Runs itself in processes of their own, which the variable tells apart.
    #[test]
    fn a_panic_ends_the_process_unless_it_is_a_querys() {
        const PLACE: &str = "MILLSTREAM_TEST_PANIC";
        match std::env::var(PLACE).as_deref() {
            Ok("query") => return assert_eq!(ask(Panics), "the query panicked: out of order"),
            Ok(_) => return drop(ask(Embedded(Panics))),
            Err(_) => {}
        }
        let run = |place: &str| -> ExitStatus {
            let test = "tests::a_panic_ends_the_process_unless_it_is_a_querys";
            let program = std::env::current_exe().unwrap();
            Command::new(program).args(["--exact", test]).env(PLACE, place).output().unwrap().status
        };
        assert!(run("query").success());
        assert_eq!(run("broker").signal(), Some(ABORTED));
    }
}
