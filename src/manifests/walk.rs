//! Which files of a folder are read, and in which order.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Larger files are refused: a manifest is never that large, a wrong folder may hold anything.
const MAX_BYTES: u64 = 64 << 20;

/// The files of a folder, and what could not be looked at.
#[derive(Default)]
pub(super) struct Files {
    /// In the order in which they are read: by path.
    pub files: Vec<PathBuf>,
    /// Paths with the reason.
    pub failures: Vec<(PathBuf, String)>,
}

/// Finds `*.yaml`, `*.yml` and `*.json` below a folder, or takes the one file that is named. Hidden entries
/// are left out; links are followed, each folder once. That is what a mounted ConfigMap needs: its files are
/// links into a hidden folder.
pub(super) fn files(root: &Path) -> Files {
    let mut found = Files::default();
    match fs::metadata(root) {
        Ok(meta) if meta.is_file() => found.files.push(root.to_owned()),
        Ok(_) => folder(root, &mut HashSet::new(), &mut found),
        Err(error) => found.failures.push((root.to_owned(), format!("cannot be read: {error}"))),
    }
    found
}

fn folder(path: &Path, seen: &mut HashSet<PathBuf>, found: &mut Files) {
    let entries = fs::canonicalize(path).and_then(|canonical| {
        if !seen.insert(canonical) {
            return Ok(Vec::new());
        }
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
    });
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return found.failures.push((path.to_owned(), format!("cannot be read: {error}"))),
    };
    entries.sort();
    for entry in entries {
        if entry.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        let named = entry.extension().is_some_and(|ext| ext == "yaml" || ext == "yml" || ext == "json");
        match fs::metadata(&entry) {
            Ok(meta) if meta.is_dir() => folder(&entry, seen, found),
            Ok(meta) if meta.is_file() && named => found.files.push(entry),
            // A link to nothing, or a file that went away just now.
            Err(error) if named => found.failures.push((entry, format!("cannot be read: {error}"))),
            _ => {}
        }
    }
}

/// The text of a file; `Err` says why not.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > MAX_BYTES {
        return Err(format!("{size} bytes, more than the {MAX_BYTES} that are read: split it"));
    }
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
        format!("not UTF-8 text: line {line} has bytes that are none; save the file as UTF-8")
    })
}
