//! Records as text, both ways.
//!
//! * `encoding` is how bytes stand in a line: as they are, in hex, in base64
//! * `template` is a line of one's own for each record
//! * `json` is a record as a document, which `consume` prints and `produce` takes

pub(crate) mod encoding;
pub(crate) mod json;
pub(crate) mod template;
