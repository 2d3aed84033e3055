//! Finds and reads the files of a folder.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

/// Larger files are refused: a manifest is never that large, and a wrong folder can contain anything.
const MAX_BYTES: u64 = 64 << 20;

/// A file or a folder that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system does not read it.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is too large.
    #[error("{0} bytes, more than the {MAX_BYTES} that are read: split it")]
    TooLarge(u64),
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
    pub(super) failures: Vec<(PathBuf, ReadError)>,
}

/// Finds `*.yaml`, `*.yml` and `*.json` below a folder, or returns the one file that is named. Hidden entries are left
/// out. Links are followed, each folder once: the files of a mounted ConfigMap are links into a hidden folder.
pub(super) fn files(root: &Path) -> Files {
    let mut found = Files::default();
    match fs::metadata(root) {
        Ok(meta) if meta.is_file() => found.files.push(root.to_owned()),
        Ok(_) => folder(root, &mut HashSet::new(), &mut found),
        Err(error) => found.failures.push((root.to_owned(), error.into())),
    }
    found
}

/// Returns the YAML and JSON files of a folder; else the first place that cannot be read, and why.
pub fn find(root: &Path) -> Result<Vec<PathBuf>, (PathBuf, ReadError)> {
    let found = files(root);
    found.failures.into_iter().next().map_or(Ok(found.files), Err)
}

fn folder(path: &Path, visited: &mut HashSet<PathBuf>, found: &mut Files) {
    let entries = fs::canonicalize(path).and_then(|canonical| {
        if !visited.insert(canonical) {
            return Ok(Vec::new());
        }
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
    });
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return found.failures.push((path.to_owned(), error.into())),
    };
    entries.sort();
    for entry in entries {
        if entry.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        let is_manifest = entry.extension().is_some_and(|ext| ext == "yaml" || ext == "yml" || ext == "json");
        match fs::metadata(&entry) {
            Ok(meta) if meta.is_dir() => folder(&entry, visited, found),
            Ok(meta) if meta.is_file() && is_manifest => found.files.push(entry),
            // A link to nothing, or a file that was deleted just now.
            Err(error) if is_manifest => found.failures.push((entry, error.into())),
            _ => {}
        }
    }
}

/// Reads the text of a file: UTF-8, or UTF-16 with a byte order mark.
pub fn read(path: &Path) -> Result<String, ReadError> {
    let size = fs::metadata(path)?.len();
    if size > MAX_BYTES {
        return Err(ReadError::TooLarge(size));
    }
    decode(fs::read(path)?)
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
