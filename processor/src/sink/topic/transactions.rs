//! A batch is one transaction, which also commits how far the query has read, as offsets of a group named after the query, with
//! the batch's number as their note. A batch that runs again finds its number there, or a transaction that was not committed,
//! of which readers of committed records see nothing. The transactional id is the query's as well: of two that run the same
//! checkpoint the older is fenced.
//!
//! The group shows every tool of Kafka's how far the query is behind.

use std::time::Duration;

use millstream_client::{Client, GroupMetadata, OffsetAndMetadata, TopicPartition, TransactionalProducer};
use uuid::Uuid;

use super::{KeyValue, Output, batch_prefix, new_record, partition};
use crate::error::QueryError;

/// What the note of an offset begins with; the batch's number follows.
const NOTE: &str = "batch ";
/// How long the writing of a batch may take; after a crash that nobody comes back from, readers wait for as long.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct Transactions {
    client: Client,
    topic: String,
    partitions: usize,
    /// The group's id, and the transactional one.
    id: String,
    producer: TransactionalProducer,
}

impl Transactions {
    pub(super) async fn open(client: &Client, topic: &str, (name, query): (&str, Uuid)) -> Result<Self, QueryError> {
        let id = format!("query-{name}-{query}");
        // What an earlier run left open is aborted here, before anybody looks for what it wrote.
        let producer = client.producer().transaction_timeout(TRANSACTION_TIMEOUT).transactional(&id).await?;
        let partitions = client.topic(topic).await?.partitions as usize;
        Ok(Transactions { client: client.clone(), topic: topic.to_owned(), partitions, id, producer })
    }

    /// Writes down that nothing was written: whether a batch was is never in doubt from then on.
    pub(super) async fn begin(&mut self, source: &str, positions: &[i64]) -> Result<(), QueryError> {
        if self.written(source, positions.len()).await?.is_none() {
            let transaction = self.producer.begin().await?;
            transaction.send_offsets_to_transaction(&group(&self.id), &offsets(source, positions, -1)).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// The last batch that was written; `None` if that is not known any more.
    async fn written(&self, source: &str, partitions: usize) -> Result<Option<i64>, QueryError> {
        let partitions: Vec<(String, i32)> = (0..partitions as i32).map(|partition| (source.to_owned(), partition)).collect();
        let committed = self.client.admin().committed(&self.id, Some(&partitions)).await?;
        let batches = committed.values().filter_map(|committed| committed.metadata.strip_prefix(NOTE)?.parse::<i64>().ok());
        // A partition that has come since has none yet.
        Ok(batches.max())
    }

    pub(super) async fn write(&mut self, output: &Output<'_>, records: Vec<KeyValue>) -> Result<(), QueryError> {
        if output.is_replayed {
            match self.written(output.source, output.end.len()).await? {
                Some(written) if written >= output.batch => return Ok(()),
                Some(_) => {}
                // Nothing says what became of a batch without rows, and nothing has to.
                None if records.is_empty() => {}
                None => return Err(self.is_unknown(output)),
            }
        }
        let offsets = offsets(output.source, output.end, output.batch);
        let total = records.len();
        let prefix = batch_prefix(output.query, output.batch);
        let transaction = self.producer.begin().await?;
        for (row, record) in records.into_iter().enumerate() {
            let partition = partition(output.batch, row, total, self.partitions, record.0.as_deref());
            // The commit waits for all of them, and fails with the first that does.
            drop(transaction.send(new_record(&self.topic, partition, &prefix, row, record)).await?);
        }
        // Also of a batch without rows: an older run of the query, which is fenced, must not move what is noted back.
        transaction.send_offsets_to_transaction(&group(&self.id), &offsets).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Ends the transaction that a batch left open: the next one begins with that, and is given up as well. One whose commit was under
    /// way is committed, and recognised when the batch runs again.
    pub(super) async fn abandon(&mut self) {
        let abandoned = match self.producer.begin().await {
            Ok(transaction) => transaction.abort().await,
            Err(error) => Err(error),
        };
        if let Err(error) = abandoned {
            tracing::warn!("the transaction of {} could not be ended: {error}", self.id);
        }
    }

    fn is_unknown(&self, output: &Output<'_>) -> QueryError {
        let (batch, before) = (output.batch, output.batch - 1);
        QueryError::analysis(format!(
            "whether batch {batch} was written to topic {} before is not known any more: group {} has no offsets with a note (the broker \
             forgets them after offsets.retention.minutes). Look at the end of the topic; then commit an offset of {}-0 for the group with \
             the metadata \"{NOTE}{batch}\" if its records are there, or \"{NOTE}{before}\" if they are not, and start the query again",
            self.topic, self.id, output.source
        ))
    }
}

fn group(id: &str) -> GroupMetadata {
    GroupMetadata::without_members(id)
}

fn offsets(source: &str, positions: &[i64], batch: i64) -> Vec<(TopicPartition, OffsetAndMetadata)> {
    let offset = |(partition, &offset): (i32, &i64)| {
        (TopicPartition::new(source, partition), OffsetAndMetadata { offset, metadata: format!("{NOTE}{batch}") })
    };
    (0..).zip(positions).map(offset).collect()
}
