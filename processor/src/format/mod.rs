//! Record bytes ↔ rows.

pub(crate) mod json;
pub(crate) mod rows;
