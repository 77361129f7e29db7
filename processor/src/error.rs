//! Why a statement or a query cannot go on.

use thiserror::Error;

/// A failure of a statement or a query.
#[derive(Debug, Error)]
pub enum QueryError {
    /// The text is no statement.
    #[error("cannot parse: {0}")]
    Parse(String),
    /// The statement means something that is not allowed or not there.
    #[error("{0}")]
    Analysis(String),
    /// Running it failed.
    #[error("batch {batch}: {error}")]
    Execution {
        /// The micro-batch.
        batch: i64,
        /// What the engine says.
        error: String,
    },
    /// The checkpoint is damaged, or belongs to another query.
    #[error("checkpoint {path}: {reason}")]
    Checkpoint {
        /// The file or folder.
        path: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// The broker refused or is away.
    #[error(transparent)]
    Client(#[from] millstream_client::Error),
    /// Records were deleted before they were read.
    #[error("{0}; start the query with 'failOnDataLoss' 'false' to go on with what is left")]
    DataLoss(String),
    /// A mistake of this program; what it had begun is thrown away.
    #[error("the query panicked: {0}")]
    Panic(String),
    /// The engine refused the plan.
    #[error("{0}")]
    Plan(#[from] datafusion::error::DataFusionError),
}

impl From<arrow::error::ArrowError> for QueryError {
    fn from(error: arrow::error::ArrowError) -> Self {
        QueryError::Plan(error.into())
    }
}

impl QueryError {
    pub(crate) fn analysis(sentence: impl Into<String>) -> Self {
        QueryError::Analysis(sentence.into())
    }

    pub(crate) fn checkpoint(path: &std::path::Path, reason: impl std::fmt::Display) -> Self {
        QueryError::Checkpoint { path: path.display().to_string(), reason: reason.to_string() }
    }
}
