//! Share groups (KIP-932): members take records of one partition side by side, each record by a lock that ends, and acknowledge
//! them one by one. So far this has what a group knows of one partition.

#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "no coordinator owns windows yet"))]
pub(crate) mod window;
