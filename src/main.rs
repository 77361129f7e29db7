//! The daemon and the command line. This file parses and hands over; each noun has its file in `cli`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod cli;
mod config;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
}

/// A panic is a broken invariant, and what is half changed must not be acknowledged: the process ends, the next start
/// recovers.
fn end_with_a_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        std::process::abort();
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
        Command::Produce(arguments) => cli::block_on(cli::produce::run(arguments)),
        Command::Consume(arguments) => cli::block_on(cli::consume::run(arguments)),
        Command::Sql(arguments) => cli::block_on(cli::sql::run(arguments)),
        Command::Query(command) => cli::block_on(cli::query::run(command)),
        Command::Log(command) => cli::log::run(command),
        Command::Bench(command) => cli::block_on(cli::bench::run(command)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("millstream: {failure}");
            failure.exit_code()
        }
    }
}
