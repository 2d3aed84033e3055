//! Finds and reads the files of a folder.

use std::{
    collections::HashSet,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use tokio_util::sync::CancellationToken;

/// Larger files are refused: a manifest is never that large, and a wrong folder can contain anything.
const MAX_BYTES: u64 = 64 << 20;

/// Most files and folders below a folder, with those that are not read. A link can lead to any number of them.
const MAX_ENTRIES: usize = 1_000_000;

/// Folders whose files are no data: reading them can block or never end, and some lead to the files of each process.
const SYSTEM_FOLDERS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The one of them that is a place for files.
const SHARED_MEMORY: &str = "/dev/shm";

/// A file or a folder that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system does not read it.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is too large.
    #[error("{0} bytes, more than the {MAX_BYTES} that are read: split it")]
    TooLarge(u64),
    /// There are too many.
    #[error("more than {MAX_ENTRIES} files and folders are below the folder: name a smaller one")]
    TooMany,
    /// It is a link to a folder of the system, or to a file there.
    #[error("a link to {}, a folder of the system, which is not read: remove the link", .0.display())]
    System(PathBuf),
    /// It is a link to a folder that contains the one that is read.
    #[error("a link to {}, which contains the folder that is read: remove the link", .0.display())]
    ContainsFolder(PathBuf),
    /// It is not text in UTF-8; the line of the first wrong byte.
    #[error("not UTF-8 text: line {0} has bytes that are none; save the file as UTF-8")]
    NotUtf8(usize),
    /// It is UTF-16 without the mark that says so.
    #[error("UTF-16 without a byte order mark; save the file as UTF-8")]
    UnmarkedUtf16,
    /// It begins as UTF-16 and is not.
    #[error("UTF-16 that is not valid; save the file as UTF-8")]
    InvalidUtf16,
    /// It has documents that kubectl does not find.
    #[error("several documents in UTF-16, of which kubectl reads only the first; save the file as UTF-8")]
    Utf16Documents,
}

/// Returns the text of a file that begins with a byte order mark of UTF-16; `None`: it does not.
fn utf16(bytes: &[u8]) -> Option<Result<String, ReadError>> {
    let unit = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().skip(1).map(|pair| unit(*pair));
    let text = char::decode_utf16(units).collect::<Result<String, _>>();
    Some(text.ok().filter(|_| rest.is_empty()).ok_or(ReadError::InvalidUtf16))
}

/// The files of a folder, and what could not be read.
#[derive(Default)]
pub(super) struct Files {
    /// In the order in which they are read: by path.
    pub(super) files: Vec<PathBuf>,
    /// Links to folders, whose files are among them.
    pub(super) links: Vec<PathBuf>,
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
            let mut walk = Walk { root: canonical, stop, visited: HashSet::new(), entries: 0, found };
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
    found: Files,
}

impl Walk<'_> {
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
            if self.stop.is_cancelled() {
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
            if self.entries > MAX_ENTRIES {
                return Err(ReadError::TooMany);
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
                match canonical.map_or(Ok(()), |canonical| self.check_link(&canonical)) {
                    Ok(()) => self.found.files.push(path),
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

/// Reads the text of a file: UTF-8, or UTF-16 with a byte order mark.
pub fn read(path: &Path) -> Result<String, ReadError> {
    decode(read_bytes(path)?)
}

/// Reads a file of bounded size, whatever the system says of its size.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, ReadError> {
    let file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    if size > MAX_BYTES {
        return Err(ReadError::TooLarge(size));
    }
    let mut bytes = Vec::new();
    // Files of the system have no size, and can be without an end.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) {
        Ok(size) if size <= MAX_BYTES => Ok(bytes),
        _ => Err(ReadError::TooLarge(MAX_BYTES + 1)),
    }
}

/// Returns the text of what was read from a file or from standard input: UTF-8, or UTF-16 with a byte order mark.
pub fn decode(bytes: Vec<u8>) -> Result<String, ReadError> {
    if let Some(text) = utf16(&bytes) {
        let text = text?;
        // kubectl finds no --- in UTF-16, so it would read the first document only.
        let separators = text.lines().skip(1).filter(|line| line.starts_with("---")).count();
        return if separators > 0 { Err(ReadError::Utf16Documents) } else { Ok(text) };
    }
    // Half of each character of ASCII is zero there.
    if matches!(bytes.as_slice(), [0, 1..=255, 0, 1..=255, ..] | [1..=255, 0, 1..=255, 0, ..]) {
        return Err(ReadError::UnmarkedUtf16);
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        ReadError::NotUtf8(1 + valid.iter().filter(|byte| **byte == b'\n').count())
    })
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
    fn a_file_without_a_size_is_bounded() {
        let error = read_bytes(Path::new("/dev/zero")).unwrap_err();

        assert!(matches!(error, ReadError::TooLarge(_)), "{error}");
        assert!(!read_bytes(Path::new("/proc/self/status")).unwrap().is_empty());
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
    fn texts_are_read_with_and_without_marks() {
        let units =
            |text: &str, order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        let text = "a: \u{e9}\n";
        for (bytes, expected) in [
            (text.as_bytes().to_vec(), Ok(text)),
            (units(&format!("\u{feff}{text}"), u16::to_be_bytes), Ok(text)),
            (units(&format!("\u{feff}{text}"), u16::to_le_bytes), Ok(text)),
            (units(text, u16::to_be_bytes), Err("UTF-16 without a byte order mark")),
            (units(text, u16::to_le_bytes), Err("UTF-16 without a byte order mark")),
            (units("\u{feff}a: 1\n---\nb: 2\n", u16::to_le_bytes), Err("several documents in UTF-16")),
            (vec![0xff, 0xfe, 0x61], Err("UTF-16 that is not valid")),
            (b"a: 1\nb: \xff\n".to_vec(), Err("not UTF-8 text: line 2")),
        ] {
            match (decode(bytes.clone()), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.to_string().starts_with(expected), "{found}"),
                (found, expected) => assert!(found.is_ok() == expected.is_ok(), "{bytes:?}: {found:?}"),
            }
        }
    }
}
