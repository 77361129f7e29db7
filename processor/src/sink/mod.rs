//! Where results go. A sink may be given a batch twice, after a crash; what it makes of that is its guarantee:
//!
//! * [`topic`]: exactly once, a batch that is there already is recognised and not written again
//! * [`rows`]: for a watcher; at least once

pub(crate) mod rows;
pub(crate) mod topic;

use arrow::array::RecordBatch;
use uuid::Uuid;

use crate::error::QueryError;

/// A batch for a sink.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    pub query: Uuid,
    pub batch: i64,
    pub rows: &'a [RecordBatch],
    /// The topic that it was made from, and where it ends in each partition.
    pub source: &'a str,
    pub end: &'a [i64],
    /// Whether it may have been run before.
    pub is_replayed: bool,
    /// What [`Sink::mark`] said before the batch was first run; present when it runs again.
    pub replayed_from: Option<&'a str>,
}

/// The sinks.
#[derive(Debug)]
pub(crate) enum Sink {
    Topic(Box<topic::TopicSink>),
    Rows(rows::RowsSink),
}

impl Sink {
    /// What has to be known to recognise the next batch later; stands in the offset log.
    pub(crate) fn mark(&self) -> Option<String> {
        match self {
            Sink::Topic(sink) => sink.mark(),
            Sink::Rows(_) => None,
        }
    }

    /// The query runs for the first time, from these positions on.
    pub(crate) async fn begin(&mut self, source: &str, positions: &[i64]) -> Result<(), QueryError> {
        match self {
            Sink::Topic(sink) => sink.begin(source, positions).await,
            Sink::Rows(_) => Ok(()),
        }
    }

    pub(crate) async fn write(&mut self, output: &Output<'_>) -> Result<usize, QueryError> {
        match self {
            Sink::Topic(sink) => sink.write(output).await,
            Sink::Rows(sink) => sink.write(output).await,
        }
    }

    /// Aborts what was begun of a batch that is not going to end.
    pub(crate) async fn abandon(&mut self) {
        match self {
            Sink::Topic(sink) => sink.abandon().await,
            Sink::Rows(_) => {}
        }
    }

    pub(crate) fn description(&self) -> String {
        match self {
            Sink::Topic(sink) => sink.description(),
            Sink::Rows(_) => "millstream.rows".into(),
        }
    }
}
