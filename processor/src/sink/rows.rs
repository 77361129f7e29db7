//! The sink for a watcher: a terminal, an HTTP response, a test. Bounded: a slow reader slows the query.

use tokio::sync::mpsc;

use super::Output;
use crate::error::QueryError;
use crate::query::Rows;

#[derive(Debug)]
pub(crate) struct RowsSink {
    pub sender: mpsc::Sender<Rows>,
}

impl RowsSink {
    pub(crate) async fn write(&mut self, output: &Output<'_>) -> Result<usize, QueryError> {
        let count = output.rows.iter().map(|batch| batch.num_rows()).sum();
        let rows = Rows { batch_id: output.batch, batches: output.rows.to_vec() };
        // Nobody reads any more: the query is about to be stopped.
        let _ = self.sender.send(rows).await;
        Ok(count)
    }
}
