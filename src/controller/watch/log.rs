//! What is logged of a watch.

use kube::runtime::watcher;

use crate::controller::errors::describe;

/// Logs the failures of one watch. A watch starts again by itself, so the same error may come back every few seconds: it
/// is a warning once, and again only after the watch worked in between.
pub struct WatchLog {
    kind: String,
    namespace: Option<String>,
    message: &'static str,
    last_error: String,
}

impl WatchLog {
    /// Returns a log of the watch of a kind, in one namespace or in all.
    pub fn new(kind: impl Into<String>, namespace: Option<&str>) -> Self {
        Self {
            kind: kind.into(),
            namespace: namespace.map(str::to_owned),
            message: "watch failed; it starts again",
            last_error: String::new(),
        }
    }

    /// Sets what a failure of this watch means.
    #[must_use]
    pub fn with_message(self, message: &'static str) -> Self {
        Self { message, ..self }
    }

    /// Records that the watch works.
    pub fn works(&mut self) {
        self.last_error.clear();
    }

    /// Logs a failure.
    pub fn failed(&mut self, error: &watcher::Error) {
        let Self { kind, namespace, message, last_error } = self;
        let error = match error {
            // Usual: after some minutes without a change, the API server does not remember the version of the watch.
            watcher::Error::WatchError(status) if status.code == 410 => {
                let error = &status.message;
                tracing::debug!(kind, namespace, error, "the watch expired; it starts again");
                return;
            }
            watcher::Error::WatchError(status) => status.message.clone(),
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => describe(error),
            error => error.to_string(),
        };
        if error == *last_error {
            tracing::debug!(kind, namespace, error, "{message}");
        } else {
            tracing::warn!(kind, namespace, error, "{message}");
            *last_error = error;
        }
    }
}
