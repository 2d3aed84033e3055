//! Certificates that somebody else keeps in a folder, such as cert-manager in a mounted Secret.
//!
//! kubelet swaps a link (`..data`), so that a watch on the files sees nothing: the folder is watched, and read again
//! now and then whatever the watch says. A certificate and a key that do not belong together are never taken: between
//! two reads the folder may have changed, and the next read sees the rest.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::telemetry::AdmissionMetrics;

use super::{InvalidPair, Pair, ServingCertificate, pair::first_end};

/// How often the folder is read whatever the watch says.
pub const POLL: Duration = Duration::from_secs(30);

/// Why a folder has no certificate.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What is in the files is no pair.
    #[error("{folder}: {problem}; expected tls.crt and tls.key as cert-manager writes them")]
    Invalid {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        problem: InvalidPair,
    },
}

/// Reads the certificate and its key from a folder.
pub fn read(folder: &Path) -> Result<Pair, FolderError> {
    let file = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|source| FolderError::Read { path, source })
    };
    let (chain, key) = (file("tls.crt")?, file("tls.key")?);
    Pair::from_pem(&chain, &key)
        .map_err(|problem| FolderError::Invalid { folder: folder.to_owned(), problem })
}

/// Serves with what is in a folder, and with each new pair that comes into it, for ever.
pub async fn follow(folder: PathBuf, serving: ServingCertificate, metrics: AdmissionMetrics, poll: Duration) {
    let changed = Arc::new(Notify::new());
    // Kept as long as this runs; without it there is the poll.
    let _watch = watch(&folder, &changed);
    let mut last_problem = String::new();
    loop {
        match read(&folder) {
            Ok(pair) => {
                last_problem.clear();
                let end = pair.validity.not_after;
                metrics.certificate_end("serving", end.as_second());
                if let Some(end) = std::fs::read(folder.join("ca.crt")).ok().and_then(|text| first_end(&text))
                {
                    metrics.certificate_end("ca", end.as_second());
                }
                if serving.replace(pair) {
                    metrics.certificate_reloaded(true);
                    tracing::info!(folder = %folder.display(), not_after = %end, "certificate taken from files");
                }
            }
            Err(problem) => {
                let text = problem.to_string();
                if text != last_problem {
                    metrics.certificate_reloaded(false);
                    tracing::warn!(
                        problem = text,
                        "certificate files not taken; what was served with before stays"
                    );
                    last_problem = text;
                }
            }
        }
        let _ = tokio::time::timeout(poll, changed.notified()).await;
    }
}

fn watch(folder: &Path, changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
    let changed = changed.clone();
    // Reading a file is an event, too; it must not wake the reader.
    let tell = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            changed.notify_one();
        }
    };
    let watcher = notify::recommended_watcher(tell).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watcher
        .inspect_err(
            |error| tracing::warn!(%error, "certificate folder is not watched, only read now and then"),
        )
        .ok()
}
