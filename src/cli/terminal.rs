//! The terminal that a command prints on.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};

/// Whether standard output gets colours: it is a terminal, and `NO_COLOR` is not set.
pub fn has_color() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !no_color
}

/// Prints on standard output.
pub fn print(write: impl FnOnce(&mut BufWriter<StdoutLock<'_>>) -> io::Result<()>) {
    let mut out = BufWriter::new(io::stdout().lock());
    // A reader that closed the pipe, as `head` does, is no error.
    let _ = write(&mut out).and_then(|()| out.flush());
}
