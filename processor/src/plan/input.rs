//! A table whose rows are whatever the present batch holds.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::TableSource;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use parking_lot::Mutex;

use crate::error::QueryError;

/// The input of a kept plan. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct BatchInput {
    schema: SchemaRef,
    batches: Arc<Mutex<Vec<RecordBatch>>>,
}

impl BatchInput {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        BatchInput { schema, batches: Arc::default() }
    }

    /// What the next run reads.
    pub(crate) fn set(&self, batches: Vec<RecordBatch>) {
        *self.batches.lock() = batches;
    }

    pub(crate) fn provider(&self) -> Result<Arc<dyn TableProvider>, QueryError> {
        Ok(Arc::new(StreamingTable::try_new(self.schema.clone(), vec![Arc::new(self.clone())])?))
    }

    pub(crate) fn source(&self) -> Result<Arc<dyn TableSource>, QueryError> {
        Ok(provider_as_source(self.provider()?))
    }
}

impl PartitionStream for BatchInput {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = self.batches.lock().clone();
        let stream = futures::stream::iter(batches.into_iter().map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream))
    }
}
