//! What the API server says when it refuses something, as it is told in logs and statuses.

use kube::runtime::watcher;

/// An error in the API server's own words: the rest of a `Status` tells a reader nothing more.
pub(super) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.trim().to_owned(),
        error => error.to_string(),
    }
}

/// Whether a watch failed for lack of permission.
pub(super) fn is_forbidden(error: &watcher::Error) -> bool {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => Some(status.code),
        watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    };
    status == Some(403)
}

/// What is told of one watch. It is begun again by itself, so the same trouble comes back every few seconds: each is told
/// once, and again when it comes back after the watch worked.
pub(super) struct WatchLog {
    kind: String,
    namespace: Option<String>,
    last: String,
}

impl WatchLog {
    pub(super) fn of(kind: impl Into<String>, namespace: Option<&str>) -> Self {
        Self { kind: kind.into(), namespace: namespace.map(str::to_owned), last: String::new() }
    }

    /// It works.
    pub(super) fn works(&mut self) {
        self.last.clear();
    }

    /// It failed.
    pub(super) fn failed(&mut self, error: &watcher::Error) {
        self.failed_so(error, "watch failed; it is begun again");
    }

    /// It failed, and that is to be said of it.
    pub(super) fn failed_so(&mut self, error: &watcher::Error, message: &'static str) {
        let (kind, namespace) = (&self.kind, &self.namespace);
        let error = match error {
            // Usual: a watch that saw no change for some minutes is behind what the API server remembers.
            watcher::Error::WatchError(status) if status.code == 410 => {
                let error = &status.message;
                tracing::debug!(kind, namespace, error, "the watch was too far behind; it is begun again");
                return;
            }
            watcher::Error::WatchError(status) => status.message.clone(),
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => describe(error),
            error => error.to_string(),
        };
        if error == self.last {
            tracing::debug!(kind, namespace, error, "{message}");
        } else {
            tracing::warn!(kind, namespace, error, "{message}");
            self.last = error;
        }
    }
}
