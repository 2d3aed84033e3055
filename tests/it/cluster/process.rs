//! Leader election, shutdown, health, metrics, and objects that cannot be read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, GroupVersionKind, WatchEvent, WatchParams},
};
use serde_json::{Value, json};

use crate::support::{
    control_plane::ControlPlane,
    objects::{endpoint, event_type},
    operator::{OPERATOR_NAMESPACE, Operator, install},
    test_namespace::TestNamespace,
    wait::eventually,
};

#[tokio::test]
async fn a_standby_takes_over_when_the_leader_stops() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let tenant = TestNamespace::new(&control_plane, "lead").await;
    let first = Operator::start(&control_plane, &[]);
    eventually("the first to lead", Duration::from_secs(60), async || {
        (first.metric("svix_operator_leader").await == 1.0).then_some(())
    })
    .await;
    let second = Operator::start(&control_plane, &[]);
    second.ready().await;
    tenant.apply([event_type("a.one")]).await;
    tenant.all_ready(1).await;
    assert_eq!(second.metric("svix_operator_leader").await, 0.0, "ready, but not leading");
    // Who reads its log learns where the work is done.
    let holder =
        ["get", "lease", "-n", OPERATOR_NAMESPACE, "svix-operator", "-o", "jsonpath={.spec.holderIdentity}"];
    let holder = control_plane.kubectl(&holder).await.expect_success();
    let log = second.log_text();
    let reported: Vec<_> = log.lines().filter(|line| line.contains("standing by")).collect();
    let stated = format!("standing by; {holder} leads");
    assert!(matches!(reported[..], [line] if line.contains("INFO") && line.contains(&stated)), "{log}");

    let reported = Instant::now();
    first.signal("TERM");
    first.ended(Duration::from_secs(10)).await;
    assert!(reported.elapsed() < Duration::from_secs(5), "{:?}", reported.elapsed());
    eventually("the second to lead", Duration::from_secs(30), async || {
        (second.metric("svix_operator_leader").await == 1.0).then_some(())
    })
    .await;
    tenant.apply([event_type("a.two")]).await;
    tenant.all_ready(2).await;
}

#[tokio::test]
async fn a_leader_that_loses_the_api_server_stops_and_says_so() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let operator = Operator::start(&control_plane, &[]);
    eventually("it to lead", Duration::from_secs(60), async || {
        (operator.metric("svix_operator_leader").await == 1.0).then_some(())
    })
    .await;
    control_plane.stop_api_server().await;
    operator.ended(Duration::from_secs(30)).await;
    // The last lines may be read a moment after the process has ended.
    eventually("it to say so", Duration::from_secs(10), async || {
        operator.log_text().contains("the lease is lost").then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_object_that_cannot_be_read_does_not_stop_the_others() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    // A definition that lets anything in, as an older or a newer one might.
    let anything = json!([{
        "op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema",
        "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }]);
    let name = "webhookendpoints.svix-operator.dev";
    control_plane
        .kubectl(&["patch", "crd", name, "--type=json", "-p", &anything.to_string()])
        .await
        .expect_success();
    let tenant = TestNamespace::new(&control_plane, "odd").await;
    let odd = endpoint("odd", &["a.one"]).with("url", 5);
    eventually("the definition to be in force", Duration::from_secs(30), async || {
        let applied = tenant.try_apply(&[tenant.mine(odd.clone()).0]).await;
        if applied.success { Ok(()) } else { Err(applied.stderr) }
    })
    .await;
    let operator = Operator::start(&control_plane, &["--no-leader-election"]);
    operator.ready().await;
    tenant.apply([event_type("a.one"), endpoint("good", &["a.one"])]).await;
    tenant.wait_for_reason("webhookendpoint", "good", "InSync").await;
    let log = operator.log_text();
    assert!(log.contains(&format!("WebhookEndpoint/{}/odd", tenant.name)), "{log}");
}

#[tokio::test]
async fn metrics_tell_what_it_does() {
    let operator = Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "metrics").await;
    tenant.apply([event_type("a.one"), endpoint("hook", &["a.one"])]).await;
    tenant.all_ready(2).await;
    assert_eq!(operator.get("/livez").await.as_deref(), Some("ok\n"));
    for name in [
        r#"svix_operator_svix_requests_total{operation="endpoint.create",status="ok"}"#,
        r#"svix_operator_reconciles_total{kind="WebhookEventType",outcome="ready"}"#,
        r#"svix_operator_objects{kind="WebhookEndpoint",ready="true"}"#,
        r#"svix_operator_status_patches_total{kind="WebhookEndpoint"}"#,
        "svix_operator_queue_latency_seconds_count",
        "svix_operator_budget_wait_seconds_count",
    ] {
        assert!(operator.metric(name).await >= 1.0, "{name}\n{:?}", operator.get("/metrics").await);
    }
}

fn of_ready<'a>(status: &'a Value, field: &str) -> &'a str {
    let conditions = status["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
    ready[field].as_str().unwrap()
}

#[tokio::test]
async fn status_is_written_at_most_twice_per_change() {
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "patches").await;
    // Watched from before the objects are made: every status that is ever stored counts.
    let stored: Arc<Mutex<HashMap<String, Vec<Value>>>> = Arc::default();
    let watches = ["WebhookEventType", "WebhookEndpoint"].map(|kind| {
        let kind = GroupVersionKind::gvk("svix-operator.dev", "v1alpha1", kind);
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> =
            Api::namespaced_with(tenant.control_plane.client(), &tenant.name, &resource);
        let stored = stored.clone();
        tokio::spawn(async move {
            let mut events = api.watch(&WatchParams::default(), "0").await.unwrap().boxed();
            while let Some(Ok(event)) = events.next().await {
                if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
                    let mut stored = stored.lock().unwrap();
                    let seen = stored.entry(object.name_any()).or_default();
                    let status = &object.data["status"];
                    if !status.is_null() && seen.last() != Some(status) {
                        seen.push(status.clone());
                    }
                }
            }
        })
    });
    let names: Vec<_> = (0..20).map(|i| format!("group.event{i:02}")).collect();
    let endpoints = names.iter().enumerate().map(|(i, name)| endpoint(&format!("hook{i:02}"), &[name]));
    tenant.apply(endpoints.chain(names.iter().map(|name| event_type(name))).collect::<Vec<_>>()).await;
    tenant.all_ready(40).await;
    eventually("the watches to have seen all", Duration::from_secs(30), async || {
        let stored = stored.lock().unwrap();
        let ready =
            stored.values().filter(|seen| seen.last().unwrap()["conditions"][0]["status"] == "True").count();
        if ready == 40 { Ok(()) } else { Err(format!("{ready} of {}", stored.len())) }
    })
    .await;
    watches.iter().for_each(tokio::task::JoinHandle::abort);
    for (name, seen) in &*stored.lock().unwrap() {
        let reported: Vec<_> =
            seen.iter().map(|status| (of_ready(status, "reason"), of_ready(status, "message"))).collect();
        // Waiting, where that lasted, and done. What an object waits for may become known only while it waits, on a
        // machine where that takes seconds.
        let mut reasons: Vec<_> = reported.iter().map(|(reason, _)| reason).collect();
        reasons.dedup();
        let mut once = reported.clone();
        once.sort();
        once.dedup();
        assert!(reasons.len() <= 2 && once.len() == reported.len(), "{name}: {reported:?}");
    }
    // The shared operator counts for every test, so this one asks its log for its own namespace.
    let log = Operator::shared().await.log_text();
    let made =
        log.lines().filter(|line| line.contains(&tenant.name) && line.contains("action=\"Created\"")).count();
    assert_eq!(made, 40, "one line for each change, none for a look");
}
