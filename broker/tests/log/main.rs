//! Logs over their lives: compaction, retention, DeleteRecords and damage, on a simulated disk with a clock that is moved.

mod compaction;
mod damage;
mod retention;
mod start;
mod world;
