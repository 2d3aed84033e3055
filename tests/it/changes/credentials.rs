//! No part of a credential is in anything that `diff` and `apply` print or write, whatever manifests and Svix have.
//!
//! Credentials are random texts of letters that no word of the output is made of, so any four of them in a row in an
//! output come from a credential. `PROPTEST_CASES=50 cargo test --test it changes::credentials` looks longer.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use base64::Engine as _;
use proptest::{strategy::Strategy as _, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};
use svix_operator::{
    embedded::{EmbeddedSvix, Options},
    manifests::yaml,
};

use crate::support::svix_server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

/// Credentials of one case, and everything that was printed or written in it.
struct Case {
    runner: TestRunner,
    credentials: Vec<String>,
    outputs: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

impl Case {
    fn new(runner: TestRunner) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { runner, credentials: Vec::new(), outputs: Vec::new(), folder }
    }

    /// A new credential of letters and digits.
    fn credential(&mut self) -> String {
        self.of("[QXZJKVWqxzjkvw]{8,20}")
    }

    fn of(&mut self, pattern: &str) -> String {
        let text = pattern.new_tree(&mut self.runner).unwrap().current();
        self.credentials.push(text.clone());
        text
    }

    /// An address with a credential in each part that can be one.
    fn url(&mut self, host: &str) -> String {
        let [user, password, path, query, fragment] = std::array::from_fn(|_| self.credential());
        format!("https://{user}:{password}@{host}/{path}?token={query}#{fragment}")
    }

    /// An address that is a credential as a whole.
    fn secret_url(&mut self) -> String {
        let host = self.of("[qxzjkvw]{8,12}");
        self.url(&format!("{host}.example.org:8443"))
    }

    fn signing_key(&mut self) -> String {
        format!("whsec_{}", self.of("[QXZJKVWqxzjkvw]{32}"))
    }

    /// The manifests of a folder, with credentials of their own.
    fn write(&mut self, folder: &str, path_of_url: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook", "namespace": "shop"},
            "stringData": {
                "address": self.secret_url(), "other": self.url("moved.example.org"), "header": self.credential(),
                "key": self.signing_key(), "unused": self.credential(),
            },
            "data": {"binary": base64::engine::general_purpose::STANDARD.encode(self.credential())},
        });
        let from = |key: &str| json!({"secretKeyRef": {"name": "hook", "key": key}});
        let endpoint = |name: &str, spec: Value| {
            let mut spec = spec;
            spec["eventTypes"] = json!(["order.placed"]);
            json!({
                "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
                "metadata": {"name": name, "namespace": "shop"}, "spec": spec,
            })
        };
        let objects = [
            json!({
                "apiVersion": "svix-operator.dev/v1alpha1", "kind": "SvixConnection",
                "metadata": {"name": "default"},
                "spec": {"ownerId": "prod", "tokenSecretRef": {"name": "svix-token", "key": "token"}},
            }),
            secret,
            json!({
                "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
                "metadata": {"name": "order.placed", "namespace": "shop"},
                "spec": {"schema": {"type": "object", "title": folder}},
            }),
            endpoint(
                "inline",
                json!({
                    "url": self.url("hooks.example.org"),
                    "headers": [
                        {"name": "Authorization", "value": format!("Bearer {}", self.credential())},
                        {"name": "X-Plain", "value": self.credential()},
                        {"name": "X-Number", "value": self.credential()},
                    ],
                }),
            ),
            endpoint(
                "secret",
                json!({
                    "urlFrom": from("address"),
                    "headers": [
                        {"name": "Authorization", "valueFrom": from("header")},
                        {"name": "X-Plain", "valueFrom": from("header")},
                    ],
                    "signingSecret": {"fromSecret": {"name": "hook", "key": "key"}},
                }),
            ),
            // In one folder in the manifest, in the other one in a Secret. Svix does not record where an address came
            // from, so the host of the one that it has is shown beside the one in the manifest.
            endpoint(
                "moved",
                match path_of_url {
                    "inline" => json!({"url": self.url("hooks.example.org")}),
                    _ => json!({"urlFrom": from("other")}),
                },
            ),
        ];
        self.store(folder, "all.yaml", &objects);
    }

    fn store(&self, folder: &str, name: &str, objects: &[Value]) {
        let text: String = objects.iter().map(|object| format!("---\n{}", yaml::write(object))).collect();
        let folder = self.folder.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }

    /// Runs a command and keeps what it prints. Returns its exit code.
    async fn run(&mut self, svix: &str, token: &str, arguments: &[&str]) -> i32 {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.folder.path()).args(arguments).stdin(Stdio::null());
        for variable in ["SVIX_SERVER_URL", "SVIX_AUTH_TOKEN"] {
            command.env_remove(variable);
        }
        command.env("SVIX_URL", svix).env("SVIX_TOKEN", token);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        self.outputs.push((arguments.join(" "), text));
        output.status.code().unwrap()
    }

    /// Keeps the text of a file that a command wrote.
    fn read(&mut self, name: &str) {
        let text = fs::read_to_string(self.folder.path().join(name)).unwrap();
        self.outputs.push((name.to_owned(), text));
    }

    /// Fails if four characters of a credential are in an output, in whatever case.
    fn check(&self) {
        for (of, output) in &self.outputs {
            let lower = output.to_lowercase();
            for credential in self.credentials.iter().map(|credential| credential.to_lowercase()) {
                for window in credential.as_bytes().windows(4) {
                    let part = std::str::from_utf8(window).unwrap();
                    assert!(!lower.contains(part), "{of}: {part:?} of {credential:?} in\n{output}");
                }
            }
        }
    }
}

/// A case, and a server whose token is one of its credentials.
async fn start(runner: TestRunner) -> (Case, EmbeddedSvix) {
    let mut case = Case::new(runner);
    let token = format!("testsk_{}", case.credential());
    let svix = svix_server::start_with(Options { token: Some(token), ..Options::default() }).await;
    (case, svix)
}

fn runners() -> impl Iterator<Item = TestRunner> {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(3);
    let mut runner = TestRunner::deterministic();
    (0..cases).map(move |_| TestRunner::new_with_rng(Default::default(), runner.new_rng()))
}

async fn diff_and_apply(runner: TestRunner) {
    let (mut case, svix) = start(runner).await;
    let (url, token) = (svix.url(), svix.token().to_owned());
    case.write("a", "inline");
    case.write("b", "secret");

    let mut codes = Vec::new();
    for folder in ["a", "b"] {
        for output in ["text", "json", "markdown"] {
            codes.push(case.run(&url, &token, &["diff", folder, "-o", output, "--out", "plan.json"]).await);
        }
        case.read("plan.json");
        codes.push(case.run(&url, &token, &["apply", folder, "--plan", "plan.json", "--yes"]).await);
    }
    assert_eq!(codes, [1, 1, 1, 0, 1, 1, 1, 0], "{:#?}", case.outputs);

    codes.clear();
    for (folder, base) in [("a", "b"), ("b", "a")] {
        for output in ["text", "json", "markdown"] {
            codes.push(case.run(&url, &token, &["diff", folder, "--against", base, "-o", output]).await);
        }
    }
    assert_eq!(codes, [1; 6], "{:#?}", case.outputs);

    // One that somebody made is adopted.
    let by_hand = json!({"url": case.url("by.hand.example.org"), "uid": "prod.shop.taken"});
    let path = format!("{url}/api/v1/app/default/endpoint");
    let made = reqwest::Client::new().post(path).bearer_auth(&token).json(&by_hand).send().await.unwrap();
    assert!(made.status().is_success());
    let taken = json!({
        "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
        "metadata": {"name": "taken", "namespace": "shop"},
        "spec": {
            "urlFrom": {"secretKeyRef": {"name": "hook", "key": "address"}}, "eventTypes": ["order.placed"],
        },
    });
    case.store("b", "taken.yaml", &[taken]);
    let adopted = case.run(&url, &token, &["apply", "b", "--yes"]).await;
    let foreign = case.run(&url, &token, &["diff", "a", "--show-foreign"]).await;
    svix.faults().down(true);
    let down = case.run(&url, &token, &["diff", "b", "--timeout", "2"]).await;
    svix.faults().down(false);
    let another = format!("testsk_{}", case.credential());
    let unauthorized = case.run(&url, &another, &["apply", "b", "--yes"]).await;
    assert_eq!([adopted, foreign, unauthorized], [0, 1, 3], "{:#?}", case.outputs);
    assert_ne!(down, 0, "{:#?}", case.outputs);

    case.check();
    svix.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_credential_is_shown() {
    let cases: Vec<_> = runners().map(|runner| tokio::spawn(diff_and_apply(runner))).collect();

    for case in cases {
        case.await.unwrap();
    }
}

/// Credentials where a mistake makes them part of what a message is about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_show_nothing_of_a_credential() {
    let (mut case, svix) = start(runners().next().unwrap()).await;
    let (url, token) = (svix.url(), svix.token().to_owned());
    let values: Vec<String> = (0..5)
        .map(|index| {
            let (one, other) = (case.credential(), case.credential());
            match index {
                0 => format!("{one}:{other}"),
                1 => format!("https://a.example/{one}\nhttps://a.example/{other}"),
                2 => format!("URL={one}"),
                3 => format!("ftp://{one}:{other}@a.example/{one}"),
                _ => format!("whsec_{one}"),
            }
        })
        .collect();

    for value in &values {
        case.write("m", "inline");
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "wrong", "namespace": "shop"},
            "stringData": {"value": value},
        });
        let reference = json!({"name": "wrong", "key": "value"});
        let specs = [
            json!({"urlFrom": {"secretKeyRef": reference}}),
            json!({"url": "https://a.example", "signingSecret": {"fromSecret": reference}}),
            json!({"url": "https://a.example", "headers": [{"name": "X-A", "valueFrom": {"secretKeyRef": reference}}]}),
        ];
        let endpoints = specs.into_iter().enumerate().map(|(index, mut spec)| {
            spec["eventTypes"] = json!(["order.placed"]);
            json!({
                "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
                "metadata": {"name": format!("wrong-{index}"), "namespace": "shop"}, "spec": spec,
            })
        });
        let objects: Vec<_> = std::iter::once(secret).chain(endpoints).collect();
        case.store("m", "wrong.yaml", &objects);
        assert_eq!(
            case.run(&url, &token, &["diff", "m", "--timeout", "5"]).await,
            1,
            "{:#?}",
            case.outputs.last()
        );

        // And in the manifest itself.
        for (field, value) in [
            ("url", json!(value)),
            ("headers", json!([{"name": format!("{value}="), "value": value}])),
            ("headers", json!([{"name": "X-A", "value": format!("{value}\u{0}")}])),
            ("headers", json!(value)),
            ("signingSecret", json!(value)),
            ("urlFrom", json!({"secretKeyRef": value})),
        ] {
            let mut spec = json!({"url": "https://a.example", "eventTypes": ["order.placed"]});
            spec[field] = value;
            let object = json!({
                "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
                "metadata": {"name": "wrong", "namespace": "shop"}, "spec": spec,
            });
            case.store("m", "wrong.yaml", &[object]);
            let code = case.run(&url, &token, &["diff", "m", "--timeout", "5"]).await;
            assert!([1, 2].contains(&code), "{field}: {:#?}", case.outputs.last());
        }
    }
    // An address of the server with a user, where nothing listens.
    let [user, password] = std::array::from_fn(|_| case.credential());
    let nowhere = format!("http://{user}:{password}@127.0.0.1:9/base");
    fs::remove_file(case.folder.path().join("m/wrong.yaml")).unwrap();
    let code = case.run(&nowhere, &token, &["diff", "m", "--timeout", "2"]).await;
    assert_eq!(code, 2, "{:#?}", case.outputs.last());

    case.check();
    svix.shutdown().await;
}

/// Commits are read with their credentials, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_shows_nothing_of_a_credential() {
    let mut case = Case::new(runners().next().unwrap());
    case.write("m", "inline");
    for arguments in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "-m", "first"]] {
        git(case.folder.path(), arguments);
    }
    case.write("m", "secret");

    let mut codes = Vec::new();
    for output in ["text", "json", "markdown"] {
        codes.push(case.run("", "", &["diff", "m", "--against", "git:HEAD", "-o", output]).await);
    }

    assert_eq!(codes, [1; 3], "{:#?}", case.outputs);
    case.check();
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=test", "-c", "user.email=test@example.org"]).args(arguments);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = git.current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
