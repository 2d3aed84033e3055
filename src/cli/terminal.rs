//! The terminal that a command prints on.

use std::{
    io::{self, BufRead as _, BufWriter, ErrorKind, IsTerminal as _, StdoutLock, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether the reader of standard output has closed the pipe.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether standard output gets colours: it is a terminal, and `NO_COLOR` is not set.
pub fn has_color() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !no_color
}

/// Prints on standard output.
pub fn print(write: impl FnOnce(&mut BufWriter<StdoutLock<'_>>) -> io::Result<()>) {
    let mut out = BufWriter::new(io::stdout().lock());
    // A reader that closed the pipe, as `head` does, is no error.
    if let Err(error) = write(&mut out).and_then(|()| out.flush())
        && error.kind() == ErrorKind::BrokenPipe
    {
        IS_CLOSED.store(true, Ordering::Relaxed);
    }
}

/// Whether nobody reads standard output any more. A command that prints until it is stopped ends then.
pub fn is_closed() -> bool {
    IS_CLOSED.load(Ordering::Relaxed)
}

/// Asks a question on standard error. Only `yes` on standard input approves.
pub fn is_approved(question: &str) -> bool {
    let mut error = io::stderr().lock();
    let _ = write!(error, "{question} Only `yes` is accepted: ").and_then(|()| error.flush());
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}
