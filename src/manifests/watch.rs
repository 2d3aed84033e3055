//! Notices that a folder changed.
//!
//! It says "something changed", never what: whoever listens reads the folder again. Ticks may come without a
//! change, a change never goes without a tick: where the system's notifications fail (limits, network file
//! systems that refuse them), the folder is polled, and a folder that goes and comes back is watched anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Config, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

/// A tick waits until nothing has changed for this long: an editor's save is several events.
const QUIET: Duration = Duration::from_millis(60);

/// ... but not longer than this after the first change.
const AT_MOST: Duration = Duration::from_millis(300);

/// How often it is checked that the folder is still the same one.
const ROOT_CHECK: Duration = Duration::from_millis(200);

/// How often a folder is read when notifications do not work.
const POLL: Duration = Duration::from_millis(300);

/// How changes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The system says so.
    Notified,
    /// The folder is read again and again.
    Polled,
}

/// A folder cannot be watched, neither way.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be watched: {source}")]
pub struct WatchError {
    /// The folder.
    path: String,
    /// Why not.
    source: notify::Error,
}

/// A watched folder; dropping it ends the watch.
#[derive(Debug)]
pub struct FolderWatch {
    ticks: watch::Receiver<u64>,
    mode: Mode,
    task: JoinHandle<()>,
}

impl FolderWatch {
    /// Watches a folder and all below it, or one file. Must be called in a tokio runtime. The folder must be
    /// there now; it may go away and come back later.
    pub fn start(path: &Path) -> Result<Self, WatchError> {
        Self::with_mode(path, Mode::Notified)
    }

    /// As [`start`](Self::start), but polls when told so, and when notifications do not work.
    pub fn with_mode(path: &Path, mode: Mode) -> Result<Self, WatchError> {
        let failure = |source| WatchError { path: path.display().to_string(), source };
        // Polling would take a folder that is not there.
        std::fs::metadata(path).map_err(|error| failure(notify::Error::io(error)))?;
        let events = Arc::new(Events::default());
        let target = Target::new(path);
        let (watcher, mode) = target.watch(&events, mode).map_err(failure)?;
        let (ticker, ticks) = watch::channel(0);
        let root = Root { identity: identity(&target.path), target, watcher: Some(watcher), mode, events };
        let task = tokio::spawn(root.run(ticker));
        Ok(Self { ticks, mode, task })
    }

    /// How changes are found, as of the start.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Waits for the next change; changes since the last call count, as one. Cancel safe. `false`: the watch
    /// has ended and nothing will come.
    pub async fn changed(&mut self) -> bool {
        self.ticks.changed().await.is_ok()
    }
}

impl Drop for FolderWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the watcher's thread tells the task; however many events, it is one.
#[derive(Default)]
struct Events {
    changed: Notify,
    /// The watched folder itself was removed or moved. One that is made anew at once may look the same: file
    /// systems use inode numbers again.
    root_gone: AtomicBool,
}

/// What is watched: a folder with all below it, or the folder of a file, since editors replace files.
struct Target {
    path: PathBuf,
    depth: RecursiveMode,
}

impl Target {
    fn new(path: &Path) -> Self {
        let parent =
            path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
        match parent {
            Some(parent) if path.is_file() => {
                Self { path: parent.into(), depth: RecursiveMode::NonRecursive }
            }
            _ => Self { path: path.into(), depth: RecursiveMode::Recursive },
        }
    }

    fn watch(&self, events: &Arc<Events>, mode: Mode) -> notify::Result<(Box<dyn Watcher + Send>, Mode)> {
        let handler = |events: Arc<Events>, root: PathBuf| {
            move |event: notify::Result<notify::Event>| {
                // An error may stand for lost events.
                let changed = event.as_ref().map_or(true, |event| is_change(&event.kind));
                if event.is_ok_and(|event| is_removal(&event.kind) && event.paths.contains(&root)) {
                    events.root_gone.store(true, Ordering::Release);
                }
                if changed {
                    events.changed.notify_one();
                }
            }
        };
        if mode == Mode::Notified {
            let notified =
                RecommendedWatcher::new(handler(events.clone(), self.path.clone()), Config::default())
                    .and_then(|mut watcher| watcher.watch(&self.path, self.depth).map(|()| watcher));
            match notified {
                Ok(watcher) => return Ok((Box::new(watcher), Mode::Notified)),
                Err(error) => tracing::debug!(%error, "no notifications of changes, polling instead"),
            }
        }
        // Contents too: a save within the clock's grain keeps the time of the file.
        let config = Config::default().with_poll_interval(POLL).with_compare_contents(true);
        let mut watcher = PollWatcher::new(handler(events.clone(), self.path.clone()), config)?;
        watcher.watch(&self.path, self.depth)?;
        Ok((Box::new(watcher), Mode::Polled))
    }
}

fn is_removal(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)))
}

/// Whether an event can mean that files read otherwise now. Opening and reading does not: we do that.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

struct Root {
    target: Target,
    /// Which folder is watched; `None`: there was none when it was looked for.
    identity: Option<Identity>,
    watcher: Option<Box<dyn Watcher + Send>>,
    mode: Mode,
    events: Arc<Events>,
}

impl Root {
    async fn run(mut self, ticker: watch::Sender<u64>) {
        let mut check = interval(ROOT_CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let changed = tokio::select! {
                () = self.events.changed.notified() => {
                    settle(&self.events.changed).await;
                    // The folder itself may have gone with it.
                    self.check_root();
                    true
                }
                _ = check.tick() => self.check_root(),
            };
            if changed {
                ticker.send_modify(|count| *count += 1);
            }
        }
    }

    /// Watches anew when the path leads to another folder than before; says whether it does. The old watch
    /// would stay with the old folder for ever.
    fn check_root(&mut self) -> bool {
        let now = identity(&self.target.path);
        let gone = now.is_none() && self.identity.is_none();
        let replaced = self.events.root_gone.swap(false, Ordering::AcqRel);
        if gone || (!replaced && now == self.identity && self.watcher.is_some()) {
            return false;
        }
        self.identity = now;
        self.watcher = None;
        if self.identity.is_some() {
            // Tried again at the next check when it fails.
            if let Ok((watcher, _)) = self.target.watch(&self.events, self.mode) {
                self.watcher = Some(watcher);
            }
        }
        true
    }
}

/// Waits until it is quiet.
async fn settle(events: &Notify) {
    let deadline = Instant::now() + AT_MOST;
    while Instant::now() < deadline && timeout(QUIET, events.notified()).await.is_ok() {
        // A storm of events must not keep a core busy.
        sleep(Duration::from_millis(5)).await;
    }
}

/// Tells a folder from another one at the same path.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Tells a folder from another one at the same path.
#[cfg(not(unix))]
type Identity = Option<std::time::SystemTime>;

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|meta| meta.created().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    /// A tick must come within a second; then it is quiet again.
    async fn ticks(watch: &mut FolderWatch, what: &str, change: impl FnOnce()) {
        while timeout(Duration::from_millis(400), watch.changed()).await.is_ok() {}
        change();
        let tick = timeout(Duration::from_secs(1), watch.changed()).await;
        assert!(tick.is_ok_and(|alive| alive), "no tick within a second: {what}");
    }

    async fn all_changes_tick(mode: Mode) {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("manifests");
        fs::create_dir(&dir).unwrap();
        let mut watch = FolderWatch::with_mode(&dir, mode).unwrap();
        assert_eq!(watch.mode(), mode);
        let (a, sub, away) = (dir.join("a.yaml"), dir.join("sub"), home.path().join("away"));

        ticks(&mut watch, "new file", || fs::write(&a, "1").unwrap()).await;
        ticks(&mut watch, "written", || fs::write(&a, "2").unwrap()).await;
        ticks(&mut watch, "replaced by rename", || {
            fs::write(home.path().join("new"), "3").unwrap();
            fs::rename(home.path().join("new"), &a).unwrap();
        })
        .await;
        ticks(&mut watch, "written after the rename", || fs::write(&a, "4").unwrap()).await;
        ticks(&mut watch, "new folder with a file", || {
            fs::create_dir(&sub).unwrap();
            fs::write(sub.join("b.yaml"), "1").unwrap();
        })
        .await;
        ticks(&mut watch, "written in the new folder", || fs::write(sub.join("b.yaml"), "2").unwrap()).await;
        ticks(&mut watch, "deleted", || fs::remove_file(&a).unwrap()).await;
        ticks(&mut watch, "folder goes", || fs::rename(&dir, &away).unwrap()).await;
        ticks(&mut watch, "another comes", || fs::create_dir(&dir).unwrap()).await;
        ticks(&mut watch, "written in the other one", || fs::write(&a, "1").unwrap()).await;
        ticks(&mut watch, "removed and made again at once", || {
            fs::remove_dir_all(&dir).unwrap();
            fs::create_dir(&dir).unwrap();
        })
        .await;
        ticks(&mut watch, "written in that one", || fs::write(&a, "1").unwrap()).await;
    }

    #[tokio::test]
    async fn changes_are_notified() {
        all_changes_tick(Mode::Notified).await;
    }

    #[tokio::test]
    async fn changes_are_found_by_polling() {
        all_changes_tick(Mode::Polled).await;
    }

    #[tokio::test]
    async fn a_replaced_file_and_a_swapped_link_tick() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("one.yaml");
        fs::write(&file, "1").unwrap();
        let mut watch = FolderWatch::start(&file).unwrap();
        for round in 0..2 {
            ticks(&mut watch, "replaced", || {
                fs::write(home.path().join("new"), round.to_string()).unwrap();
                fs::rename(home.path().join("new"), &file).unwrap();
            })
            .await;
        }
    }

    #[tokio::test]
    async fn reading_does_not_tick_and_many_changes_are_few_ticks() {
        let home = tempfile::tempdir().unwrap();
        let mut watch = FolderWatch::start(home.path()).unwrap();
        ticks(&mut watch, "a thousand files", || {
            for number in 0..1000 {
                fs::write(home.path().join(number.to_string()), "").unwrap();
            }
        })
        .await;
        let mut more = 0;
        while timeout(Duration::from_millis(500), watch.changed()).await.is_ok() {
            more += 1;
        }
        assert!(more <= 10, "{more} ticks");
        let _ = fs::read(home.path().join("7")).unwrap();
        assert!(timeout(Duration::from_millis(500), watch.changed()).await.is_err());
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_refused() {
        let error = FolderWatch::start(Path::new("/no/such/folder")).unwrap_err();
        assert!(error.to_string().starts_with("/no/such/folder cannot be watched: "), "{error}");
    }
}
