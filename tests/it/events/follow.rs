use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
};

use serde_json::{Value, json};
use svix_operator::embedded::FaultPlan;

use crate::support::wait::eventually;

use super::{Environment, PATIENCE};

/// A process that follows, with its output by lines.
struct Following {
    child: Child,
    lines: Option<mpsc::Receiver<String>>,
    warnings: mpsc::Receiver<String>,
}

fn lines(reader: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (tx, rx) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            // The pipe closes when nobody reads.
            if tx.send(line).is_err() {
                return;
            }
        }
    });
    rx
}

impl Following {
    fn start(environment: &Environment, more: &[&str]) -> Self {
        let arguments = [&["events", "list", "--follow", "--interval", "1"], more].concat();
        let mut command = environment.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = lines(child.stdout.take().unwrap());
        let warnings = lines(child.stderr.take().unwrap());
        Self { child, lines: Some(output), warnings }
    }

    fn next(&self) -> String {
        tokio::task::block_in_place(|| self.lines.as_ref().unwrap().recv_timeout(PATIENCE).unwrap())
    }

    fn warning(&self) -> String {
        tokio::task::block_in_place(|| self.warnings.recv_timeout(PATIENCE).unwrap())
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Waits for the end, and returns the exit code and the lines that nobody read.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        tokio::task::block_in_place(|| {
            let code = self.child.wait().unwrap().code();
            (code, self.lines.take().map(|lines| lines.iter().collect()).unwrap_or_default())
        })
    }
}

fn id(line: &str) -> Value {
    serde_json::from_str::<Value>(line).unwrap()["id"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_printed_once_in_order() {
    let environment = Environment::new().await;
    let old = environment.send("a.b", json!({})).await;
    let following = Following::start(&environment, &["--since", "1h", "-o", "json"]);

    let first = following.next();
    let new = environment.send("a.b", json!({})).await;
    let second = following.next();
    environment.send("a.b", json!({})).await;
    let third = following.next();
    following.signal("-INT");

    assert_eq!((id(&first), id(&second)), (json!(old), json!(new)));
    assert_ne!(id(&third), id(&second));
    assert_eq!(following.end(), (Some(0), vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_since_only_new_events_are_printed() {
    let environment = Environment::new().await;
    environment.send("a.b", json!({})).await;
    let following = Following::start(&environment, &["--event-type", "a.b"]);
    eventually("it has begun", PATIENCE, async || {
        let is_listing = |operation: &&str| *operation == "message.list";
        let calls = environment.svix.calls();
        (calls.iter().map(|call| call.operation).filter(is_listing).count() >= 2).then_some(())
    })
    .await;

    environment.send("other.type", json!({})).await;
    let new = environment.send("a.b", json!({})).await;
    let printed = following.next();
    following.signal("-TERM");

    assert!(printed.contains(&new), "{printed}");
    assert_eq!(following.end(), (Some(0), vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_events_of_an_endpoint_have_a_state() {
    let environment = Environment::new().await;
    environment.endpoint("mine", json!({"channels": ["eu"]})).await;
    let old = environment.deliver("a.b", json!({"channels": ["eu"]}), 1).await;
    let following = Following::start(&environment, &["--endpoint", "mine", "--since", "1h"]);

    let first = following.next();
    environment.receiver_replies(500, "");
    environment.send("a.b", json!({})).await;
    let new = environment.deliver("a.b", json!({"channels": ["eu"]}), 1).await;
    let second = following.next();
    following.signal("-INT");

    assert!(first.contains(&old) && first.contains(" succeeded "), "{first}");
    assert!(second.contains(&new) && second.contains(" retrying "), "{second}");
    assert_eq!(following.end(), (Some(0), vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_in_an_outage() {
    let environment = Environment::new().await;
    environment.send("a.b", json!({})).await;
    let following = Following::start(&environment, &["--since", "1h"]);
    following.next();

    environment.svix.faults().set(FaultPlan {
        errors: 1.0,
        only: Some(vec!["message.list".into()]),
        ..FaultPlan::default()
    });
    let warning = following.warning();
    let during = environment.send("a.b", json!({})).await;
    environment.svix.faults().clear();
    let after = following.next();
    following.signal("-INT");

    assert!(warning.contains("Svix failed with status 500; trying again in 2 s"), "{warning}");
    assert!(after.contains(&during), "{after}");
    assert_eq!(following.end().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_deleted_ends_it() {
    let environment = Environment::new().await;
    environment.send("a.b", json!({})).await;
    let following = Following::start(&environment, &["--since", "1h"]);
    following.next();

    let url = format!("{}/api/v1/app/default", environment.svix.url());
    reqwest::Client::new().delete(url).bearer_auth(environment.svix.token()).send().await.unwrap();
    let warning = following.warning();

    assert!(warning.contains("application \"default\" is not in Svix"), "{warning}");
    assert_eq!(following.end().0, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_nobody_reads() {
    let environment = Environment::new().await;
    let mut command =
        environment.command(&["events", "list", "--follow", "--interval", "1", "--since", "1h"]);
    environment.send("a.b", json!({})).await;
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let (mut child, reader) = tokio::task::spawn_blocking(move || {
        reader.read_line(&mut String::new()).unwrap();
        (child, reader)
    })
    .await
    .unwrap();

    drop(reader);
    environment.send("a.b", json!({})).await;
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();

    assert_eq!(ended.code(), Some(0));
}
