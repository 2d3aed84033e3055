//! One program of the control plane, which never outlives the test run.
//!
//! A test run may end by a panic, by `kill -9` or by Ctrl-C, and Rust runs no destructor of a
//! static even when it ends well. So a small host starts each program and reads from a pipe whose
//! other end only this process holds: end of file means that the test run is over, however it ended.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `$0` is the log file, `$DIR` the directory that goes with the last program, `$@` the program.
///
/// The program holds the write end of the host's standard output as its file 3: when the program
/// ends, whoever reads the other end sees it. A line on standard input means "stop the program",
/// end of file means "stop it and clean up". Every program's host removes the directory, so
/// the one whose program dies last removes it for good.
const SUPERVISOR: &str = r#"
"$@" 3>&1 >>"$0" 2>&1 </dev/null &
program=$!
exec >/dev/null
read -r _ && keep=yes
kill -KILL "$program" 2>/dev/null
wait "$program" 2>/dev/null
[ "$keep" ] || rm -rf "$DIR"
"#;

/// A running program.
pub struct Process {
    name: &'static str,
    host: Child,
    log: PathBuf,
    exited: Arc<AtomicBool>,
}

impl Process {
    /// Starts `program`; its output is appended to `<dir>/<name>.log`. `dir` is removed when the
    /// program ends with the test run, and when the `Process` is dropped.
    pub fn start(
        name: &'static str,
        program: &Path,
        arguments: &[String],
        dir: &Path,
    ) -> Result<Self, String> {
        let log = dir.join(format!("{name}.log"));
        let mut host = Command::new("sh")
            .args(["-c", SUPERVISOR])
            .arg(&log)
            .arg(program)
            .args(arguments)
            .env("DIR", dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C goes to a process group; it must not end the host before the program.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("sh, which starts {name}, did not start: {error}"))?;
        let exited = Arc::new(AtomicBool::new(false));
        if let Some(mut output) = host.stdout.take() {
            let exited = Arc::clone(&exited);
            std::thread::spawn(move || {
                let _ = output.read_to_end(&mut Vec::new());
                exited.store(true, Ordering::Release);
            });
        }
        Ok(Self { name, host, log, exited })
    }

    /// Whether the program has ended.
    pub fn has_exited(&self) -> bool {
        self.exited.load(Ordering::Acquire)
    }

    /// Kills the program and waits until it is gone; its directory stays.
    pub fn stop(mut self) {
        if let Some(mut stdin) = self.host.stdin.take() {
            let _ = stdin.write_all(b"stop\n");
        }
        let _ = self.host.wait();
    }

    /// The last lines of what the program wrote, for an error message.
    pub fn log_tail(&self) -> String {
        const LINES: usize = 25;
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
        format!("--- {} ({})\n{tail}\n", self.name, self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.host.stdin.take());
        let _ = self.host.wait();
    }
}
