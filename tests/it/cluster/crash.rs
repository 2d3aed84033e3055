//! Killed at any moment, the operator goes on where it was.

use std::{collections::BTreeSet, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use svix_operator::embedded::FaultPlan;

use crate::support::{
    control_plane::ControlPlane,
    objects::{Manifest, endpoint, event_type},
    operator::{Operator, install},
    test_namespace::TestNamespace,
    wait::eventually,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_random_kills_leave_what_is_declared() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let tenant = TestNamespace::with_connection(&control_plane, "crash", |connection| connection).await;
    // Slow enough that the objects do not converge before the kills are through.
    tenant.svix.faults().set(FaultPlan { latency: Duration::from_millis(40), ..FaultPlan::default() });
    let foreign = reqwest::Client::new()
        .post(format!("{}/api/v1/event-type", tenant.svix.url()))
        .bearer_auth(tenant.svix.token())
        .json(&json!({"name": "foreign.type", "description": "theirs"}));
    assert!(foreign.send().await.unwrap().status().is_success());
    let before = tenant.svix.snapshot().event_types["foreign.type"].clone();

    let kinds: Vec<String> = (0..250).map(|i| format!("group.event{i:03}")).collect();
    let manifests: Vec<Manifest> = kinds
        .iter()
        .enumerate()
        .flat_map(|(i, name)| {
            [event_type(name).with("description", format!("{i}")), endpoint(&format!("hook{i:03}"), &[name])]
        })
        .collect();
    tenant.apply(manifests).await;

    let mut random = StdRng::seed_from_u64(11);
    for _ in 0..20 {
        // A concurrency that lets the work last.
        let operator = Operator::start(&control_plane, &["--concurrency", "4", "--no-leader-election"]);
        operator.ready().await;
        let writes = || tenant.svix.calls().iter().filter(|call| call.is_write()).count();
        let (at, goal) = (writes(), writes() + random.random_range(1..40));
        // A random moment in the stream of writes, or after it.
        eventually("some more writes, or the end", Duration::from_secs(60), async || {
            let done = tenant
                .svix
                .snapshot()
                .applications
                .get("default")
                .is_some_and(|app| app.endpoints.len() == 250);
            if done || writes() >= goal {
                Ok(())
            } else {
                Err(format!("{} writes since {at}", writes() - at))
            }
        })
        .await;
        operator.signal("KILL");
        operator.ended(Duration::from_secs(10)).await;
    }

    let _operator = Operator::start(&control_plane, &["--no-leader-election"]);
    tenant.all_ready(500).await;
    let held = tenant.svix.snapshot();
    assert_eq!(held.event_types["foreign.type"], before);
    let made: BTreeSet<_> = held.event_types.keys().filter(|name| *name != "foreign.type").cloned().collect();
    assert_eq!(made, kinds.iter().cloned().collect());
    for (i, name) in kinds.iter().enumerate() {
        assert_eq!(held.event_types[name].description, i.to_string());
    }
    let endpoints = &held.applications["default"].endpoints;
    let uids: BTreeSet<_> = endpoints.values().filter_map(|endpoint| endpoint.uid.clone()).collect();
    assert_eq!((endpoints.len(), uids.len()), (250, 250), "no duplicate, nothing missing");
    assert_eq!(held.applications.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_before_a_slow_listing_writes_nothing() {
    // Given objects in sync, and no operator
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let resync = |connection: Manifest| connection.with("resyncInterval", "1h");
    let tenant = TestNamespace::with_connection(&control_plane, "restart", resync).await;
    let first = Operator::start(&control_plane, &["--no-leader-election"]);
    first.ready().await;
    tenant.apply([event_type("a.one"), event_type("a.two"), endpoint("hook", &["a.one"])]).await;
    tenant.all_ready(3).await;
    drop(first);
    let objects = async || {
        let mut versions = Vec::new();
        for (kind, name) in
            [("webhookeventtype", "a.one"), ("webhookeventtype", "a.two"), ("webhookendpoint", "hook")]
        {
            let object = tenant.get(kind, name).await.unwrap();
            versions.push(object["metadata"]["resourceVersion"].clone());
        }
        versions
    };
    let before = objects().await;

    // When another one begins, and its first listing takes longer than anything waits before it is reported
    let latency = Duration::from_millis(2500);
    tenant.svix.faults().set(FaultPlan { latency, ..FaultPlan::default() });
    tenant.svix.clear_calls();
    let second = Operator::start(&control_plane, &["--no-leader-election"]);
    second.ready().await;
    eventually("the listing", Duration::from_secs(60), async || {
        tenant.svix.calls().iter().any(|call| call.operation == "endpoint.list").then_some(())
    })
    .await;
    tenant.svix.faults().clear();
    tenant.apply([event_type("a.three")]).await;
    tenant.wait_for_reason("webhookeventtype", "a.three", "InSync").await;

    // Then no object was written.
    assert_eq!(objects().await, before);
    assert!(!second.log_text().contains("not ready"), "{}", second.log_text());
}
