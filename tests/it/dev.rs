//! `svix-operator dev` as a user runs it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use svix_operator::embedded::EmbeddedSvix;

use crate::support::{
    control_plane::no_build_under_way,
    inbox::Inbox,
    objects::{Manifest, connection, endpoint, event, event_type},
    ports::free_address,
    svix_server,
    wait::eventually,
};

mod addresses;
mod connections;
mod deliveries;
mod report;
mod signals;

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

fn once(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("dev").args(arguments).arg("--once").output().unwrap()
}

fn write(dir: &Path, file: &str, manifests: &[Manifest]) {
    let text: String = manifests.iter().map(|manifest| format!("---\n{}\n", manifest.0)).collect();
    std::fs::write(dir.join(file), text).unwrap();
}

/// A Svix that `dev` uses in place of its own.
struct OtherSvix {
    url: String,
    token: String,
}

impl OtherSvix {
    fn of(svix: &EmbeddedSvix) -> Self {
        Self { url: svix.url(), token: svix.token().to_owned() }
    }

    /// A server that does not exist.
    fn nowhere() -> Self {
        Self { url: format!("http://{}", free_address()), token: "x".to_owned() }
    }
}

/// Returns `dev` with these arguments on a folder, with its own Svix or another one.
fn dev(dir: &Path, arguments: &[&str], other: Option<&OtherSvix>) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("dev").args(arguments).arg(dir);
    if let Some(OtherSvix { url, token }) = other {
        command.args(["--svix-url", url]).env("SVIX_TOKEN", token);
    }
    command
}

/// Starts `dev` on a folder, and collects what it prints.
fn start(dir: &Path, other: Option<&OtherSvix>) -> (tokio::process::Child, Arc<Mutex<String>>) {
    start_with(dir, &[], other)
}

fn start_with(
    dir: &Path,
    arguments: &[&str],
    other: Option<&OtherSvix>,
) -> (tokio::process::Child, Arc<Mutex<String>>) {
    let mut child = tokio::process::Command::from(dev(dir, arguments, other))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let printed: Arc<Mutex<String>> = Arc::default();
    let out = child.stdout.take().unwrap().into_owned_fd().unwrap();
    let sink = printed.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(std::fs::File::from(out)).lines().map_while(Result::ok) {
            sink.lock().unwrap().push_str(&format!("{line}\n"));
        }
    });
    (child, printed)
}

async fn wait_for_output(printed: &Mutex<String>, text: &str) {
    eventually(text, Duration::from_secs(30), async || {
        let printed = printed.lock().unwrap();
        if printed.contains(text) { Ok(()) } else { Err(printed.clone()) }
    })
    .await;
}

#[test]
fn examples_are_in_sync() {
    for (example, objects) in [("quickstart", 6), ("software-heritage", 6), ("any-payload", 3)] {
        let dir = format!("{}/examples/{example}", env!("CARGO_MANIFEST_DIR"));
        let output = once(&[&dir]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.ends_with(&format!("{objects} objects: {objects} in sync\n")), "{text}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn svix_url_replaces_the_embedded_server() {
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one"), endpoint("hook", &["a.one"])]);
    let run = |token: &str| {
        let other = OtherSvix { token: token.to_owned(), ..OtherSvix::of(&svix) };
        let mut command = dev(dir.path(), &["--once", "--timeout", "5"], Some(&other));
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let output = run(svix.token()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(svix.snapshot().endpoint("default", "dev.default.hook").is_some());
    let output = run("wrong").await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("AuthenticationFailed") && text.contains("variable SVIX_TOKEN"), "{text}");
    let output = run("").await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("SVIX_TOKEN"));
    let folder = dir.path().to_str().unwrap();
    let mut dev = Command::new(PROGRAM);
    dev.args(["dev", "--once", "--svix-url", "api.svix.com", folder]).env("SVIX_TOKEN", "x");
    let output = dev.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    let expected = "error: --svix-url: found a text without http:// or https:// at its beginning";
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_reaches_svix_within_a_second() {
    no_build_under_way().await;
    let svix = svix_server::start().await;
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", &[event_type("a.one").with("description", "first")]);
    let (_child, printed) = start(dir.path(), Some(&OtherSvix::of(&svix)));
    wait_for_output(&printed, "Ctrl-C ends.").await;

    // Of five changes the median is checked, since the machine can be busy.
    let mut took = Vec::new();
    for i in 0..5 {
        let wanted = format!("change {i}");
        let begun = Instant::now();
        write(dir.path(), "a.yaml", &[event_type("a.one").with("description", wanted.as_str())]);
        eventually("the change to be in Svix", Duration::from_secs(30), async || {
            (svix.snapshot().event_types["a.one"].description == wanted).then_some(())
        })
        .await;
        took.push(begun.elapsed());
    }
    took.sort();
    assert!(took[2] < Duration::from_secs(1), "{took:?}");

    // When a mistake is made in the file, then nothing is deleted
    write(dir.path(), "b.yaml", &[endpoint("hook", &["a.one"])]);
    eventually("the endpoint to be created", Duration::from_secs(30), async || {
        svix.snapshot().endpoint("default", "dev.default.hook").map(drop)
    })
    .await;
    std::fs::write(dir.path().join("b.yaml"), "kind: WebhookEndpoint\nmetadata: {name: hook").unwrap();
    wait_for_output(&printed, "InvalidManifest").await;
    assert!(svix.snapshot().endpoint("default", "dev.default.hook").is_some());

    // When the file is removed, then the endpoint is deleted
    std::fs::remove_file(dir.path().join("b.yaml")).unwrap();
    eventually("the endpoint to be deleted", Duration::from_secs(30), async || {
        svix.snapshot().endpoint("default", "dev.default.hook").is_none().then_some(())
    })
    .await;
    wait_for_output(&printed, "Deleted WebhookEndpoint/default/hook").await;
}

/// Runs `dev --once` with JSON output; returns its exit code and its report.
async fn report(dir: &Path, other: Option<&OtherSvix>) -> (Option<i32>, Value) {
    let mut command = dev(dir, &["--once", "--timeout", "5", "-o", "json"], other);
    let run = move || command.output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

async fn once_at(dir: &Path, svix: &EmbeddedSvix) -> Output {
    let other = OtherSvix::of(svix);
    let mut command = dev(dir, &["--once"], Some(&other));
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn row<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut objects = report["objects"].as_array().unwrap().iter();
    objects.find(|object| object["name"] == name).unwrap_or_else(|| panic!("{name} is not in {report:#}"))
}
