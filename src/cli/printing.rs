//! `println!` and `eprintln!` for commands: a reader that closed the pipe is no error.
//!
//! The macros of the standard library panic when they cannot write. These have the same names, and are defined before the
//! other modules of `cli`, so that each command uses them without having to remember it.

/// Prints a line on standard output.
macro_rules! println {
    ($($argument:tt)*) => {
        $crate::cli::terminal::print(|out| {
            use std::io::Write as _;
            writeln!(out, $($argument)*)
        })
    };
}

/// Prints a line on standard error.
macro_rules! eprintln {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr().lock(), $($argument)*);
    }};
}
