//! Finds the files of a folder.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use tokio_util::sync::CancellationToken;

use super::read::ReadError;

/// Most files and folders below a folder, with those that are not read. A link can lead to any number of them.
const MAX_ENTRIES: usize = 1_000_000;

/// Folders whose files are no data: reading them can block or never end, and some lead to the files of each process.
const SYSTEM_FOLDERS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The one of them that is a place for files.
const SHARED_MEMORY: &str = "/dev/shm";

/// The files of a folder, and what could not be read.
#[derive(Default)]
pub(super) struct Files {
    /// In the order in which they are read: by path.
    pub(super) files: Vec<PathBuf>,
    /// Links to folders, whose files are among them.
    pub(super) links: Vec<PathBuf>,
    /// Where links to files lead, if that is not below the folder.
    pub(super) linked_files: Vec<PathBuf>,
    pub(super) failures: Vec<(PathBuf, ReadError)>,
}

/// Finds `*.yaml`, `*.yml` and `*.json` below a folder, or returns the one file that is named. Hidden entries are left
/// out, and so is what is neither a file nor a folder. Links are followed, each folder once: the files of a mounted ConfigMap are
/// links into a hidden folder. Links to folders of the system, and to one that contains the folder, are failures. When `stop` is
/// cancelled, what was found until then is returned.
pub(super) fn files(root: &Path, stop: &CancellationToken) -> Files {
    let mut found = Files::default();
    match fs::metadata(root) {
        Ok(meta) if meta.is_file() => found.files.push(root.to_owned()),
        Ok(_) => {
            let canonical = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
            let mut walk = Walk::new(canonical, stop, MAX_ENTRIES);
            walk.folder(root, false);
            found = walk.found;
        }
        Err(error) => found.failures.push((root.to_owned(), error.into())),
    }
    found
}

/// Returns the YAML and JSON files of a folder; else the first place that cannot be read, and why. Links to folders of the system
/// are left out.
pub fn find(root: &Path) -> Result<Vec<PathBuf>, (PathBuf, ReadError)> {
    let found = files(root, &CancellationToken::new());
    let mut failures = found.failures.into_iter();
    failures.find(|(_, error)| !matches!(error, ReadError::System(_))).map_or(Ok(found.files), Err)
}

struct Walk<'a> {
    /// Without links.
    root: PathBuf,
    stop: &'a CancellationToken,
    visited: HashSet<PathBuf>,
    entries: usize,
    /// Most entries. What is behind them is not visited, so that there is one failure and not one for each folder.
    most: usize,
    found: Files,
}

impl<'a> Walk<'a> {
    fn new(root: PathBuf, stop: &'a CancellationToken, most: usize) -> Self {
        Self { root, stop, visited: HashSet::new(), entries: 0, most, found: Files::default() }
    }

    fn folder(&mut self, path: &Path, is_link: bool) {
        let canonical = match fs::canonicalize(path) {
            Ok(canonical) => canonical,
            Err(error) => return self.fail(path, error.into()),
        };
        if let Err(error) = self.check_link(&canonical) {
            return self.fail(path, error);
        }
        if !self.visited.insert(canonical) {
            return;
        }
        if is_link {
            self.found.links.push(path.to_owned());
        }
        let mut entries = match self.entries_of(path) {
            Ok(entries) => entries,
            Err(error) => return self.fail(path, error),
        };
        entries.sort();
        for (entry, is_link) in entries {
            if self.stop.is_cancelled() || self.entries > self.most {
                return;
            }
            self.entry(entry, is_link);
        }
    }

    /// Returns the paths in a folder, and whether each is a link.
    fn entries_of(&mut self, path: &Path) -> Result<Vec<(PathBuf, bool)>, ReadError> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            self.entries += 1;
            if self.entries > self.most {
                return Err(ReadError::TooMany(self.most));
            }
            entries.push((entry.path(), entry.file_type()?.is_symlink()));
        }
        Ok(entries)
    }

    fn entry(&mut self, path: PathBuf, is_link: bool) {
        if path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
            return;
        }
        let is_manifest = path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml" || ext == "json");
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => self.folder(&path, is_link),
            Ok(meta) if meta.is_file() && is_manifest => {
                let canonical = if is_link { fs::canonicalize(&path).ok() } else { None };
                match canonical.as_ref().map_or(Ok(()), |canonical| self.check_link(canonical)) {
                    Ok(()) => {
                        let outside = canonical.filter(|canonical| !canonical.starts_with(&self.root));
                        self.found.linked_files.extend(outside);
                        self.found.files.push(path);
                    }
                    Err(error) => self.fail(&path, error),
                }
            }
            // A link to nothing, or a file that was deleted just now.
            Err(error) if is_manifest => self.fail(&path, error.into()),
            _ => {}
        }
    }

    /// Refuses to follow links to what is not read.
    fn check_link(&self, canonical: &Path) -> Result<(), ReadError> {
        if canonical.starts_with(&self.root) {
            return Ok(());
        }
        if self.root.starts_with(canonical) {
            return Err(ReadError::ContainsFolder(canonical.to_owned()));
        }
        let is_system = SYSTEM_FOLDERS.iter().any(|folder| canonical.starts_with(folder));
        match is_system && !canonical.starts_with(SHARED_MEMORY) {
            true => Err(ReadError::System(canonical.to_owned())),
            false => Ok(()),
        }
    }

    fn fail(&mut self, path: &Path, error: ReadError) {
        self.found.failures.push((path.to_owned(), error));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::symlink;

    fn find_in(root: &Path) -> (Vec<PathBuf>, Vec<String>) {
        let found = files(root, &CancellationToken::new());
        let failures = found
            .failures
            .iter()
            .map(|(path, error)| format!("{}: {error}", path.strip_prefix(root).unwrap().display()));
        let files = found.files.iter().map(|path| path.strip_prefix(root).unwrap().to_owned());
        (files.collect(), failures.collect())
    }

    #[test]
    fn links_to_places_of_the_system_are_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let (root, beside) = (home.path().join("manifests"), home.path().join("beside"));
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("b.yaml"), "").unwrap();
        for (target, link) in [
            ("/proc", "processes"),
            ("/proc/self/environ", "environ.yaml"),
            ("/proc/self/root", "root"),
            ("/dev/zero", "zero.yaml"),
            ("/dev/fd", "descriptors"),
            ("..", "up"),
            (".", "same"),
            ("../beside", "beside"),
            ("../beside/b.yaml", "c.yaml"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }

        let (files, failures) = find_in(&root);

        assert_eq!(files, [Path::new("beside/b.yaml"), Path::new("c.yaml")]);
        let places: Vec<_> = failures.iter().map(|failure| failure.split(": ").next().unwrap()).collect();
        assert_eq!(places, ["descriptors", "environ.yaml", "processes", "root", "up"], "{failures:?}");
        assert!(
            failures[2].contains("a link to /proc, a folder of the system, which is not read"),
            "{failures:?}"
        );
        assert!(failures[3].contains("a link to /, which contains the folder that is read"), "{failures:?}");
    }

    #[test]
    fn a_walk_that_is_cancelled_stops() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("a.yaml"), "").unwrap();
        let stop = CancellationToken::new();

        stop.cancel();

        assert!(files(home.path(), &stop).files.is_empty());
    }

    #[test]
    fn too_many_files_are_one_failure() {
        let home = tempfile::tempdir().unwrap();
        for folder in ["a", "b", "c", "d"] {
            fs::create_dir(home.path().join(folder)).unwrap();
            fs::write(home.path().join(folder).join("a.yaml"), "").unwrap();
        }
        let stop = CancellationToken::new();
        let mut walk = Walk::new(home.path().canonicalize().unwrap(), &stop, 5);

        walk.folder(home.path(), false);

        let Files { files, failures, .. } = walk.found;
        assert_eq!(files, [home.path().join("a/a.yaml")]);
        assert!(matches!(failures[..], [(_, ReadError::TooMany(5))]), "{failures:?}");
    }
}
