//! Runs a command on a tokio runtime.

use std::{fmt::Display, process::ExitCode, thread};

use tokio::{runtime::Handle, task::JoinError};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::processors;

/// How many threads a command uses.
#[derive(Clone, Copy)]
pub enum Threads {
    /// One, for commands that one person runs. More threads cost memory: each has a heap of its own.
    One,
    /// One for each processor that is used.
    Many,
}

/// Runs a command on a runtime of its own. An error is printed in one line, and the exit code is `failed`.
pub fn block_on<E: Display>(
    threads: Threads,
    command: impl Future<Output = Result<ExitCode, E>>,
    failed: ExitCode,
) -> ExitCode {
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Many => tokio::runtime::Builder::new_multi_thread(),
    };
    // Of a runtime of one thread, it says nothing.
    builder.worker_threads(processors::used());
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

/// Why the control thread cannot start.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the thread for health and the Lease: {0}")]
pub struct ControlError(#[from] std::io::Error);

/// A thread with a runtime of its own, for what must go on while all other threads are busy: health, metrics, the Lease.
/// Dropping it ends what runs there.
pub struct ControlThread {
    runtime: Handle,
    stop: CancellationToken,
}

impl ControlThread {
    /// Starts the thread.
    pub fn start() -> Result<Self, ControlError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (handle, stop) = (runtime.handle().clone(), CancellationToken::new());
        let stopped = stop.clone();
        let run = move || runtime.block_on(stopped.cancelled());
        thread::Builder::new().name("control".to_owned()).spawn(run)?;
        Ok(Self { runtime: handle, stop })
    }

    /// Returns the runtime, to spawn tasks on.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Runs a future on the thread, and waits for it. A future that is dropped is aborted.
    pub async fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        AbortOnDropHandle::new(self.runtime.spawn(future)).await
    }
}

impl Drop for ControlThread {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc;

    use super::*;
    use crate::telemetry::{self, Metrics, Readiness};

    #[test]
    fn health_responds_while_every_worker_is_busy() {
        let workers =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let control = ControlThread::start().unwrap();
        let (busy, is_busy) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        workers.spawn(async move {
            busy.send(()).unwrap();
            released.recv().unwrap();
        });
        is_busy.recv().unwrap();

        let client = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = client.block_on(async {
            let serving = telemetry::serve(
                ([127, 0, 0, 1], 0).into(),
                Readiness::default(),
                Metrics::default(),
                CancellationToken::new(),
            );
            let (address, _) = control.run(serving).await.unwrap().unwrap();
            reqwest::get(format!("http://{address}/livez")).await.unwrap().status()
        });

        assert_eq!(status, 200);
        release.send(()).unwrap();
    }
}
