//! Shutdown by a signal.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The process cannot receive signals.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen to signals: {0}")]
pub struct SignalError(#[from] std::io::Error);

/// Returns a token that SIGTERM and SIGINT cancel.
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
