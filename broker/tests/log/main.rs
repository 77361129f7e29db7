//! Logs over their lives: compaction, retention, DeleteRecords, damage and share groups, on a simulated disk with a clock that is moved.

mod compaction;
mod damage;
mod retention;
mod share;
mod start;
mod world;
