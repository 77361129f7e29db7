//! `millstream sql`: statements to a server, or, with `--bootstrap-servers`, run here against any broker.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use http_body_util::BodyExt;
use millstream_processor::{Outcome, QueryError, QueryStatus, RecordBatch, Session, pretty, to_json_lines};
use serde_json::{Value, json};

use super::http::{ServerUrl, document};
use super::output::{self, Format};
use super::{connect, count, interrupt};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct SqlArguments {
    /// The statements, separated by semicolons.
    #[arg(required_unless_present = "file")]
    sql: Option<String>,
    /// Read the statements from a file.
    #[arg(long, short = 'f', conflicts_with = "sql")]
    file: Option<PathBuf>,
    #[command(flatten)]
    server: ServerUrl,
    /// Run the statements in this process, against this broker. Streaming tables run until Ctrl-C.
    #[arg(long, short = 'b', value_name = "HOST:PORT")]
    bootstrap_servers: Option<String>,
    /// Tables or JSON; tables on a terminal, JSON lines otherwise.
    #[arg(long, short = 'o')]
    output: Option<Format>,
}

pub(crate) async fn run(arguments: SqlArguments) -> Result<(), Failure> {
    let script = match (&arguments.sql, &arguments.file) {
        (Some(sql), _) => sql.clone(),
        #[expect(clippy::disallowed_methods, reason = "a script of the user's")]
        (None, Some(path)) => {
            std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?
        }
        (None, None) => return Err(Failure::usage("give statements, or a file with -f")),
    };
    let format = arguments.output.unwrap_or(if std::io::stdout().is_terminal() { Format::Table } else { Format::Json });
    match &arguments.bootstrap_servers {
        Some(address) => here(address, &script, format).await,
        // Hanging up stops what the statement started.
        None => tokio::select! {
            done = there(&arguments.server, &script, format) => done,
            () = interrupt::interrupted() => Ok(()),
        },
    }
}

async fn there(server: &ServerUrl, script: &str, format: Format) -> Result<(), Failure> {
    let response = server.send("POST", "/api/v1/sql", Some(json!({ "sql": script }))).await?;
    let is_stream = response.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-ndjson"));
    if !is_stream {
        return show(&document(response).await?, format);
    }
    let mut body = response.into_body();
    let mut line = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::other(format!("the stream was cut off: {error}")))?;
        for &byte in frame.data_ref().into_iter().flatten() {
            if byte != b'\n' {
                line.push(byte);
                continue;
            }
            let text = String::from_utf8_lossy(&line);
            if let Some(error) = serde_json::from_str::<Value>(&text).ok().and_then(|row| row.get("error")?.as_str().map(str::to_owned)) {
                return Err(Failure::other(error));
            }
            println!("{text}");
            line.clear();
        }
    }
    Ok(())
}

fn show(answer: &Value, format: Format) -> Result<(), Failure> {
    if let Some(message) = answer["message"].as_str() {
        println!("{message}");
        return Ok(());
    }
    let rows = answer["rows"].as_array().cloned().unwrap_or_default();
    if format == Format::Json {
        rows.iter().for_each(|row| println!("{row}"));
        return Ok(());
    }
    let columns: Vec<&str> = answer["columns"].as_array().into_iter().flatten().filter_map(|column| column["name"].as_str()).collect();
    let text = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let cells: Vec<Vec<String>> = rows.iter().map(|row| columns.iter().map(|column| text(&row[*column])).collect()).collect();
    output::table(&columns, &cells);
    eprintln!("{}", count(rows.len() as i64, "row"));
    Ok(())
}

/// Runs statements in this process. Ctrl-C ends what runs, and then the session's checkpoints are removed.
async fn here(address: &str, script: &str, format: Format) -> Result<(), Failure> {
    let session = Session::temporary(connect(address).await?);
    let done = tokio::select! {
        done = in_session(&session, script, format) => done,
        () = interrupt::interrupted() => Ok(()),
    };
    session.close().await;
    done
}

async fn in_session(session: &Session, script: &str, format: Format) -> Result<(), Failure> {
    // On a thread of the runtime: its stack has the room that statements need.
    let running = tokio::spawn({
        let (session, script) = (session.clone(), script.to_owned());
        async move { session.execute(&script).await }
    });
    let outcome = running.await.map_err(|error| Failure::other(error.to_string()))?;
    match outcome.map_err(|error| Failure::other(error.to_string()))? {
        Outcome::Done(message) => println!("{message}"),
        Outcome::Rows(batches) => print(&batches, format)?,
        Outcome::Stream(query, mut rows) => {
            while let Some(rows) = rows.recv().await {
                if rows.batches.iter().any(|batch| batch.num_rows() > 0) {
                    print(&rows.batches, format)?;
                }
            }
            if let QueryStatus::Failed(error) = query.ended().await {
                return Err(Failure::other(error));
            }
        }
    }
    for query in session.queries() {
        eprintln!("query {} runs until Ctrl-C", query.name());
        if let QueryStatus::Failed(error) = query.ended().await {
            return Err(Failure::other(error));
        }
    }
    Ok(())
}

fn print(batches: &[RecordBatch], format: Format) -> Result<(), Failure> {
    let failed = |error: QueryError| Failure::other(error.to_string());
    match format {
        Format::Table => println!("{}", pretty(batches).map_err(failed)?),
        Format::Json => {
            for batch in batches {
                to_json_lines(batch).map_err(failed)?.iter().for_each(|line| println!("{line}"));
            }
        }
    }
    Ok(())
}
