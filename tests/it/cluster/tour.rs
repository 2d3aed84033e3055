//! `docs/day-two.md`, as a reader would follow it: every command is run, and its output compared.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{ChildStdin, ChildStdout, Command, Stdio},
};

use crate::support::{
    control_plane::ControlPlane,
    operator::{Operator, install},
    svix_server,
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/day-two.md");

/// A command of the page, with the lines that it is to print.
#[derive(Debug)]
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
}

/// The commands in the page's `console` blocks.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (index, text) in page.lines().enumerate() {
        match text {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match text.strip_prefix("$ ") {
                Some(command) => {
                    steps.push(Step { line: index + 1, command: command.to_owned(), expected: Vec::new() });
                }
                None => steps.last_mut().expect("a command comes first").expected.push(text.to_owned()),
            },
        }
    }
    steps
}

/// Whether a line is of a form in which `…` stands for any text.
fn is_like(expected: &str, found: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = found.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn dots_stand_for_any_text() {
    assert!(is_like("a … c", "a b c") && is_like("…", "") && is_like("x", "x") && is_like("a…", "ab"));
    assert!(!is_like("a … c", "a b d") && !is_like("x", "xy") && !is_like("a…b", "b"));
}

/// A shell that a reader types into.
struct Host {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Host {
    fn run(&mut self, command: &str) -> Vec<String> {
        const END: &str = "--- end of the step ---";
        writeln!(self.stdin, "{command}\necho '{END}'").unwrap();
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the shell ended in: {command}");
            match line.trim_end_matches('\n') {
                END => return lines,
                line => lines.push(line.trim_end().to_owned()),
            }
        }
    }
}

#[tokio::test]
async fn the_tour_is_as_the_page_says() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let operator = Operator::start(&control_plane, &[]);
    operator.ready().await;
    let svix = svix_server::start().await;
    let page = std::fs::read_to_string(PAGE).unwrap();
    // A reader's own folder, with the examples in it.
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::os::unix::fs::symlink(root.join("examples"), folder.path().join("examples")).unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::copy(control_plane.kubeconfig(), &kubeconfig).unwrap();
    let tools = control_plane.tools().to_owned();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let mut child = Command::new("bash")
        .current_dir(folder.path())
        .env("PATH", path)
        .env("KUBECONFIG", &kubeconfig)
        .env("SVIX_URL", svix.url())
        .env("SVIX_TOKEN", svix.token())
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shell =
        Host { stdin: child.stdin.take().unwrap(), stdout: BufReader::new(child.stdout.take().unwrap()) };
    let steps = steps(&page);
    assert!(steps.len() > 50, "the page has its commands");
    let walked = tokio::task::spawn_blocking(move || {
        shell.run("exec 2>&1");
        for Step { line, command, expected } in &steps {
            let found = shell.run(command);
            let same = found.len() == expected.len()
                && expected.iter().zip(&found).all(|(expected, found)| is_like(expected, found));
            if !same {
                let state =
                    shell.run("kubectl get svixconnections,webhookeventtypes,webhookendpoints -o wide");
                return Err(format!(
                    "docs/day-two.md:{line}: $ {command}\n{}\ninstead of\n{}\n\n{}",
                    found.join("\n"),
                    expected.join("\n"),
                    state.join("\n")
                ));
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    drop(child.stdin.take());
    let _ = child.wait();
    if let Err(what) = walked {
        panic!("{what}\n{}", operator.log_text().lines().rev().take(30).collect::<Vec<_>>().join("\n"));
    }
    for hidden in ["very-secret", "Bearer first", "whsec_"] {
        assert!(!operator.log_text().contains(hidden), "{hidden} is in the log");
    }
}
