//! What the API server says when it refuses something, as it is told in logs and statuses.

use kube::runtime::watcher;

/// An error in the API server's own words: the rest of a `Status` tells a reader nothing more.
pub(super) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.trim().to_owned(),
        error => error.to_string(),
    }
}

/// Tells of a watch that failed. It is begun again by itself.
pub(super) fn watch_failed(kind: &str, namespace: Option<&str>, error: &watcher::Error) {
    let error = match error {
        // Usual: a watch that saw no change for some minutes is behind what the API server remembers.
        watcher::Error::WatchError(status) if status.code == 410 => {
            tracing::debug!(
                kind,
                namespace,
                error = status.message,
                "the watch was too far behind; it is begun again"
            );
            return;
        }
        watcher::Error::WatchError(status) => status.message.clone(),
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => describe(error),
        error => error.to_string(),
    };
    tracing::warn!(kind, namespace, error, "watch failed; it is begun again");
}
