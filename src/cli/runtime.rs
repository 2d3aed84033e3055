//! What runs a command: its runtime, its exit code after an error, and the signals that stop it.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The number of threads of a command.
#[derive(Clone, Copy)]
pub(super) enum Threads {
    /// One, for commands on a workstation. Further threads would cost memory: each has a heap of its own.
    One,
    /// As many as there are processors.
    Many,
}

/// Runs a command on a runtime of its own. An error is printed in one line, and the exit code is then `failed`.
pub(super) fn block_on<E: std::fmt::Display>(
    threads: Threads,
    command: impl Future<Output = Result<ExitCode, E>>,
    failed: ExitCode,
) -> ExitCode {
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Many => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return failed;
        }
    };
    let result = runtime.block_on(command);
    // A task that blocks in a library must not delay the end of the process.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        failed
    })
}

/// Returns a token that SIGTERM and SIGINT cancel.
pub(super) fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(stop)
}
