//! The sessions in docs: the commands are run again, in the order of the page, and the output is compared.
//!
//! `UPDATE_SESSIONS=1 cargo test --test it command_line::session` writes the output into the page.

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use regex::Regex;
use svix_operator::embedded::{DeliveryOptions, Options};

use crate::support::{inbox::Inbox, svix_server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

/// The shell in which the commands of a page run: a folder, and what was exported.
struct Shell<'a> {
    folder: &'a Path,
    svix: (String, String),
    receiver: String,
    exported: String,
}

impl Shell<'_> {
    /// Runs a command, and returns its output as the page shows it.
    fn run(&mut self, command: &str) -> String {
        if command.starts_with("export ") {
            let _ = writeln!(self.exported, "{command}");
            return String::new();
        }
        let programs = Path::new(PROGRAM).parent().unwrap().to_str().unwrap();
        let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        for variable in ["SVIX_SERVER_URL", "SVIX_AUTH_TOKEN", "KUBECONFIG", "RUST_LOG"] {
            shell.env_remove(variable);
        }
        let output = shell
            .args(["-c", &format!("exec 2>&1\n{}{command}", self.exported)])
            .current_dir(self.folder)
            .env("PATH", path)
            .env("SVIX_URL", &self.svix.0)
            .env("SVIX_TOKEN", &self.svix.1)
            .env("RECEIVER", &self.receiver)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut text = String::from_utf8(output.stdout).unwrap();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        if let Some(code @ 1..) = output.status.code() {
            let _ = writeln!(text, "(exit code {code})");
        }
        without_what_differs(&text)
    }
}

/// Puts `…` in place of text that differs from run to run.
fn without_what_differs(text: &str) -> String {
    let patterns = [
        (r"127\.0\.0\.1:\d+", "127.0.0.1:…"),
        (r"msg_[0-9A-Za-z]{20,}", "msg_…"),
        (r"ep_[0-9A-Za-z]{20,}", "ep_…"),
        (r"qtask_[0-9A-Za-z]{20,}", "qtask_…"),
        (r"whsec_[0-9A-Za-z+/=]{20,}", "whsec_…"),
        (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "…"),
        (r"\d+ s ago", "… s ago"),
        (r"\d+ ms", "… ms"),
        (r"(?m)[ \t]+$", ""),
    ];
    patterns.iter().fold(text.to_owned(), |text, (pattern, replacement)| {
        Regex::new(pattern).unwrap().replace_all(&text, *replacement).into_owned()
    })
}

/// Runs the commands of the `console` blocks, and returns the page with what they print.
fn replay(page: &str, shell: &mut Shell<'_>) -> String {
    let mut result = String::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let _ = writeln!(result, "{line}");
        if line != "```console" {
            continue;
        }
        while let Some(line) = lines.next_if(|line| *line != "```") {
            let Some(first) = line.strip_prefix("$ ") else { continue };
            let mut command = first.to_owned();
            let _ = writeln!(result, "{line}");
            while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
                let _ = writeln!(result, "{more}");
                command = command + "\n" + &more[2..];
            }
            result.push_str(&shell.run(&command));
        }
    }
    result
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_the_page_is_true() {
    let path = format!("{}/docs/cli.md", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(&path).unwrap();
    // What an event became does not depend on how long the commands take.
    let retry_schedule = vec![Duration::from_secs(3600)];
    let delivery = DeliveryOptions { retry_schedule, ..DeliveryOptions::default() };
    let svix = svix_server::start_with(Options { delivery, ..Options::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let connection = (svix.url(), svix.token().to_owned());
    let inbox = Inbox::answering(503).await;
    let receiver = inbox.url().to_owned();

    let recorded = page.clone();
    let replayed = tokio::task::spawn_blocking(move || {
        replay(
            &page,
            &mut Shell { folder: folder.path(), svix: connection, receiver, exported: String::new() },
        )
    })
    .await
    .unwrap();

    if std::env::var_os("UPDATE_SESSIONS").is_some() {
        std::fs::write(path, &replayed).unwrap();
    } else {
        assert_eq!(replayed, recorded);
    }
}
