//! What of the result a batch hands to the sink.

use crate::error::QueryError;

/// Spark's output modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputMode {
    /// Rows that will never change again.
    Append,
    /// Rows that this batch changed.
    Update,
    /// All rows.
    Complete,
}

impl OutputMode {
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        match text.to_lowercase().as_str() {
            "append" => Ok(OutputMode::Append),
            "update" => Ok(OutputMode::Update),
            "complete" => Ok(OutputMode::Complete),
            other => {
                Err(QueryError::analysis(format!("Unknown output mode {other}. Accepted output modes are 'append', 'complete', 'update'")))
            }
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            OutputMode::Append => "append",
            OutputMode::Update => "update",
            OutputMode::Complete => "complete",
        }
    }
}
