//! Shutdown by a signal.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::runtime::ControlThread;

/// The process cannot receive signals.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen to signals: {0}")]
pub struct SignalError(#[from] std::io::Error);

/// Returns a token that SIGTERM and SIGINT cancel. From then on, a signal ends nothing by itself: a command that first reads
/// files on the thread of its runtime, and has written nothing yet, calls this afterwards.
pub fn shutdown_on_signals() -> Result<CancellationToken, SignalError> {
    let shutdown = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            signals.recv().await;
            shutdown.cancel();
        });
    }
    Ok(shutdown)
}

/// The same, where the thread of the caller may be busy when the signal arrives: the thread of `control` receives it.
pub fn shutdown_on_signals_of(control: &ControlThread) -> Result<CancellationToken, SignalError> {
    let _runtime = control.runtime().enter();
    shutdown_on_signals()
}
