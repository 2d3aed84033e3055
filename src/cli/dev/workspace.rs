//! The folder, the engine that reconciles it, and the gateway whose catalogue it feeds.

use std::{
    panic::resume_unwind,
    path::{Path, PathBuf},
};

use tokio_util::sync::CancellationToken;

use crate::{
    engine::ObjectKey,
    manifests::{
        self, DesiredState, Interrupted, Loaded, ManifestRunner, NoManifests, StatusRows, report::Report,
    },
};

use super::{console, error::DevError, front::GatewayFront, server::SvixServer, traffic};

/// What `dev` works on.
pub(super) struct Workspace {
    dir: PathBuf,
    server: SvixServer,
    runner: ManifestRunner,
    /// `None`: with `--once`, and while the folder is read again.
    front: Option<GatewayFront>,
    rows: StatusRows,
    shutdown: CancellationToken,
}

impl Workspace {
    /// Returns the workspace of a folder that is not read yet.
    pub(super) fn new(
        dir: PathBuf,
        server: SvixServer,
        runner: ManifestRunner,
        front: Option<GatewayFront>,
        shutdown: CancellationToken,
    ) -> Self {
        Self { dir, server, runner, front, rows: StatusRows::default(), shutdown }
    }

    /// Returns the engine.
    pub(super) fn runner(&self) -> &ManifestRunner {
        &self.runner
    }

    /// Returns the error of a reading that was given up.
    pub(super) fn interrupted(self) -> DevError {
        DevError::Interrupted(self.dir)
    }

    /// Reads the folder for the first time and declares its content, unless the process is to end. An error in the result:
    /// nothing in the folder is ours.
    pub(super) fn read_folder(&mut self) -> Result<Result<(), NoManifests>, Interrupted> {
        // On this thread, since the heap of another one would stay, and the gateway must not refuse messages for what is not
        // read yet: they wait.
        let loaded = load(&self.dir, self.warns_of_unreachable(), self.front.as_mut(), &self.shutdown)?;
        Ok(self.declare(loaded))
    }

    /// Reads the folder again, if the watch has not ended.
    pub(super) async fn folder_changed(&mut self, is_watching: bool) -> Result<(), DevError> {
        if !is_watching {
            return Err(DevError::WatchEnded(self.dir.clone()));
        }
        // Where it was interrupted, the caller ends.
        if let Ok(loaded) = self.load_again().await {
            warn(self.declare(loaded));
        }
        Ok(())
    }

    /// Reads the folder on another thread: it takes seconds where there are thousands of objects, or some that are much work, and
    /// the gateway, the engine and the embedded Svix are on this one.
    async fn load_again(&mut self) -> Result<Loaded, Interrupted> {
        let (dir, shutdown, warns) = (self.dir.clone(), self.shutdown.clone(), self.warns_of_unreachable());
        let mut front = self.front.take();
        let reading = tokio::task::spawn_blocking(move || {
            let loaded = load(&dir, warns, front.as_mut(), &shutdown);
            (front, loaded)
        });
        match reading.await {
            Ok((front, loaded)) => {
                self.front = front;
                loaded
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The process ends.
                Err(_) => Err(Interrupted),
            },
        }
    }

    fn declare(&mut self, loaded: Loaded) -> Result<(), NoManifests> {
        self.rows.set_loaded(&loaded);
        let result = loaded.expect_manifests(&self.dir);
        let desired = DesiredState::new(loaded, &self.server.for_manifests(), self.runner.objects());
        self.rows.set_desired(&desired);
        self.runner.declare(desired.objects, desired.references);
        self.runner.references_changed();
        self.rows.share_keys(|key| self.runner.shared_key(key));
        result
    }

    /// Whether addresses are reported that the server never reaches. The embedded one reaches all.
    fn warns_of_unreachable(&self) -> bool {
        self.server.embedded.is_none()
    }

    /// Prints where Svix and the gateway are.
    pub(super) fn print_addresses(&self) {
        console::print_addresses(&self.server, self.front.as_ref(), &self.runner.objects());
    }

    /// Prints that changes of the folder are reconciled from now on.
    pub(super) fn print_watching(&self) {
        console::print_watching(&self.dir);
    }

    /// Returns the state of all objects.
    pub(super) fn report(&mut self) -> Report {
        let embedded = self.server.embedded.as_ref();
        let objects = self.runner.objects();
        let field = |key: &ObjectKey| self.runner.field(key);
        self.rows.report(&objects, field, |row, object| traffic::with_deliveries(row, object, embedded))
    }

    /// Ends the gateway, the engine and the embedded Svix, after the shutdown token was cancelled.
    pub(super) async fn stop(self) {
        if let Some(front) = self.front {
            front.stopped().await;
        }
        self.runner.stop().await;
        if let Some(embedded) = self.server.embedded {
            embedded.shutdown().await;
        }
    }
}

/// Reads a folder, prints warnings about it, and compiles its schemas for the gateway, unless `stop` is cancelled meanwhile.
fn load(
    dir: &Path,
    warns_of_unreachable: bool,
    front: Option<&mut GatewayFront>,
    stop: &CancellationToken,
) -> Result<Loaded, Interrupted> {
    let loaded = manifests::load_until(dir, stop)?;
    for warning in &loaded.warnings {
        if stop.is_cancelled() {
            return Err(Interrupted);
        }
        eprintln!("warning: {warning}");
    }
    if warns_of_unreachable {
        for warning in manifests::unreachable_endpoints(&loaded) {
            eprintln!("warning: {warning}");
        }
    }
    if let Some(front) = front {
        front.update(&loaded, stop)?;
    }
    Ok(loaded)
}

/// Prints that nothing in the folder is ours, if that is so.
pub(super) fn warn(result: Result<(), NoManifests>) {
    if let Err(error) = result {
        eprintln!("warning: {error}");
    }
}
