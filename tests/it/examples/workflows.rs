//! The workflows of GitHub Actions: actionlint finds nothing in them, and the commands of their steps do what they say.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use svix_operator::embedded::EmbeddedSvix;

use crate::support::{git::Repository, svix_server, tools::tool};

const FOLDER: &str = "examples/github-actions";
const EVENT_TYPE: &str = "\
apiVersion: svix-operator.dev/v1alpha1
kind: SvixConnection
metadata: {name: default}
spec: {ownerId: prod, tokenSecretRef: {name: svix-token, key: token}}
---
apiVersion: svix-operator.dev/v1alpha1
kind: WebhookEventType
metadata: {name: order.placed, namespace: shop}
spec:
  description: An order was placed.
";

#[tokio::test]
async fn actionlint_finds_nothing() {
    let files: Vec<String> =
        fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
    assert!(files.len() >= 2, "{files:?}");

    // Whether this machine has shellcheck must not matter.
    let mut arguments = vec!["-shellcheck=", "-pyflakes=", "-no-color"];
    arguments.extend(files.iter().map(String::as_str));
    let found = tool("actionlint", None, &arguments, "").await;

    assert_eq!(found.expect_success(), "");
}

/// The commands of a step.
fn step(workflow: &str, job: &str, name: &str) -> String {
    let text = fs::read_to_string(format!("{FOLDER}/{workflow}")).unwrap();
    let workflow: Value = serde_yaml::from_str(&text).unwrap();
    let steps = workflow["jobs"][job]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}"));
    step["run"].as_str().unwrap().to_owned()
}

/// Runs the commands of a step as a runner does. Returns the exit code and what was printed.
async fn run(folder: &Path, commands: String, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_svix-operator"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [program.parent().unwrap().to_owned()];
    let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path))).unwrap();
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", &commands]).current_dir(folder);
    for name in ["GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        bash.env(name, folder.join(name));
    }
    bash.env("PATH", path).env("MANIFESTS", "manifests").envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || bash.output().unwrap()).await.unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[tokio::test]
async fn a_pull_request_gets_a_comment() {
    let repository = Repository::new();
    repository.write("manifests/all.yaml", EVENT_TYPE);
    repository.git(&["add", "."]);
    repository.git(&["commit", "--quiet", "-m", "first"]);
    repository.write("manifests/all.yaml", EVENT_TYPE.replace("An order", "A new order"));
    let (folder, workflow) = (repository.folder(), "svix-pull-request.yaml");

    let validated = run(folder, step(workflow, "review", "Validate"), &[("BASE", "HEAD")]).await;
    let compared = run(folder, step(workflow, "review", "Compare with the base"), &[("BASE", "HEAD")]).await;

    assert_eq!((validated.0, compared), (Some(0), (Some(0), String::new())), "{}", validated.1);
    let comment = fs::read_to_string(folder.join("comment.md")).unwrap();
    assert!(comment.starts_with("### Changes in Svix\n\n1 to change"), "{comment}");
    let line = "~ description: \"An order was placed.\" → \"A new order was placed.\"";
    assert!(comment.contains(line), "{comment}");
}

#[tokio::test]
async fn a_forbidden_schema_change_is_annotated() {
    let repository = Repository::new();
    let with = |types: &str| {
        format!("{EVENT_TYPE}  compatibility: {{action: Enforce}}\n  schema: {{type: {types}}}\n")
    };
    repository.write("manifests/all.yaml", with("object"));
    repository.git(&["add", "."]);
    repository.git(&["commit", "--quiet", "-m", "first"]);
    repository.write("manifests/all.yaml", with("[object, string]"));
    let (folder, workflow) = (repository.folder(), "svix-pull-request.yaml");

    let validated = run(folder, step(workflow, "review", "Validate"), &[("BASE", "HEAD")]).await;
    let compared = run(folder, step(workflow, "review", "Compare with the base"), &[("BASE", "HEAD")]).await;

    assert_eq!((validated.0, compared.0), (Some(0), Some(0)), "{} {}", validated.1, compared.1);
    assert!(validated.1.contains("::error file=manifests/all.yaml,line=12,"), "{}", validated.1);
    assert_eq!(fs::read_to_string(folder.join("GITHUB_ENV")).unwrap(), "FORBIDDEN=1\n");
}

#[tokio::test]
async fn a_merge_is_planned_and_applied() {
    let (svix, repository) = (svix_server::start().await, Repository::new());
    repository.write("manifests/all.yaml", EVENT_TYPE);
    let (folder, workflow) = (repository.folder(), "svix-apply.yaml");
    let url = svix.url();
    let server = [("SVIX_URL", url.as_str()), ("SVIX_TOKEN", svix.token())];
    let output = || fs::read_to_string(folder.join("GITHUB_OUTPUT")).unwrap();

    let planned = run(folder, step(workflow, "plan", "Plan"), &server).await;
    assert_eq!((planned.0, output().as_str()), (Some(0), "changes=true\n"), "{}", planned.1);
    assert!(svix.snapshot().event_types.is_empty());
    let applied = run(folder, step(workflow, "apply", "Apply"), &server).await;
    let again = run(folder, step(workflow, "plan", "Plan"), &server).await;

    assert_eq!((applied.0, again.0), (Some(0), Some(0)), "{} {}", applied.1, again.1);
    assert_eq!(description(&svix), "An order was placed.");
    assert_eq!(output(), "changes=true\nchanges=false\n");
}

fn description(svix: &EmbeddedSvix) -> String {
    svix.snapshot().event_types["order.placed"].description.clone()
}
