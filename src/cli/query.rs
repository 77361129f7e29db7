//! `millstream query`: the streaming queries of a server.

use clap::Subcommand;
use serde_json::Value;

use super::Failure;
use super::http::ServerUrl;
use super::output::{self, Format};

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
            let text =
                |value: &Value| value.as_str().map_or_else(|| if value.is_null() { "-".into() } else { value.to_string() }, str::to_owned);
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
        QueryCommand::Describe { name, server } => output::json(&server.ask("GET", &format!("/api/v1/queries/{name}"), None).await?),
        QueryCommand::Start { sql, server } => {
            let answer = server.ask("POST", "/api/v1/sql", Some(serde_json::json!({ "sql": sql }))).await?;
            println!("{}", answer["message"].as_str().unwrap_or("started"));
            Ok(())
        }
        QueryCommand::Stop { name, server, yes } => {
            super::topic::confirm(&format!("stop query {name} and forget its checkpoint"), yes)?;
            server.ask("DELETE", &format!("/api/v1/queries/{name}"), None).await?;
            println!("query {name} stopped");
            Ok(())
        }
    }
}
