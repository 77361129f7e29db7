//! `millstream query`: the streaming queries of a server.

use clap::Subcommand;
use serde_json::Value;

use super::confirm;
use super::http::{ServerUrl, path_segment};
use super::output::{self, Format};
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum QueryCommand {
    /// All queries and what they last did.
    List {
        #[command(flatten)]
        server: ServerUrl,
        #[arg(long, short = 'o', default_value = "table")]
        output: Format,
    },
    /// One query with its last progress.
    Describe {
        name: String,
        #[command(flatten)]
        server: ServerUrl,
        #[arg(long, short = 'o', default_value = "table")]
        output: Format,
    },
    /// Start a streaming table: the statement CREATE STREAMING TABLE … AS SELECT ….
    Start {
        sql: String,
        #[command(flatten)]
        server: ServerUrl,
    },
    /// Stop a query and drop its streaming table; the topic stays.
    Stop {
        name: String,
        #[command(flatten)]
        server: ServerUrl,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run(command: QueryCommand) -> Result<(), Failure> {
    match command {
        QueryCommand::List { server, output } => {
            let answer = server.ask("GET", "/api/v1/queries", None).await?;
            if output == Format::Json {
                return output::json(&answer);
            }
            let rows: Vec<Vec<String>> = answer["queries"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|query| {
                    let progress = &query["lastProgress"];
                    vec![
                        text(&query["name"]),
                        text(&query["status"]),
                        text(&query["topic"]),
                        text(&progress["batchId"]),
                        text(&progress["numInputRows"]),
                        text(&progress["processedRowsPerSecond"]),
                        text(&progress["eventTime"]["watermark"]),
                    ]
                })
                .collect();
            output::table(&["NAME", "STATUS", "TOPIC", "BATCH", "ROWS", "ROWS/S", "WATERMARK"], &rows);
            Ok(())
        }
        QueryCommand::Describe { name, server, output } => {
            let query = server.ask("GET", &format!("/api/v1/queries/{}", path_segment(&name)), None).await?;
            match output {
                Format::Json => output::json(&query),
                Format::Table => {
                    describe(&query);
                    Ok(())
                }
            }
        }
        QueryCommand::Start { sql, server } => {
            let answer = server.ask("POST", "/api/v1/queries", Some(serde_json::json!({ "sql": sql }))).await?;
            println!("{}", answer["message"].as_str().unwrap_or("started"));
            Ok(())
        }
        QueryCommand::Stop { name, server, yes } => {
            let path = format!("/api/v1/queries/{}", path_segment(&name));
            server.ask("GET", &path, None).await?;
            confirm(&format!("stop query {name} and forget its checkpoint"), yes).await?;
            server.ask("DELETE", &path, None).await?;
            println!("query {name} stopped");
            Ok(())
        }
    }
}

/// A field of a query or of its progress.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn describe(query: &Value) {
    let progress = &query["lastProgress"];
    let state = |field: &str| progress["stateOperators"].as_array().map_or(0, |all| all.iter().filter_map(|one| one[field].as_i64()).sum());
    let rows = [
        ("name", text(&query["name"])),
        ("id", text(&query["id"])),
        ("status", text(&query["status"])),
        ("error", text(&query["error"])),
        ("reads topic", text(&query["reads"])),
        ("writes topic", text(&query["topic"])),
        ("statement", text(&query["sql"])),
        ("last batch", text(&progress["batchId"])),
        ("at", text(&progress["timestamp"])),
        ("rows", text(&progress["numInputRows"])),
        ("rows/s", text(&progress["processedRowsPerSecond"])),
        ("ms", text(&progress["durationMs"]["triggerExecution"])),
        ("watermark", text(&progress["eventTime"]["watermark"])),
        ("keys of state", state("numRowsTotal").to_string()),
        ("late rows", state("numRowsDroppedByWatermark").to_string()),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    output::table(&["PROPERTY", "VALUE"], &rows);
}
