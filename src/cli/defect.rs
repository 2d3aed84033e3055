//! How a defect of the program is reported: in one line, never with a stack trace.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe, Location},
};

thread_local! {
    /// Whether a panic of this thread is an error that the caller reports.
    static IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Reports each panic in one line on standard error.
pub fn report_in_one_line() {
    panic::set_hook(Box::new(|panic| {
        if !IS_EXPECTED.get() {
            eprintln!("{}", line(panic.location()));
        }
    }));
}

/// Calls a library that panics where it should return an error. `None`: it panicked, which is not reported.
pub fn unless_it_panics<T>(call: impl FnOnce() -> T) -> Option<T> {
    IS_EXPECTED.set(true);
    // What the call has changed is not used after a panic.
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    IS_EXPECTED.set(false);
    result.ok()
}

/// The line. The message of the panic is left out: it can contain what the program read, such as a Secret.
fn line(location: Option<&Location<'_>>) -> String {
    let place = location.map(|at| format!(" at {}:{}", file(at.file()), at.line())).unwrap_or_default();
    format!(
        "error: a defect of svix-operator {}{place}; report this line and the command",
        env!("CARGO_PKG_VERSION")
    )
}

/// The file, without the folders of the machine that built the program.
fn file(path: &str) -> &str {
    path.split_once("/registry/src/")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or(path, |(_, in_package)| in_package)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::process::Command;

    use super::*;

    #[test]
    #[ignore = "run by the test below, as a process of its own"]
    fn panics_in_a_process() {
        report_in_one_line();
        assert_eq!(unless_it_panics(|| -> u8 { panic!("an expected one") }), None);
        panic!("the token is sk_secret");
    }

    #[test]
    fn a_panic_is_one_line_without_its_message() {
        let name = "cli::defect::tests::panics_in_a_process";

        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", name, "--nocapture", "--test-threads=1"])
            .env("RUST_BACKTRACE", "1")
            .output()
            .unwrap();

        let errors = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = errors.lines().filter(|line| !line.is_empty()).collect();
        assert!(
            matches!(lines[..], [line] if line.contains("a defect of svix-operator") && line.contains("defect.rs:")),
            "{errors}"
        );
        assert!(!errors.contains("sk_secret"), "{errors}");
    }

    #[test]
    fn a_file_of_a_package_has_no_folder_of_a_machine() {
        let path = "/home/someone/.cargo/registry/src/index-1949cf8c/tokio-1.0.0/src/lib.rs";

        assert_eq!(file(path), "tokio-1.0.0/src/lib.rs");
        assert_eq!(file("src/cli/mod.rs"), "src/cli/mod.rs");
    }
}
