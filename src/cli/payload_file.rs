//! Reads the file of a payload.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use crate::schema::MAX_PAYLOAD_BYTES;

/// Reads a payload; `-`: from standard input. Of one that is too large, one byte more than is allowed is read.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(MAX_PAYLOAD_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
