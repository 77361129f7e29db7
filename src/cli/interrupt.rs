//! Running a command, and Ctrl-C.
//!
//! A command that shows what comes ends well by Ctrl-C: that is how it is told that it was enough. Any other command was not done then, and
//! says so.

use std::future::Future;

use millstream_processor::STACK_BYTES;

use crate::failure::Failure;

/// Runs a command to its end; Ctrl-C before that is a failure.
pub(crate) fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    run(async {
        tokio::select! {
            result = command => result,
            () = interrupted() => Err(Failure::interrupted()),
        }
    })
}

/// Runs a command that shows what comes, until Ctrl-C.
pub(crate) fn until_interrupted(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    run(async {
        tokio::select! {
            result = command => result,
            () = interrupted() => Ok(()),
        }
    })
}

/// Resolves when Ctrl-C comes.
pub(super) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the system ends the process.
        std::future::pending::<()>().await;
    }
}

/// Runs a command that hears Ctrl-C by itself.
pub(crate) fn run(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_stack_size(STACK_BYTES).enable_all().build();
    let runtime = threads.map_err(|error| Failure::other(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(command);
    // A thread may still wait for a line of a terminal.
    runtime.shutdown_background();
    result
}
