//! `svix-operator export`: what it writes, and that the operator adopts it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};
use svix_operator::{
    embedded::{EmbeddedSvix, FaultPlan, Snapshot},
    manifests::{self, Loaded},
};

use crate::support::{ports::free_address, svix_server};

mod adoption;
mod properties;
mod scale;
mod swh;

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");
const OWNER: &str = "svix-operator.dev/owner";

/// An environment in Svix that somebody made through its API.
struct Environment {
    svix: EmbeddedSvix,
    http: reqwest::Client,
}

impl Environment {
    async fn new() -> Self {
        crate::support::control_plane::no_build_under_way().await;
        Self { svix: svix_server::start().await, http: reqwest::Client::new() }
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = self
            .http
            .request(method.parse().unwrap(), format!("{}/api/v1{path}", self.svix.url()))
            .bearer_auth(self.svix.token());
        let request = if body.is_null() { request } else { request.json(body) };
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{method} {path} {body}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call("POST", path, &body).await
    }

    /// Runs `export`, with the Secrets, into a folder.
    fn export(&self, folder: &Path, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(["export", "--svix-url", &self.svix.url(), "--output"])
            .arg(folder)
            .args(arguments)
            .env("SVIX_TOKEN", self.svix.token())
            .output()
            .unwrap()
    }

    /// Runs `export`, which must succeed, and returns what it prints.
    fn exported(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = self.export(folder, arguments);
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        printed
    }

    /// Runs `diff` on a folder, and returns its exit code and the last line.
    fn diff(&self, folder: &Path) -> (Option<i32>, String) {
        let mut command = Command::new(PROGRAM);
        command
            .args(["diff", "--svix-url", &self.svix.url()])
            .arg(folder)
            .env("SVIX_TOKEN", self.svix.token());
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let printed = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), printed.lines().last().unwrap_or_default().to_owned())
    }

    /// Runs `dev --once` on a folder, which must end in sync, and returns the writes to Svix.
    fn applied(&self, folder: &Path) -> Vec<String> {
        self.svix.clear_calls();
        let output = Command::new(PROGRAM)
            .args(["dev", "--once", "--svix-url", &self.svix.url()])
            .arg(folder)
            .env("SVIX_TOKEN", self.svix.token())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        let writes = self.svix.calls().into_iter().filter(|call| call.is_write());
        writes.map(|call| format!("{} {}", call.operation, call.path)).collect()
    }
}

/// Returns what Svix has, without what the operator marks.
fn unmarked(mut snapshot: Snapshot) -> Snapshot {
    for application in snapshot.applications.values_mut() {
        application.times = None;
        for endpoint in application.endpoints.values_mut() {
            endpoint.metadata.remove(OWNER);
            endpoint.times = None;
        }
    }
    snapshot
}

/// Returns the texts of all files below a folder, by path.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read_to_string(&path).unwrap());
        }
    }
    found
}

/// Reads the manifests, which must have no mistake and no warning.
fn load(folder: &Path) -> Loaded {
    let loaded = manifests::load(folder);
    assert!(loaded.problems.is_empty() && loaded.warnings.is_empty(), "{:?}", loaded.problems);
    loaded
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_svix_that_fails_leaves_nothing_behind() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("new");
    let environment = Environment::new().await;
    environment.post("/app", json!({"name": "a", "uid": "a"})).await;
    let export = |url: &str, token: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(["export", "--svix-url", url, "--output"]).arg(&folder).env("SVIX_TOKEN", token);
        command.output().unwrap()
    };

    for (url, token, code) in [
        (format!("http://{}", free_address()), "x", 3),
        (environment.svix.url(), "wrong", 3),
        ("ftp://a.example".to_owned(), "x", 2),
    ] {
        let output = export(&url, token);

        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.starts_with("error: ") && errors.lines().count() == 1, "{errors}");
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_with_files_is_refused() {
    let environment = Environment::new().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.yaml"), "mine: true\n").unwrap();

    let refused = environment.export(folder.path(), &[]);
    let overwritten = environment.export(folder.path(), &["--overwrite"]);

    assert_eq!(refused.status.code(), Some(2));
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(message.contains("--overwrite"), "{message}");
    assert_eq!(overwritten.status.code(), Some(0));
    assert_eq!(files(folder.path())[&folder.path().join("mine.yaml")], "mine: true\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_selected_is_exported() {
    let environment = Environment::new().await;
    for name in ["order.placed", "order.paid", "user.created"] {
        environment.post("/event-type", json!({"name": name, "description": ""})).await;
    }
    for app in ["acme-1", "acme-2", "other"] {
        environment.post("/app", json!({"name": app, "uid": app})).await;
        for (uid, owner) in [("hook", None), ("owned", Some("prod/ns/owned"))] {
            let uid = format!("{uid}-{app}");
            let mark = owner.map(|owner| json!({OWNER: format!("{owner}-{app}")})).unwrap_or(json!({}));
            let body = json!({"url": "https://a.example/", "uid": uid, "eventTypes": ["order.paid"], "metadata": mark});
            environment.post(&format!("/app/{app}/endpoint"), body).await;
        }
    }

    for (arguments, event_types, endpoints) in [
        (
            &[][..],
            3,
            vec![
                "acme-1.hook-acme-1",
                "acme-2.hook-acme-2",
                "other.hook-other",
                "owned-acme-1",
                "owned-acme-2",
                "owned-other",
            ],
        ),
        (
            &["--select", "application=acme-*", "--select", "owner="],
            3,
            vec!["acme-1.hook-acme-1", "acme-2.hook-acme-2"],
        ),
        (&["--select", "endpoint=hook-other", "--select", "event-type=user.*"], 1, vec!["other.hook-other"]),
        (&["--select", "owner=prod", "--select", "application=other"], 3, vec!["owned-other"]),
        // Endpoints of another owner than ours cannot be adopted.
        (&["--owner-id", "us", "--select", "application=other"], 3, vec!["other.hook-other"]),
    ] {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("out");

        let printed = environment.exported(&folder, arguments);

        let loaded = load(&folder);
        let mut names: Vec<_> =
            loaded.endpoints.iter().map(|found| found.object.metadata.name.clone().unwrap()).collect();
        names.sort();
        assert_eq!(
            (loaded.event_types.len(), names),
            (event_types, endpoints.iter().map(ToString::to_string).collect()),
            "{arguments:?} {printed}"
        );
        assert_eq!(printed.contains("--owner-id prod exports"), arguments.contains(&"us"), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_svix_that_is_busy_is_asked_again() {
    let environment = Environment::new().await;
    environment.post("/event-type", json!({"name": "a.one", "description": ""})).await;
    environment.post("/app", json!({"name": "app", "uid": "app"})).await;
    for index in 0..50 {
        let body =
            json!({"url": "https://a.example/", "uid": format!("hook-{index}"), "eventTypes": ["a.one"]});
        environment.post("/app/app/endpoint", body).await;
    }
    environment.svix.clear_calls();
    environment.svix.faults().set(FaultPlan {
        throttled: 0.1,
        retry_after: 0..=0,
        errors: 0.03,
        drop_before: 0.02,
        ..FaultPlan::default()
    });
    let folder = tempfile::tempdir().unwrap();

    environment.exported(folder.path(), &[]);

    let failed = environment.svix.calls().iter().filter(|call| call.status != 200).count();
    assert!(failed > 0, "no fault was injected");
    assert_eq!(load(folder.path()).endpoints.len(), 50);
}
