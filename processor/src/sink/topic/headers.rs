//! A batch that runs again is recognised by its records.
//!
//! Its header has the query's id, the batch's and the row's number. Before a batch is first run, the ends
//! of the topic's partitions stand in the offset log; when it runs again, the sink reads from there on and leaves out the
//! rows that it finds. It takes the sink to be the only writer of records with this header.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use millstream_client::{Acks, Client, Delivery, Producer, TopicReader};
use uuid::Uuid;

use super::{BATCH_HEADER, KeyValue, Output, batch_prefix, new_record, partition};
use crate::error::QueryError;
use crate::limit;

#[derive(Debug)]
pub(super) struct Headers {
    client: Client,
    topic: String,
    producer: Producer,
    /// The ends of the partitions, as far as this sink has written.
    ends: Vec<i64>,
}

impl Headers {
    pub(super) async fn open(client: &Client, topic: &str) -> Result<Self, QueryError> {
        let ends = TopicReader::open(client, topic).await?.ends().await?;
        // Idempotence needs acks=all; a batch that was cut off is recognised all the same.
        let producer = client.producer().acks(Acks::Leader).idempotent(false).build();
        Ok(Headers { client: client.clone(), topic: topic.to_owned(), producer, ends })
    }

    pub(super) fn mark(&self) -> String {
        crate::checkpoint::logs::offsets_json(&self.topic, &self.ends).to_string()
    }

    pub(super) async fn write(&mut self, output: &Output<'_>, records: Vec<KeyValue>) -> Result<(), QueryError> {
        let partitions = match output.replayed_from {
            None => self.ends.len(),
            // The topic may have grown since: rows go where they went.
            Some(mark) => parse_mark(&self.topic, mark).map_or(self.ends.len(), |ends| ends.len()),
        };
        let written = match output.replayed_from {
            None => HashSet::new(),
            Some(mark) => self.written(mark, output.query, output.batch).await?,
        };
        let prefix = batch_prefix(output.query, output.batch);
        let total = records.len();
        let mut under_way: VecDeque<Delivery> = VecDeque::new();
        for (row, record) in records.into_iter().enumerate() {
            let partition = partition(output.batch, row, total, partitions, record.0.as_deref());
            if written.contains(&row) {
                continue;
            }
            let record = new_record(&self.topic, partition, &prefix, row, record);
            under_way.push_back(self.producer.send(record).await?);
            if under_way.len() >= limit::DELIVERIES_UNDER_WAY_MAX
                && let Some(first) = under_way.pop_front()
            {
                self.settle(first).await?;
            }
        }
        for delivery in under_way {
            self.settle(delivery).await?;
        }
        Ok(())
    }

    async fn settle(&mut self, delivery: Delivery) -> Result<(), QueryError> {
        let delivered = delivery.delivered().await?;
        if let Some(end) = self.ends.get_mut(delivered.partition as usize) {
            *end = (*end).max(delivered.offset + 1);
        }
        Ok(())
    }

    /// The rows of a batch that the topic has, from the mark on.
    async fn written(&self, mark: &str, query: Uuid, batch: i64) -> Result<HashSet<usize>, QueryError> {
        let from = parse_mark(&self.topic, mark)
            .ok_or_else(|| QueryError::analysis(format!("the offset log does not say where topic {} ended", self.topic)))?;
        let prefix = batch_prefix(query, batch);
        let mut reader = TopicReader::open(&self.client, &self.topic).await?;
        let (starts, ends) = (reader.starts().await?, reader.ends().await?);
        // After a power cut a topic that was not synced may end before the mark.
        let clamped = from.iter().zip(starts.iter().zip(&ends)).map(|(from, (start, end))| *from.max(start).min(end));
        let mut positions: Vec<i64> = clamped.collect();
        let mut rows = HashSet::new();
        while positions.iter().zip(&ends).any(|(position, end)| position < end) {
            let before = positions.clone();
            for part in reader.fetch(&positions, Duration::from_secs(5), 8 * 1024 * 1024).await? {
                let place = part.partition as usize;
                for record in part.records(before[place])? {
                    let value = record.headers.iter().find(|header| header.key == BATCH_HEADER).and_then(|header| header.value.as_deref());
                    let row = value.and_then(|value| std::str::from_utf8(value).ok()?.strip_prefix(&prefix)?.parse::<usize>().ok());
                    rows.extend(row);
                }
                positions[place] = part.next_offset;
            }
            if positions == before {
                return Err(QueryError::analysis(format!(
                    "topic {} cannot be read to its end, so batch {batch} cannot be recognised",
                    self.topic
                )));
            }
        }
        Ok(rows)
    }
}

fn parse_mark(topic: &str, mark: &str) -> Option<Vec<i64>> {
    let parsed: serde_json::Value = serde_json::from_str(mark).ok()?;
    let partitions = parsed.get(topic)?.as_object()?;
    (0..partitions.len()).map(|index| partitions.get(&index.to_string())?.as_i64()).collect()
}
