//! Starting a query: its plan, its source, its checkpoint and its sink are opened, and then it runs as a task. What a start that fails
//! has made is taken back.

use millstream_client::ErrorCode;
use tokio::sync::watch;

use super::Session;
use crate::checkpoint::Checkpoint;
use crate::error::QueryError;
use crate::micro_batch::Execution;
use crate::output_mode::OutputMode;
use crate::plan::{self, StreamingPlan};
use crate::query::{Ending, Query, QueryStatus, Shared};
use crate::sink::Sink;
use crate::sink::topic::{Delivery, TopicSink};
use crate::source::TopicSource;
use crate::sql::statement::Options;
use crate::trigger::Trigger;

/// The options of a streaming table.
struct TableOptions {
    /// Where its results go.
    topic: String,
    mode: OutputMode,
    trigger: Trigger,
    delivery: Delivery,
    is_checkpoint_synced: bool,
}

impl TableOptions {
    fn read(name: &str, options: &Options) -> Result<Self, QueryError> {
        const KNOWN: &[&str] = &["topic", "outputmode", "trigger", "checkpoint.sync", "acks"];
        if let Some(unknown) = options.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(QueryError::analysis(format!("option {unknown} is not known; there are {}", KNOWN.join(", "))));
        }
        let option = |name: &str| options.get(name).map(String::as_str);
        Ok(TableOptions {
            topic: option("topic").unwrap_or(name).to_owned(),
            mode: option("outputmode").map_or(Ok(OutputMode::Append), OutputMode::parse)?,
            trigger: option("trigger").map_or(Ok(Trigger::Default), Trigger::parse)?,
            delivery: match option("acks") {
                None | Some("all") => Delivery::Transactions,
                Some("1") => Delivery::Headers,
                Some(other) => return Err(QueryError::analysis(format!("acks is all or 1, not {other}"))),
            },
            is_checkpoint_synced: match option("checkpoint.sync") {
                None | Some("true") => true,
                Some("false") => false,
                Some(other) => return Err(QueryError::analysis(format!("checkpoint.sync is true or false, not {other}"))),
            },
        })
    }
}

/// A query that was started.
pub(super) struct Started {
    pub(super) query: Query,
    /// The topic that was created for it.
    pub(super) new_topic: Option<String>,
}

impl Session {
    /// Starts the query of a streaming table.
    pub(super) async fn start(&self, name: &str, options: &Options, select: &str) -> Result<Started, QueryError> {
        let options = TableOptions::read(name, options)?;
        let plan = plan::streaming(select, &self.lookup(), options.mode).await?;
        let topic = options.topic;
        if plan.table.topic == topic {
            return Err(QueryError::analysis(format!("the query would read what it writes: topic {topic}")));
        }
        let source = TopicSource::open(&self.client, plan.table.clone(), plan.used.clone()).await?;
        let dir = self.checkpoint_dir(name).unwrap_or_else(|| self.scratch.folder());
        let checkpoint = Checkpoint::open(&dir, options.is_checkpoint_synced)?;
        // The last step that others can see.
        let new_topic = self.create_if_missing(&topic).await?.then(|| topic.clone());
        let sink = match TopicSink::open(&self.client, &topic, (name, checkpoint.id), options.delivery).await {
            Ok(sink) => Sink::Topic(Box::new(sink)),
            Err(error) => {
                self.take_back(new_topic).await;
                return Err(error);
            }
        };
        let query = Parts { plan, source, sink, checkpoint, trigger: options.trigger, topic: Some(topic) }.run(name.to_owned(), select);
        self.catalog.lock().queries.insert(name.to_owned(), query.clone());
        Ok(Started { query, new_topic })
    }

    /// Says whether the topic was missing.
    async fn create_if_missing(&self, topic: &str) -> Result<bool, QueryError> {
        match self.client.topic(topic).await {
            Ok(_) => return Ok(false),
            Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {}
            Err(error) => return Err(error.into()),
        }
        match self.client.admin().create_topic(topic, -1, &[]).await {
            // By another query at the same moment.
            Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => Ok(false),
            created => Ok(created.map(|()| true)?),
        }
    }

    /// Deletes the topic that was created for a query that did not start; not when somebody has written to it meanwhile.
    pub(super) async fn take_back(&self, new_topic: Option<String>) {
        let Some(topic) = new_topic else { return };
        let admin = self.client.admin();
        let taken_back = match admin.describe_topic(&topic).await {
            Ok(found) if found.offsets.iter().any(|(_, end)| *end > 0) => {
                tracing::warn!("topic {topic} was created for a query that did not start, and stays: there are records in it");
                Ok(())
            }
            Ok(_) => admin.delete_topic(&topic).await,
            Err(error) => Err(error),
        };
        if let Err(error) = taken_back {
            tracing::warn!("topic {topic} was created for a query that did not start, and stays: {error}");
        }
    }
}

/// What a query is made of.
pub(super) struct Parts {
    pub(super) plan: StreamingPlan,
    pub(super) source: TopicSource,
    pub(super) sink: Sink,
    pub(super) checkpoint: Checkpoint,
    pub(super) trigger: Trigger,
    /// The topic that it writes, if it writes one.
    pub(super) topic: Option<String>,
}

impl Parts {
    /// Runs it, as a task.
    pub(super) fn run(self, name: String, select: &str) -> Query {
        let Parts { plan, source, sink, checkpoint, trigger, topic } = self;
        let shared = Shared::new(name, checkpoint.id);
        let (stop, stopped) = watch::channel(false);
        let text = select.to_owned();
        let (table, reads) = (Some(plan.table.name.clone()), Some(plan.table.topic.clone()));
        let query = Query { shared: shared.clone(), sql: text.clone(), table, reads, topic, stop };
        let execution = Execution { plan, source, sink, checkpoint, trigger, text, shared: shared.clone() };
        tokio::spawn(async move {
            let _ending = Ending(shared.clone());
            let status = match execution.run(stopped).await {
                Ok(()) => QueryStatus::Stopped,
                Err(error) => {
                    tracing::error!(query = shared.name, "failed: {error}");
                    QueryStatus::Failed(error.to_string())
                }
            };
            shared.end(status);
        });
        query
    }
}
