//! A SELECT of a stream: a query that runs for as long as somebody watches it, and is forgotten then.

use tokio::sync::mpsc;

use super::start::Parts;
use super::{Outcome, Session};
use crate::checkpoint::Checkpoint;
use crate::checkpoint::file::Files;
use crate::error::QueryError;
use crate::output_mode::OutputMode;
use crate::plan;
use crate::query::QueryStatus;
use crate::sink::Sink;
use crate::sink::rows::RowsSink;
use crate::source::TopicSource;
use crate::sql::rewrite::rewrite;
use crate::trigger::Trigger;

/// Batches that wait for the watcher of a streaming SELECT.
const ROWS_UNDER_WAY: usize = 4;

impl Session {
    pub(super) async fn select(&self, sql: &str) -> Result<Outcome, QueryError> {
        let rewritten = rewrite(sql)?;
        if rewritten.streams.is_empty() {
            return Ok(Outcome::Rows(self.select_present(&rewritten.sql).await?));
        }
        let mode = if rewritten.streams.iter().any(|read| read.watermark.is_some()) { OutputMode::Append } else { OutputMode::Update };
        let plan = plan::streaming(sql, &self.lookup(), mode).await?;
        let source = TopicSource::open(&self.client, plan.table.clone(), plan.used.clone()).await?;
        let checkpoint = Checkpoint::open(&self.scratch.folder(), false)?;
        let dir = checkpoint.dir.clone();
        let (sender, receiver) = mpsc::channel(ROWS_UNDER_WAY);
        let sink = Sink::Rows(RowsSink { sender });
        let parts = Parts { plan, source, sink, checkpoint, trigger: Trigger::Default, topic: None };
        let query = parts.run("select".to_owned(), sql);
        {
            let mut selects = self.selects.lock();
            selects.retain(|select| select.status() == QueryStatus::Running);
            selects.push(query.clone());
        }
        let ended = query.clone();
        tokio::spawn(async move {
            ended.ended().await;
            if let Err(error) = (Files { is_synced: false }).remove_dir(&dir) {
                tracing::warn!("{error}");
            }
        });
        Ok(Outcome::Stream(query, receiver))
    }
}
