//! The documentation says what the program does: reasons, Events and metrics are all there, and no others.

use std::collections::BTreeSet;

use svix_operator::{
    api::Reason,
    engine::Happened,
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
    assert_eq!(explained, names(Happened::ALL.iter().map(|happened| happened.as_str())));
}

/// What a process tells to which everything happened once: what never happened is not told.
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
