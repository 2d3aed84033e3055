//! Certificates that another program keeps in a folder, such as cert-manager in a mounted Secret.
//!
//! The kubelet updates a mounted Secret by replacing a symbolic link (`..data`), which a watch on the files does not see.
//! Therefore the folder is watched, and read periodically as well. A certificate and a key that do not match are never
//! used: the folder may have changed between the two reads, and the next read sees both new files.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::telemetry::AdmissionMetrics;

use super::{
    pair::{InvalidPair, Pair, first_expiry},
    serving::ServingCertificate,
};

/// How often the folder is read regardless of the watch.
pub const POLL: Duration = Duration::from_secs(30);

/// Why a folder has no usable certificate.
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
    /// The files are not a certificate with its key.
    #[error("{folder}: {source}; expected tls.crt and tls.key as cert-manager writes them")]
    Invalid {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with them.
        source: InvalidPair,
    },
}

impl FolderError {
    /// Returns whether the other error has the same cause, so that it need not be logged again.
    fn has_same_cause(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Read { path, source }, Self::Read { path: other_path, source: other_source }) => {
                path == other_path && source.kind() == other_source.kind()
            }
            (Self::Invalid { folder, source }, Self::Invalid { folder: other, source: other_source }) => {
                folder == other && source == other_source
            }
            _ => false,
        }
    }
}

/// Reads the certificate and its key from a folder.
pub fn read(folder: &Path) -> Result<Pair, FolderError> {
    let file = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|source| FolderError::Read { path, source })
    };
    let (chain, key) = (file("tls.crt")?, file("tls.key")?);
    Pair::from_pem(&chain, &key).map_err(|source| FolderError::Invalid { folder: folder.to_owned(), source })
}

/// Serves with the certificate in a folder, and with each new one that appears in it. Never returns.
pub async fn follow(folder: PathBuf, serving: ServingCertificate, metrics: AdmissionMetrics, poll: Duration) {
    let changed = Arc::new(Notify::new());
    // The watch ends when it is dropped. Without a watch, the folder is still polled.
    let _watch = watch(&folder, &changed);
    let mut last_error: Option<FolderError> = None;
    loop {
        match read(&folder) {
            Ok(pair) => {
                last_error = None;
                let not_after = pair.validity.not_after;
                metrics.certificate_end("serving", not_after.as_second());
                let ca_bundle = std::fs::read(folder.join("ca.crt")).ok();
                if let Some(expiry) = ca_bundle.and_then(|text| first_expiry(&text)) {
                    metrics.certificate_end("ca", expiry.as_second());
                }
                if serving.replace(pair) {
                    metrics.certificate_reloaded(true);
                    tracing::info!(folder = %folder.display(), %not_after, "certificate loaded from files");
                }
            }
            Err(error) => {
                if !last_error.as_ref().is_some_and(|last| last.has_same_cause(&error)) {
                    metrics.certificate_reloaded(false);
                    tracing::warn!(
                        %error,
                        "cannot load the certificate files; the previous certificate stays in use"
                    );
                }
                last_error = Some(error);
            }
        }
        let _ = tokio::time::timeout(poll, changed.notified()).await;
    }
}

fn watch(folder: &Path, changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
    let changed = changed.clone();
    // Reading a file is an event as well; it must not wake the reader.
    let on_event = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            changed.notify_one();
        }
    };
    let watcher = notify::recommended_watcher(on_event).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watcher
        .inspect_err(
            |error| tracing::warn!(%error, "cannot watch the certificate folder; it is read every 30 s"),
        )
        .ok()
}
