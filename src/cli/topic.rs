//! `millstream topic`.

use clap::Subcommand;
use millstream_client::{Client, TopicDescription, TopicListing};
use serde_json::json;

use super::http::ServerUrl;
use super::output::{self, Format};
use super::{Bootstrap, confirm, count};
use crate::failure::Failure;

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
        #[command(flatten)]
        server: ServerUrl,
    },
}

pub(crate) async fn run(command: TopicCommand) -> Result<(), Failure> {
    match command {
        TopicCommand::Create { name, partitions, config, bootstrap } => {
            let configs = assignments(&config)?;
            let with_value = |(name, value): &(_, Option<_>)| {
                value.map(|value| (*name, value)).ok_or_else(|| Failure::usage(format!("--config {name}: write name=value")))
            };
            let configs: Vec<(&str, &str)> = configs.iter().map(with_value).collect::<Result<_, _>>()?;
            bootstrap.connect().await?.admin().create_topic(&name, partitions.unwrap_or(-1), &configs).await?;
            println!("topic {name} created");
        }
        TopicCommand::List { bootstrap, output } => {
            let topics = bootstrap.connect().await?.admin().list_topics().await?;
            match output {
                Format::Json => output::json(&json!({ "topics": topics }))?,
                Format::Table => list(&topics),
            }
        }
        TopicCommand::Describe { name, bootstrap, output } => {
            let found = bootstrap.connect().await?.admin().describe_topic(&name).await?;
            match output {
                Format::Json => output::json(&json!(found))?,
                Format::Table => describe(&found),
            }
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
        TopicCommand::Delete { name, yes, dry_run, bootstrap, server } => {
            delete(&name, yes, dry_run, &bootstrap.connect().await?, &server).await?
        }
    }
    Ok(())
}

fn list(topics: &[TopicListing]) {
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let row = |listing: &TopicListing| {
        let TopicListing { topic, records, bytes } = listing;
        vec![topic.name.clone(), topic.partitions.to_string(), number(*records), number(*bytes), topic.id.to_string()]
    };
    output::table(&["NAME", "PARTITIONS", "RECORDS", "BYTES", "ID"], &topics.iter().map(row).collect::<Vec<_>>());
}

fn describe(found: &TopicDescription) {
    println!("{}  id {}\n", found.topic.name, found.topic.id);
    let row = |(index, (start, end)): (usize, &(i64, i64))| {
        vec![index.to_string(), start.to_string(), end.to_string(), (end - start).to_string()]
    };
    output::table(&["PARTITION", "START", "END", "RECORDS"], &found.offsets.iter().enumerate().map(row).collect::<Vec<_>>());
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

async fn delete(name: &str, yes: bool, dry_run: bool, client: &Client, server: &ServerUrl) -> Result<(), Failure> {
    let found = client.admin().describe_topic(name).await?;
    if found.topic.is_internal {
        return Err(Failure::conflict(format!("topic {name} is the broker's own: its coordinators need it")));
    }
    let records: i64 = found.offsets.iter().map(|(start, end)| end - start).sum();
    let sizes = format!("{} and {}", count(found.offsets.len() as i64, "partition"), count(records, "record"));
    let what = format!("delete topic {name} with {sizes}");
    for (query, verb) in queries_of(name, client, server).await? {
        eprintln!("query {query} {verb} it, and fails without it");
    }
    if dry_run {
        println!("would {what}");
        return Ok(());
    }
    confirm(&what, yes).await?;
    client.admin().delete_topic(name).await?;
    println!("topic {name} deleted");
    Ok(())
}

/// The running queries that read or write a topic, if the server is the broker's: another broker has none, and another server's are not
/// concerned.
async fn queries_of(topic: &str, client: &Client, server: &ServerUrl) -> Result<Vec<(String, &'static str)>, Failure> {
    let Ok(cluster) = server.ask("GET", "/api/v1/cluster", None).await else { return Ok(Vec::new()) };
    if cluster["cluster_id"].as_str() != client.admin().cluster_id().await?.as_deref() {
        return Ok(Vec::new());
    }
    let answer = server.ask("GET", "/api/v1/queries", None).await?;
    let running = answer["queries"].as_array().into_iter().flatten().filter(|query| query["status"] == "running");
    let concerned = running.filter_map(|query| {
        let verb = ["reads", "topic"].into_iter().zip(["reads", "writes"]).find(|(field, _)| query[*field] == topic)?.1;
        Some((query["name"].as_str()?.to_owned(), verb))
    });
    Ok(concerned.collect())
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
