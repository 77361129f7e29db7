//! From text to statements. [`lexer`] cuts words, [`statement`] knows Spark's statements around a query, [`data_type`]
//! its column types, [`rewrite`] turns a streaming SELECT into one that DataFusion plans, and says which tables stream. [`bounds`] says how
//! much of it there may be.

pub(crate) mod bounds;
pub(crate) mod data_type;
pub(crate) mod duration;
pub(crate) mod lexer;
pub(crate) mod rewrite;
pub(crate) mod statement;
