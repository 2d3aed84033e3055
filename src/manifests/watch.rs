//! Watches a folder for changes.
//!
//! It reports that something changed, never what: the caller reads the folder again. A report can come without a
//! change, but a change never goes unreported: where notifications of the system fail (limits, network file systems
//! without them), the folder is polled, and a folder that is replaced is watched again. Links to folders and files are followed as
//! far as they are read ([`walk`](super::walk)).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Config, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::walk;

/// A change is reported when nothing has changed for this long: an editor's save is several events.
const QUIET: Duration = Duration::from_millis(60);

/// ... but not later than this after the first change.
const AT_MOST: Duration = Duration::from_millis(300);

/// The interval of checks that the folder is still the same one.
const ROOT_CHECK: Duration = Duration::from_millis(200);

/// The interval at which a folder is read when notifications do not work.
const POLL: Duration = Duration::from_millis(300);

/// The way in which changes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By notifications of the system.
    Notified,
    /// By reading the folder periodically.
    Polled,
}

/// A folder cannot be watched in either mode.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be watched: {source}")]
pub struct WatchError {
    path: String,
    source: notify::Error,
}

/// A watched folder; dropping it ends the watch.
#[derive(Debug)]
pub struct FolderWatch {
    changes: watch::Receiver<u64>,
    mode: Mode,
    task: JoinHandle<()>,
}

impl FolderWatch {
    /// Watches a folder and everything below it, or one file. Must be called in a tokio runtime. The folder must exist
    /// now; it may be deleted and created again later.
    pub fn start(path: &Path) -> Result<Self, WatchError> {
        Self::with_mode(path, Mode::Notified)
    }

    /// Watches in this mode; polls when notifications do not work.
    pub fn with_mode(path: &Path, mode: Mode) -> Result<Self, WatchError> {
        let failure = |source| WatchError { path: path.display().to_string(), source };
        // Polling would accept a folder that does not exist.
        std::fs::metadata(path).map_err(|error| failure(notify::Error::io(error)))?;
        let events = Arc::new(Events::default());
        let target = Target::new(path);
        let links = target.links();
        let (watcher, mode) = target.watch(&links, &events, mode).map_err(failure)?;
        let (reporter, changes) = watch::channel(0);
        let identity = identity(&target.path);
        let root = Root { identity, target, links, watcher: Some(watcher), mode, events };
        let task = tokio::spawn(root.run(reporter));
        Ok(Self { changes, mode, task })
    }

    /// The way in which changes are found, as of the start.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Waits for the next change. All changes since the last call count as one. Cancel safe. Returns `false` when the
    /// watch has ended, so that nothing is reported any more.
    pub async fn changed(&mut self) -> bool {
        self.changes.changed().await.is_ok()
    }
}

impl Drop for FolderWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The events of the watcher's thread for the task; many events become one.
#[derive(Default)]
struct Events {
    changed: Notify,
    /// The watched folder itself was removed or moved. One that is created again at once can have the same identity:
    /// file systems reuse inode numbers.
    root_removed: AtomicBool,
}

/// The watched path: a folder with everything below it, or the folder of a file, since editors replace files.
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

    /// Returns the folders that links below the folder lead to, as far as they are followed.
    fn links(&self) -> Vec<Link> {
        if self.depth == RecursiveMode::NonRecursive {
            return Vec::new();
        }
        let found = walk::files(&self.path, &CancellationToken::new());
        let folders = found.links.iter().filter_map(|link| link.canonicalize().ok());
        let mut links: Vec<_> = folders.map(|folder| Link::new(folder, RecursiveMode::Recursive)).collect();
        // Of a file, the folder that it is in is watched, since editors replace files.
        let parents: BTreeSet<_> = found.linked_files.iter().filter_map(|file| file.parent()).collect();
        for folder in parents {
            let is_watched =
                |link: &Link| link.depth == RecursiveMode::Recursive && folder.starts_with(&link.folder);
            if !links.iter().any(is_watched) {
                links.push(Link::new(folder.to_owned(), RecursiveMode::NonRecursive));
            }
        }
        links
    }

    fn watch(
        &self,
        links: &[Link],
        events: &Arc<Events>,
        mode: Mode,
    ) -> notify::Result<(Box<dyn Watcher + Send>, Mode)> {
        // The watcher would follow every link, also to folders that are not read, such as /proc. So it follows none, not
        // even the path that it is given.
        let config = Config::default().with_follow_symlinks(false);
        let real = |path: &Path| path.canonicalize().map_err(notify::Error::io);
        let folder = real(&self.path)?;
        let watch_all = |watcher: &mut dyn Watcher| {
            watcher.watch(&folder, self.depth)?;
            links.iter().try_for_each(|link| watcher.watch(&link.folder, link.depth))
        };
        let handler = |events: Arc<Events>, root: PathBuf| {
            move |event: notify::Result<notify::Event>| {
                // An error can mean lost events.
                let changed = event.as_ref().map_or(true, |event| is_change(&event.kind));
                if event.is_ok_and(|event| is_removal(&event.kind) && event.paths.contains(&root)) {
                    events.root_removed.store(true, Ordering::Release);
                }
                if changed {
                    events.changed.notify_one();
                }
            }
        };
        if mode == Mode::Notified {
            let notified = RecommendedWatcher::new(handler(events.clone(), folder.clone()), config)
                .and_then(|mut watcher| watch_all(&mut watcher).map(|()| watcher));
            match notified {
                Ok(watcher) => return Ok((Box::new(watcher), Mode::Notified)),
                Err(error) => tracing::debug!(%error, "no notifications of changes, polling instead"),
            }
        }
        // Contents, too: a save within the resolution of the clock keeps the time of the file.
        let config = config.with_poll_interval(POLL).with_compare_contents(true);
        let mut watcher = PollWatcher::new(handler(events.clone(), folder.clone()), config)?;
        watch_all(&mut watcher)?;
        Ok((Box::new(watcher), Mode::Polled))
    }
}

fn is_removal(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)))
}

/// Whether an event can mean that the content of files changed. Opening and reading files does not: we do that.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

/// A folder that a link leads to, or that has a file that one leads to.
#[derive(PartialEq)]
struct Link {
    /// Without links.
    folder: PathBuf,
    identity: Option<Identity>,
    depth: RecursiveMode,
}

impl Link {
    fn new(folder: PathBuf, depth: RecursiveMode) -> Self {
        Self { identity: identity(&folder), folder, depth }
    }
}

struct Root {
    target: Target,
    links: Vec<Link>,
    /// Which folder is watched; `None`: none existed at the last check.
    identity: Option<Identity>,
    watcher: Option<Box<dyn Watcher + Send>>,
    mode: Mode,
    events: Arc<Events>,
}

impl Root {
    async fn run(mut self, reporter: watch::Sender<u64>) {
        let mut check = interval(ROOT_CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let changed = tokio::select! {
                () = self.events.changed.notified() => {
                    settle(&self.events.changed).await;
                    // The folder itself can be among what was removed, and there can be other links.
                    if !self.check_root() {
                        self.check_links();
                    }
                    true
                }
                _ = check.tick() => self.check_root(),
            };
            if changed {
                reporter.send_modify(|count| *count += 1);
            }
        }
    }

    /// Starts another watch when the path leads to another folder than before, and returns whether it does. The old
    /// watch would stay with the old folder.
    fn check_root(&mut self) -> bool {
        let now = identity(&self.target.path);
        let is_still_missing = now.is_none() && self.identity.is_none();
        let replaced = self.events.root_removed.swap(false, Ordering::AcqRel);
        if is_still_missing || (!replaced && now == self.identity && self.watcher.is_some()) {
            return false;
        }
        self.identity = now;
        self.watch_again();
        true
    }

    /// Starts another watch when there are other links than before, or one leads to another folder.
    fn check_links(&mut self) {
        if self.target.links() != self.links {
            self.watch_again();
        }
    }

    fn watch_again(&mut self) {
        self.watcher = None;
        if self.identity.is_some() {
            self.links = self.target.links();
            // Tried again at the next check when it fails.
            if let Ok((watcher, _)) = self.target.watch(&self.links, &self.events, self.mode) {
                self.watcher = Some(watcher);
            }
        }
    }
}

/// Waits until no more events arrive.
async fn settle(events: &Notify) {
    let deadline = Instant::now() + AT_MOST;
    while Instant::now() < deadline && timeout(QUIET, events.notified()).await.is_ok() {
        // Many events must not keep a core busy.
        sleep(Duration::from_millis(5)).await;
    }
}

/// Distinguishes a folder from another one at the same path.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Distinguishes a folder from another one at the same path.
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
    use std::{fs, os::unix::fs::symlink};

    /// The change must be reported within a second, after a time without reports.
    async fn reports(watch: &mut FolderWatch, what: &str, change: impl FnOnce()) {
        while timeout(Duration::from_millis(400), watch.changed()).await.is_ok() {}
        change();
        let report = timeout(Duration::from_secs(1), watch.changed()).await;
        assert!(report.is_ok_and(|is_watching| is_watching), "not reported within a second: {what}");
    }

    async fn all_changes_are_reported(mode: Mode) {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("manifests");
        fs::create_dir(&dir).unwrap();
        let mut watch = FolderWatch::with_mode(&dir, mode).unwrap();
        assert_eq!(watch.mode(), mode);
        let (a, sub, away) = (dir.join("a.yaml"), dir.join("sub"), home.path().join("away"));

        reports(&mut watch, "new file", || fs::write(&a, "1").unwrap()).await;
        reports(&mut watch, "written", || fs::write(&a, "2").unwrap()).await;
        reports(&mut watch, "replaced by rename", || {
            fs::write(home.path().join("new"), "3").unwrap();
            fs::rename(home.path().join("new"), &a).unwrap();
        })
        .await;
        reports(&mut watch, "written after the rename", || fs::write(&a, "4").unwrap()).await;
        reports(&mut watch, "new folder with a file", || {
            fs::create_dir(&sub).unwrap();
            fs::write(sub.join("b.yaml"), "1").unwrap();
        })
        .await;
        reports(&mut watch, "written in the new folder", || fs::write(sub.join("b.yaml"), "2").unwrap())
            .await;
        reports(&mut watch, "deleted", || fs::remove_file(&a).unwrap()).await;
        reports(&mut watch, "folder moved away", || fs::rename(&dir, &away).unwrap()).await;
        reports(&mut watch, "another one created", || fs::create_dir(&dir).unwrap()).await;
        reports(&mut watch, "written in the other one", || fs::write(&a, "1").unwrap()).await;
        reports(&mut watch, "removed and created again at once", || {
            fs::remove_dir_all(&dir).unwrap();
            fs::create_dir(&dir).unwrap();
        })
        .await;
        reports(&mut watch, "written in that one", || fs::write(&a, "1").unwrap()).await;
    }

    async fn changes_behind_links_are_reported(mode: Mode) {
        let home = tempfile::tempdir().unwrap();
        let [dir, one, two] = ["manifests", "one", "two"].map(|name| home.path().join(name));
        [&dir, &one, &two].iter().for_each(|folder| fs::create_dir(folder).unwrap());
        symlink(&one, dir.join("link")).unwrap();
        symlink("/proc", dir.join("processes")).unwrap();
        let mut watch = FolderWatch::with_mode(&dir, mode).unwrap();
        assert_eq!(watch.mode(), mode);

        reports(&mut watch, "written behind a link", || fs::write(one.join("a.yaml"), "1").unwrap()).await;
        reports(&mut watch, "the link leads elsewhere", || {
            fs::remove_file(dir.join("link")).unwrap();
            symlink(&two, dir.join("link")).unwrap();
        })
        .await;
        reports(&mut watch, "written there", || fs::write(two.join("a.yaml"), "1").unwrap()).await;
        reports(&mut watch, "a link to a file", || {
            fs::create_dir(home.path().join("three")).unwrap();
            fs::write(home.path().join("three/b.yaml"), "1").unwrap();
            symlink(home.path().join("three/b.yaml"), dir.join("b.yaml")).unwrap();
        })
        .await;
        reports(&mut watch, "the file is written", || {
            fs::write(home.path().join("three/b.yaml"), "2").unwrap()
        })
        .await;
        reports(&mut watch, "the file is replaced", || {
            fs::write(home.path().join("new"), "3").unwrap();
            fs::rename(home.path().join("new"), home.path().join("three/b.yaml")).unwrap();
        })
        .await;
        reports(&mut watch, "another link", || symlink(&one, dir.join("other")).unwrap()).await;
        reports(&mut watch, "written behind it", || fs::write(one.join("a.yaml"), "2").unwrap()).await;
    }

    #[tokio::test]
    async fn a_link_to_the_folder_can_lead_to_another_one() {
        let home = tempfile::tempdir().unwrap();
        let [link, one, two] = ["link", "one", "two"].map(|name| home.path().join(name));
        [&one, &two].iter().for_each(|folder| fs::create_dir(folder).unwrap());
        symlink(&one, &link).unwrap();
        let mut watch = FolderWatch::start(&link).unwrap();

        reports(&mut watch, "written", || fs::write(one.join("a.yaml"), "1").unwrap()).await;
        reports(&mut watch, "another folder", || {
            fs::remove_file(&link).unwrap();
            symlink(&two, &link).unwrap();
        })
        .await;
        reports(&mut watch, "written there", || fs::write(two.join("a.yaml"), "1").unwrap()).await;
    }

    #[tokio::test]
    async fn changes_behind_links_are_notified() {
        changes_behind_links_are_reported(Mode::Notified).await;
    }

    #[tokio::test]
    async fn changes_behind_links_are_found_by_polling() {
        changes_behind_links_are_reported(Mode::Polled).await;
    }

    #[tokio::test]
    async fn changes_are_notified() {
        all_changes_are_reported(Mode::Notified).await;
    }

    #[tokio::test]
    async fn changes_are_found_by_polling() {
        all_changes_are_reported(Mode::Polled).await;
    }

    #[tokio::test]
    async fn a_replaced_file_is_reported() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("one.yaml");
        fs::write(&file, "1").unwrap();
        let mut watch = FolderWatch::start(&file).unwrap();
        for round in 0..2 {
            reports(&mut watch, "replaced", || {
                fs::write(home.path().join("new"), round.to_string()).unwrap();
                fs::rename(home.path().join("new"), &file).unwrap();
            })
            .await;
        }
    }

    #[tokio::test]
    async fn reading_is_no_change_and_many_changes_are_few_reports() {
        let home = tempfile::tempdir().unwrap();
        let mut watch = FolderWatch::start(home.path()).unwrap();
        reports(&mut watch, "a thousand files", || {
            for number in 0..1000 {
                fs::write(home.path().join(number.to_string()), "").unwrap();
            }
        })
        .await;
        let mut more = 0;
        while timeout(Duration::from_millis(500), watch.changed()).await.is_ok() {
            more += 1;
        }
        assert!(more <= 10, "{more} reports");
        let _ = fs::read(home.path().join("7")).unwrap();
        assert!(timeout(Duration::from_millis(500), watch.changed()).await.is_err());
    }

    #[tokio::test]
    async fn a_folder_that_does_not_exist_is_refused() {
        let error = FolderWatch::start(Path::new("/no/such/folder")).unwrap_err();
        assert!(error.to_string().starts_with("/no/such/folder cannot be watched: "), "{error}");
    }
}
