//! Dashboard and alerts: made of metrics that exist, and with Prometheus' own engine.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{CHART, chart, file, named};
use crate::{docs::every_metric, support::tools::tool};

/// The queries of the dashboard, by panel, with its variables filled in.
pub fn panels(namespace: &str, job: &str) -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&file(&format!("{CHART}/files/dashboard.json"))).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let queries = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(|target| {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$namespace", namespace).replace("$job", job);
            (panel["title"].as_str().unwrap().to_owned(), query.replace("$__rate_interval", "5m"))
        })
    });
    queries.collect()
}

/// The alerts of the chart for the release `svix-operator`.
async fn alerts() -> Vec<(String, String)> {
    let objects = chart("separate").await;
    let groups = named(&objects, "PrometheusRule", "svix-operator")["spec"]["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    rules
        .filter(|rule| rule["alert"] != "Own")
        .inspect(|rule| {
            for (what, least) in [("summary", 10), ("description", 60)] {
                let text = rule["annotations"][what].as_str().unwrap_or_default();
                assert!(text.len() > least, "{}: no {what} that helps", rule["alert"]);
            }
        })
        .map(|rule| (rule["alert"].as_str().unwrap().to_owned(), rule["expr"].as_str().unwrap().to_owned()))
        .collect()
}

/// Names of our metrics that a text has.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("svix_operator_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn dashboard_and_alerts_use_metrics_that_exist() {
    let text = every_metric();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let exist: BTreeSet<_> =
        samples.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect();
    let mut used = BTreeSet::new();
    for (_, query) in panels("a", "b").into_iter().chain(alerts().await) {
        used.extend(metrics_in(&query));
    }
    let unknown: Vec<_> = used.difference(&exist).collect();
    assert!(used.len() > 15 && unknown.is_empty(), "{unknown:?}");
    // And the other way round: an operator on call sees all that is measured. A histogram is shown by its buckets, or by
    // its sum.
    let family = |name: &str| {
        let end = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end));
        end.unwrap_or(name).to_owned()
    };
    let shown: BTreeSet<_> = used.iter().map(|name| family(name)).collect();
    let hidden: BTreeSet<_> =
        exist.iter().map(|name| family(name)).filter(|it| !shown.contains(it)).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

/// Text of metrics at some minutes, scraped as the chart's ServiceMonitor has it. A value grows by `step` each minute.
fn scrapes(lines: &[(&str, f64, f64)], endpoint: &str) -> Vec<Value> {
    let minutes = (0..=60).map(|minute: i32| {
        let text: String = lines
            .iter()
            .map(|(name, first, step)| format!("{name} {}\n", first + step * f64::from(minute)))
            .collect();
        let labels =
            json!({"namespace": "svix-operator", "job": "svix-operator-metrics", "endpoint": endpoint, "pod": "a"});
        json!({"at": minute * 60, "labels": labels, "type": "text/plain", "text": text})
    });
    minutes.collect()
}

async fn ask(scrapes: Vec<Value>, queries: &[String]) -> Vec<Value> {
    let queries: Vec<_> = queries.iter().map(|expr| json!({"at": 3600, "expr": expr})).collect();
    let question = json!({"scrapes": scrapes, "queries": queries}).to_string();
    let answers = tool("promql", None, &[], &question).await.expect_success();
    serde_json::from_str(&answers).unwrap()
}

/// What a healthy operator tells in an hour.
const HEALTHY: [(&str, f64, f64); 12] = [
    ("svix_operator_leader", 1.0, 0.0),
    ("svix_operator_objects{kind=\"WebhookEndpoint\",ready=\"true\"}", 7.0, 0.0),
    ("svix_operator_objects{kind=\"WebhookEndpoint\",ready=\"false\"}", 0.0, 0.0),
    ("svix_operator_queue_depth", 0.0, 0.0),
    ("svix_operator_reconciles_total{kind=\"WebhookEndpoint\",outcome=\"ready\"}", 5.0, 3.0),
    ("svix_operator_svix_requests_total{operation=\"endpoint.list\",status=\"ok\"}", 5.0, 3.0),
    ("svix_operator_certificate_not_after_timestamp_seconds{certificate=\"serving\"}", 2_000_000.0, 0.0),
    ("svix_operator_certificate_reloads_total{result=\"ok\"}", 1.0, 0.0),
    ("svix_operator_admission_reviews_total{kind=\"WebhookEvent\",outcome=\"admitted\"}", 9.0, 2.0),
    ("svix_operator_admission_payload_violations_total{policy=\"Enforce\"}", 3.0, 0.0),
    ("svix_operator_gateway_violations_total{policy=\"Enforce\"}", 3.0, 0.0),
    ("up", 1.0, 0.0),
];

#[tokio::test]
async fn each_alert_fires_on_its_cause_and_none_without() {
    let alerts = alerts().await;
    let queries: Vec<_> = alerts.iter().map(|(_, query)| query.clone()).collect();
    let quiet = ask(scrapes(&HEALTHY, "webhook-metrics"), &queries).await;
    for ((alert, _), answer) in alerts.iter().zip(&quiet) {
        assert_eq!(answer, &json!({"series": []}), "{alert} fires, and nothing is wrong");
    }

    let error = |class: &str| {
        format!("svix_operator_reconcile_errors_total{{kind=\"WebhookEndpoint\",class=\"{class}\"}}")
    };
    let call = |status: &str| {
        format!("svix_operator_svix_requests_total{{operation=\"endpoint.list\",status=\"{status}\"}}")
    };
    let causes: [(&str, String, f64, f64); 12] = [
        ("SvixOperatorNoLeader", "svix_operator_leader".into(), 0.0, 0.0),
        (
            "SvixOperatorObjectsNotReady",
            "svix_operator_objects{kind=\"WebhookEndpoint\",ready=\"false\"}".into(),
            1.0,
            0.0,
        ),
        ("SvixOperatorUnauthorized", call("unauthorized"), 0.0, 0.5),
        ("SvixOperatorSvixFailing", call("transport"), 0.0, 2.0),
        ("SvixOperatorThrottled", call("throttled"), 0.0, 0.5),
        ("SvixOperatorPanicked", error("panic"), 0.0, 0.5),
        ("SvixOperatorDrift", "svix_operator_drift_total{kind=\"WebhookEndpoint\"}".into(), 0.0, 0.1),
        ("SvixOperatorWebhookDown", "up".into(), 0.0, 0.0),
        (
            "SvixOperatorCertificateEnds",
            "svix_operator_certificate_not_after_timestamp_seconds{certificate=\"serving\"}".into(),
            100_000.0,
            0.0,
        ),
        (
            "SvixOperatorCertificateUnusable",
            "svix_operator_certificate_reloads_total{result=\"unusable\"}".into(),
            0.0,
            1.0,
        ),
        (
            "SvixOperatorPayloadsRefused",
            "svix_operator_admission_payload_violations_total{policy=\"Enforce\"}".into(),
            0.0,
            1.0,
        ),
        // That objects wait is half of the cause; the other half is below.
        ("SvixOperatorQueueStuck", "svix_operator_queue_depth".into(), 5.0, 0.0),
    ];
    let with_a_cause: BTreeSet<_> = causes.iter().map(|(alert, ..)| *alert).collect();
    assert_eq!(with_a_cause, alerts.iter().map(|(alert, _)| alert.as_str()).collect());
    for (alert, name, first, step) in causes {
        let mut lines: Vec<_> = HEALTHY.into_iter().filter(|(other, ..)| *other != name).collect();
        if alert == "SvixOperatorQueueStuck" {
            lines.retain(|(other, ..)| !other.starts_with("svix_operator_reconciles_total"));
            lines.push((HEALTHY[4].0, 5.0, 0.0));
        }
        lines.push((&name, first, step));
        let answers = ask(scrapes(&lines, "webhook-metrics"), &queries).await;
        let fired: Vec<_> = alerts
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| answer["series"] != json!([]))
            .map(|((alert, _), _)| alert.as_str())
            .collect();
        assert_eq!(fired, [alert], "{answers:?}");
    }
    // Nothing is scraped at all.
    let answers = ask(Vec::new(), &queries).await;
    let fired = alerts.iter().zip(&answers).filter(|(_, answer)| answer["series"] != json!([]));
    let fired: Vec<_> = fired.map(|((alert, _), _)| alert.as_str()).collect();
    assert_eq!(fired, ["SvixOperatorNoLeader", "SvixOperatorWebhookDown"]);
}

/// Asks for each panel's data, of what processes told at two moments a minute apart; answers the panels without any.
pub async fn panels_without_data(reported: &[(&str, [String; 2])]) -> Vec<String> {
    let mut all = Vec::new();
    for (endpoint, texts) in reported {
        for (text, at) in texts.iter().zip([3540, 3600]) {
            let labels =
                json!({"namespace": "svix-operator", "job": "svix-operator-metrics", "endpoint": endpoint});
            let kind = "application/openmetrics-text; version=1.0.0";
            all.push(json!({"at": at, "labels": labels, "type": kind, "text": text}));
        }
    }
    let panels = panels("svix-operator", "svix-operator-metrics");
    let queries: Vec<_> = panels.iter().map(|(_, query)| query.clone()).collect();
    let answers = ask(all, &queries).await;
    let empty = panels.into_iter().zip(answers).filter(|(_, answer)| {
        let series = answer["series"].as_array();
        series.is_none_or(|series| series.is_empty() || series.iter().all(|one| one["value"].is_null()))
    });
    empty.map(|((title, query), answer)| format!("{title}: {query}: {answer}")).collect()
}
