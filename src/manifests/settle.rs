//! Waits until the objects of a folder have settled.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::Object;

use super::{report::State, runner::ManifestRunner, status_rows::state};

/// The time without anything to do after which a folder counts as settled.
const QUIET: Duration = Duration::from_millis(100);
/// The shortest interval at which this is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// How many times as long as a check the wait for the next one is, so that waiting costs little: a check reads all objects.
const REST: u32 = 20;

/// The treatment of events whose deliveries have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliveries {
    /// They are awaited.
    Awaited,
    /// They are not awaited.
    Ignored,
}

/// A wait until everything has settled.
pub struct Settling {
    deadline: Instant,
    deliveries: Deliveries,
    quiet_since: Option<Instant>,
}

impl Settling {
    /// A wait of at most `timeout`.
    pub fn new(timeout: Duration, deliveries: Deliveries) -> Self {
        Self { deadline: Instant::now() + timeout, deliveries, quiet_since: None }
    }

    /// Starts again, within the same time, after an edit of the folder.
    pub fn restart(&mut self) {
        self.quiet_since = None;
    }

    /// Waits. Cancel safe: it can be dropped and called again.
    pub async fn wait(&mut self, runner: &ManifestRunner, shutdown: &CancellationToken) {
        while Instant::now() < self.deadline && !shutdown.is_cancelled() {
            let begun = Instant::now();
            match self.progress(runner) {
                Progress::Done => return,
                Progress::Working => self.quiet_since = None,
                Progress::Quiet => {
                    if self.quiet_since.get_or_insert_with(Instant::now).elapsed() >= QUIET {
                        return;
                    }
                }
            }
            tokio::time::sleep(CHECK_INTERVAL.max(begun.elapsed() * REST)).await;
        }
    }

    fn progress(&self, runner: &ManifestRunner) -> Progress {
        // The queue is checked first: ten thousand objects are not read a hundred times a second.
        let is_idle = match self.deliveries {
            Deliveries::Awaited => runner.is_idle(),
            Deliveries::Ignored => runner.is_idle_except_events(),
        };
        if !is_idle {
            return Progress::Working;
        }
        let objects = runner.objects();
        if objects.iter().all(|object| object.ready() == Some(true) && !object.is_deleting()) {
            return Progress::Done;
        }
        let is_working = objects.iter().any(|object| match object {
            // A connection has a driver of its own, which is not in the queue.
            // One that is removed from the folder and still used stays; its status says so.
            Object::Connection(_) => {
                is_connecting(object) || (is_pending(object) && state(object) != State::Problem)
            }
            Object::Event(_) if self.deliveries == Deliveries::Ignored => false,
            _ => is_pending(object),
        });
        if is_working { Progress::Working } else { Progress::Quiet }
    }
}

enum Progress {
    /// Every object is ready.
    Done,
    /// Nothing is being done.
    Quiet,
    Working,
}

fn is_connecting(connection: &Object) -> bool {
    !matches!(state(connection), State::InSync | State::Differs | State::Problem)
}

fn is_pending(object: &Object) -> bool {
    object.is_deleting() || object.ready().is_none()
}
