//! `millstream topic`.

use std::io::{IsTerminal, Write};

use clap::Subcommand;
use millstream_client::TopicInfo;
use serde_json::{Value, json};

use super::output::{self, Format};
use super::{Bootstrap, Failure};

#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Create a topic.
    Create {
        name: String,
        /// How many partitions; the broker's default otherwise.
        #[arg(long, short = 'p')]
        partitions: Option<i32>,
        /// A property by Kafka's name; may be given several times.
        #[arg(long, short = 'c', value_name = "NAME=VALUE")]
        config: Vec<String>,
        #[command(flatten)]
        bootstrap: Bootstrap,
    },
    /// All topics.
    List {
        #[command(flatten)]
        bootstrap: Bootstrap,
        #[arg(long, short = 'o', default_value = "table")]
        output: Format,
    },
    /// A topic's partitions, offsets and properties.
    Describe {
        name: String,
        #[command(flatten)]
        bootstrap: Bootstrap,
        #[arg(long, short = 'o', default_value = "table")]
        output: Format,
    },
    /// Set properties, or raise the number of partitions.
    Alter {
        name: String,
        /// A property to set; without a value it goes back to its default.
        #[arg(long, short = 'c', value_name = "NAME[=VALUE]")]
        config: Vec<String>,
        #[arg(long, short = 'p')]
        partitions: Option<i32>,
        #[command(flatten)]
        bootstrap: Bootstrap,
    },
    /// Delete a topic with all its records.
    Delete {
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Say what would be deleted, and delete nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        bootstrap: Bootstrap,
    },
}

/// Asks before something is destroyed.
pub(crate) fn confirm(what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("would {what}: give --yes to do it")));
    }
    eprint!("{what}? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| Failure::other(error.to_string()))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Failure::other("nothing done")) }
}

pub(crate) async fn run(command: TopicCommand) -> Result<(), Failure> {
    match command {
        TopicCommand::Create { name, partitions, config, bootstrap } => {
            let configs = assignments(&config)?;
            let configs: Vec<(&str, &str)> = configs
                .iter()
                .map(|(name, value)| {
                    value.map(|value| (*name, value)).ok_or_else(|| Failure::usage(format!("--config {name}: write name=value")))
                })
                .collect::<Result<_, _>>()?;
            bootstrap.connect().await?.admin().create_topic(&name, partitions.unwrap_or(-1), &configs).await?;
            println!("topic {name} created");
        }
        TopicCommand::List { bootstrap, output } => {
            let topics = bootstrap.connect().await?.admin().topics().await?;
            if output == Format::Json {
                let shown = |topic: &TopicInfo| {
                    let TopicInfo { name, id, partitions, is_internal } = topic;
                    json!({"name": name, "id": id.to_string(), "partitions": partitions, "is_internal": is_internal})
                };
                let topics: Vec<Value> = topics.iter().map(shown).collect();
                return output::json(&json!({ "topics": topics }));
            }
            let rows: Vec<Vec<String>> = topics.iter().map(|t| vec![t.name.clone(), t.partitions.to_string(), t.id.to_string()]).collect();
            output::table(&["NAME", "PARTITIONS", "ID"], &rows);
        }
        TopicCommand::Describe { name, bootstrap, output } => {
            let found = bootstrap.connect().await?.admin().describe_topic(&name).await?;
            if output == Format::Json {
                let partitions: Vec<Value> = found
                    .offsets
                    .iter()
                    .enumerate()
                    .map(|(index, (start, end))| json!({"partition": index, "start_offset": start, "end_offset": end}))
                    .collect();
                let configs: serde_json::Map<String, Value> =
                    found.configs.iter().map(|config| (config.name.to_string(), config.value.as_deref().into())).collect();
                let topic = found.topic;
                return output::json(
                    &json!({"name": topic.name, "id": topic.id.to_string(), "partitions": partitions, "configs": configs}),
                );
            }
            println!("{}  id {}\n", found.topic.name, found.topic.id);
            let rows: Vec<Vec<String>> = found
                .offsets
                .iter()
                .enumerate()
                .map(|(index, (start, end))| vec![index.to_string(), start.to_string(), end.to_string(), (end - start).to_string()])
                .collect();
            output::table(&["PARTITION", "START", "END", "OFFSETS"], &rows);
            println!();
            let source = |source: i8| match source {
                1 => "topic",
                4 => "broker",
                _ => "default",
            };
            let rows: Vec<Vec<String>> = found
                .configs
                .iter()
                .map(|c| vec![c.name.to_string(), c.value.as_deref().unwrap_or_default().to_owned(), source(c.config_source).to_owned()])
                .collect();
            output::table(&["PROPERTY", "VALUE", "FROM"], &rows);
        }
        TopicCommand::Alter { name, config, partitions, bootstrap } => {
            if config.is_empty() && partitions.is_none() {
                return Err(Failure::usage("nothing to alter: give --config or --partitions"));
            }
            let admin = bootstrap.connect().await?.admin();
            if !config.is_empty() {
                admin.alter_topic(&name, &assignments(&config)?).await?;
            }
            if let Some(partitions) = partitions {
                admin.set_partitions(&name, partitions).await?;
            }
            println!("topic {name} altered");
        }
        TopicCommand::Delete { name, yes, dry_run, bootstrap } => {
            let client = bootstrap.connect().await?;
            let found = client.admin().describe_topic(&name).await?;
            if found.topic.is_internal {
                return Err(Failure::conflict(format!("topic {name} is the broker's own: its coordinators need it")));
            }
            let offsets: i64 = found.offsets.iter().map(|(start, end)| end - start).sum();
            let what = format!("delete topic {name} with {} partitions and {offsets} offsets", found.offsets.len());
            if dry_run {
                println!("would {what}");
                return Ok(());
            }
            confirm(&what, yes)?;
            client.admin().delete_topic(&name).await?;
            println!("topic {name} deleted");
        }
    }
    Ok(())
}

fn assignments(texts: &[String]) -> Result<Vec<(&str, Option<&str>)>, Failure> {
    texts
        .iter()
        .map(|text| match text.split_once('=') {
            Some((name, value)) => Ok((name.trim(), Some(value.trim()))),
            None if text.trim().is_empty() => Err(Failure::usage("a property's name is missing")),
            None => Ok((text.trim(), None)),
        })
        .collect()
}
