//! Errors of the API server, as logs and statuses give them.

use kube::runtime::watcher;

/// A request that the API server refused, or that did not reach it.
#[derive(Debug, thiserror::Error)]
#[error("{}", describe(.0))]
pub struct KubernetesError(#[source] Box<kube::Error>);

impl KubernetesError {
    /// Returns the status code, if the API server answered.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self.0.as_ref() {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        }
    }
}

impl From<kube::Error> for KubernetesError {
    fn from(error: kube::Error) -> Self {
        Self(Box::new(error))
    }
}

/// Returns the message of an error. Of a `Status`, it is the API server's own message: the rest tells a reader nothing more.
pub(super) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.trim().to_owned(),
        error => error.to_string(),
    }
}

/// Whether a watch failed for lack of permission.
pub(super) fn is_forbidden(error: &watcher::Error) -> bool {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => Some(status.code),
        watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    };
    code == Some(403)
}

/// Logs the failures of one watch. A watch starts again by itself, so the same error may come back every few seconds: it
/// is a warning once, and again only after the watch worked in between.
pub(super) struct WatchLog {
    kind: String,
    namespace: Option<String>,
    message: &'static str,
    last_error: String,
}

impl WatchLog {
    /// Returns a log of the watch of a kind, in one namespace or in all.
    pub(super) fn of(kind: impl Into<String>, namespace: Option<&str>) -> Self {
        Self {
            kind: kind.into(),
            namespace: namespace.map(str::to_owned),
            message: "watch failed; it starts again",
            last_error: String::new(),
        }
    }

    /// Sets what a failure of this watch means.
    #[must_use]
    pub(super) fn with_message(self, message: &'static str) -> Self {
        Self { message, ..self }
    }

    /// Records that the watch works.
    pub(super) fn works(&mut self) {
        self.last_error.clear();
    }

    /// Logs a failure.
    pub(super) fn failed(&mut self, error: &watcher::Error) {
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
