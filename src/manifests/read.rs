//! Reads files of manifests: of bounded size, and as text.

use std::{
    fs,
    io::{self, Read as _},
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
    /// There are too many.
    #[error("more than {0} files and folders are below the folder: name a smaller one")]
    TooMany(usize),
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

    #[test]
    fn a_file_without_a_size_is_bounded() {
        let error = read_bytes(Path::new("/dev/zero")).unwrap_err();

        assert!(matches!(error, ReadError::TooLarge(_)), "{error}");
        assert!(!read_bytes(Path::new("/proc/self/status")).unwrap().is_empty());
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
