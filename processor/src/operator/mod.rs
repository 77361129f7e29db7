//! Stateful operators, one file each; the stateless ones are DataFusion's own.

pub(crate) mod aggregate;
