//! The documentation says what the program does: reasons, Events and metrics are all there, and no others.

use std::{collections::BTreeSet, process::Command};

use crate::support::svix_server;
use serde_json::json;
use svix_operator::{
    api::Reason,
    engine::EventReason,
    telemetry::{Metrics, ObjectCount},
};

fn page(name: &str) -> String {
    std::fs::read_to_string(format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What the first column of the tables under a heading names.
fn first_column(page: &str, heading: &str) -> BTreeSet<String> {
    let section = page.split(&format!("\n## {heading}\n")).nth(1).expect("the heading");
    let section = section.split("\n## ").next().unwrap();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect()
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_reason_of_a_condition_is_explained() {
    let explained = first_column(&page("conditions.md"), "Reasons");
    assert_eq!(explained, names(Reason::ALL.iter().map(|reason| reason.as_str())));
}

#[test]
fn every_event_is_explained() {
    let explained = first_column(&page("conditions.md"), "Events");
    assert_eq!(explained, names(EventReason::ALL.iter().map(|happened| happened.as_str())));
}

/// What a process tells to which everything happened once: what never happened is not reported.
pub fn every_metric() -> String {
    let (metrics, moment) = (Metrics::default(), std::time::Duration::from_millis(1));
    metrics.reconciled("WebhookEndpoint", "ready", moment);
    metrics.reconcile_error("WebhookEndpoint", "server");
    metrics.svix_call("endpoint.list", "ok", moment);
    metrics.drift("WebhookEndpoint");
    metrics.payload_mismatch("Warn");
    metrics.status_patched("WebhookEndpoint");
    let admission = metrics.admission();
    admission.reviewed("WebhookEvent", "admitted", moment);
    admission.payload_violated("Warn");
    admission.certificate_end("serving", 1);
    admission.certificate_reloaded(true);
    metrics.gateway().violated("Enforce");
    let count = ObjectCount { kind: "WebhookEndpoint", ready: 1, not_ready: 0, unknown: 0, differing: 0 };
    metrics.on_scrape(move || (vec![count], (0, 0)));
    metrics.encode()
}

#[test]
fn every_metric_is_explained() {
    let explained = first_column(&page("running.md"), "Metrics");
    let text = every_metric();
    let registered = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_whitespace().next());
    assert_eq!(explained, names(registered));
}

#[test]
fn every_test_that_security_names_exists() {
    let page = page("security.md");
    let brackets = page.split('[').skip(1).filter_map(|rest| rest.split(']').next());
    let named: Vec<&str> = brackets
        .filter(|text| text.starts_with('`'))
        .flat_map(|text| text.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 10, "{named:?}");

    let mut tests = String::new();
    let mut folders =
        vec![format!("{}/tests", env!("CARGO_MANIFEST_DIR")), format!("{}/src", env!("CARGO_MANIFEST_DIR"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.to_str().unwrap().to_owned());
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                tests.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }

    let missing: Vec<_> = named
        .into_iter()
        .filter(|name| !tests.contains(&format!("fn {name}(")) && !tests.contains(&format!("mod {name};")))
        .collect();
    assert!(missing.is_empty(), "named in docs/security.md, and not there: {missing:?}");
}

#[test]
fn links_between_pages_lead_somewhere() {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut pages = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for entry in std::fs::read_dir(format!("{root}/docs")).unwrap() {
        pages.push(format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    }
    for page in pages.iter().filter(|page| page.ends_with(".md")) {
        let text = std::fs::read_to_string(format!("{root}/{page}")).unwrap();
        let folder = std::path::Path::new(root).join(page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            // A pattern in the reference may look like a link.
            let is_link = !target.is_empty() && !target.contains('[');
            if is_link && !target.contains("://") {
                assert!(folder.join(target).exists(), "{page}: {link}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_export_of_the_page_writes_equal_manifests() {
    // Given event types that somebody else made
    let svix = svix_server::start().await;
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#", "title": "It was \u{fc}ber \"quick\"",
        "type": "object", "properties": {"at": {"type": ["string", "null"], "format": "date-time"}},
    });
    for name in ["origin.create", "origin.visit"] {
        let body = json!({"name": name, "description": "A: b # c", "schemas": {"1": schema}});
        let post = reqwest::Client::new().post(format!("{}/api/v1/event-type", svix.url()));
        let made = post.bearer_auth(svix.token()).json(&body).send().await.unwrap();
        assert_eq!(made.status(), 201);
    }
    svix.clear_calls();
    // When the command of the page writes manifests
    let page = page("from-swh-webhooks.md");
    let command = page.lines().find_map(|line| line.strip_prefix("$ svix-operator export ")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (url, place) = (svix.url(), folder.path().display().to_string());
    let arguments = command.split(' ').map(|argument| match argument {
        "https://svix.example.org" => &url,
        "manifests" => &place,
        other => other,
    });
    let export = Command::new(env!("CARGO_BIN_EXE_svix-operator"))
        .arg("export")
        .args(arguments)
        .env("SVIX_TOKEN", svix.token())
        .output()
        .unwrap();
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    // Then they are taken over as they are.
    let dev = Command::new(env!("CARGO_BIN_EXE_svix-operator"))
        .args(["dev", "--once", "--svix-url", &svix.url()])
        .arg(folder.path())
        .env("SVIX_TOKEN", svix.token())
        .output()
        .unwrap();
    let stated = String::from_utf8_lossy(&dev.stdout);
    assert!(dev.status.success() && stated.contains("3 objects: 3 in sync"), "{stated}");
    let writes = svix.calls().into_iter().filter(svix_operator::embedded::Call::is_write).count();
    assert_eq!(writes, 0);
}
