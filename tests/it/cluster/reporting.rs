//! What people are told when something is wrong: in conditions, Events and logs.

use serde_json::json;

use crate::support::{
    control_plane::ControlPlane,
    harness::PATIENCE,
    objects::{endpoint, event_type},
    operator::{OPERATOR_NAMESPACE, Operator, install},
    test_namespace::TestNamespace,
    wait::eventually,
};

async fn set_server(tenant: &TestNamespace<'_>, url: &str) {
    let patch = json!({"spec": {"serverUrl": url}}).to_string();
    let arguments = ["patch", "svixconnection", &tenant.name, "--type=merge", "-p", &patch];
    tenant.kubectl(&arguments).await.expect_success();
}

#[tokio::test]
async fn a_connection_says_what_is_to_be_mended() {
    let operator = Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "mend").await;
    tenant.wait_for_reason("svixconnection", &tenant.name, "Connected").await;

    tenant.set_token("wrong").await;
    let stated = tenant.wait_for_reason("svixconnection", &tenant.name, "AuthenticationFailed").await;
    assert_eq!(stated.matches("accept the token").count(), 1, "{stated}");
    assert!(stated.contains(&format!("key \"token\" of the Secret {:?}", tenant.name)), "{stated}");
    tenant.set_token(tenant.svix.token()).await;
    tenant.wait_for_reason("svixconnection", &tenant.name, "Connected").await;

    let url = tenant.svix.url();
    set_server(&tenant, &url.replace("http://", "https://")).await;
    let stated = tenant.wait_for_reason("svixconnection", &tenant.name, "SvixUnavailable").await;
    assert!(stated.contains("no TLS is spoken at this address; perhaps it is http://"), "{stated}");
    set_server(&tenant, &url).await;
    tenant.wait_for_reason("svixconnection", &tenant.name, "Connected").await;

    // The same reason for another cause.
    set_server(&tenant, &format!("{url}/api/v1")).await;
    let stated = tenant.wait_for_reason("svixconnection", &tenant.name, "SvixUnavailable").await;
    assert!(stated.contains("returns 404") && stated.contains("ends before /api/v1"), "{stated}");

    // Each cause is an Event, not a second count of the first one.
    eventually("an Event for each cause", PATIENCE, async || {
        let about = format!("involvedObject.name={},reason=SvixUnavailable", tenant.name);
        let arguments = ["get", "events", "-n", "default", "--field-selector", &about];
        let stated = tenant.control_plane.kubectl(&arguments).await.expect_success();
        if stated.contains("no TLS") && stated.contains("returns 404") { Ok(()) } else { Err(stated) }
    })
    .await;
    // And the same one again is counted.
    eventually("the Event of what came three times to be counted", PATIENCE, async || {
        let about = format!("involvedObject.name={},reason=Connected", tenant.name);
        let arguments = ["get", "events", "-n", "default", "-o", "jsonpath={.items[*].series.count}"];
        let stated =
            tenant.control_plane.kubectl(&[&arguments[..], &["--field-selector", &about]].concat()).await;
        if stated.stdout == "3" { Ok(()) } else { Err(format!("{stated:?}")) }
    })
    .await;

    let log = operator.log_text();
    let mut failing =
        log.lines().filter(|line| line.contains("AuthenticationFailed") && line.contains(&tenant.name));
    assert!(failing.next().is_some_and(|line| line.contains("WARN")), "{log}");
}

#[tokio::test]
async fn a_forbidden_watch_is_logged_once() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    // As the chart has it with `secrets.enabled=false`.
    let secrets = format!("{OPERATOR_NAMESPACE}-secrets");
    control_plane.kubectl(&["delete", "clusterrole", &secrets]).await.expect_success();
    let tenant = TestNamespace::new(&control_plane, "quiet").await;
    let operator = Operator::start_at(&control_plane, "info,svix_operator=debug").that_may_be_refused();
    operator.ready().await;
    let headers =
        json!([{"name": "X-Key", "valueFrom": {"secretKeyRef": {"name": "receiver", "key": "token"}}}]);
    tenant.apply([event_type("a.one"), endpoint("keyed", &["a.one"]).with("headers", headers)]).await;
    let lines = |level: &str| {
        let log = operator.log_text();
        let of = |line: &&str| {
            line.contains("watch failed") && line.contains(&tenant.name) && line.contains(level)
        };
        log.lines().filter(of).count()
    };
    eventually("the watch to be tried again and again", PATIENCE, async || {
        if lines("DEBUG") >= 2 { Ok(()) } else { Err(operator.log_text()) }
    })
    .await;
    let log = operator.log_text();
    assert_eq!(lines("WARN"), 1, "{log}");
    assert!(log.contains("secrets is forbidden: User") && !log.contains("Status {"), "{log}");
}

#[tokio::test]
async fn a_missing_or_deleted_connection_is_warned_of() {
    use crate::support::sidecar::Sidecar;
    Operator::shared().await;
    let tenant = TestNamespace::new(ControlPlane::shared().await, "conn").await;
    let _sidecar = Sidecar::start(&tenant, &[]).await;
    tenant.apply([event_type("a.one"), endpoint("before", &["a.one"])]).await;
    tenant.all_ready(2).await;
    let reported = async |manifest: crate::support::objects::Manifest| {
        let arguments = ["create", "--dry-run=server", "-f", "-"];
        let done = tenant.control_plane.kubectl_with(&arguments, &manifest.0.to_string()).await;
        assert!(done.success, "{}", done.stderr);
        done.stderr
    };
    let on = |name: &str| {
        let hook = endpoint("hook", &["a.one"]).in_namespace(&tenant.name);
        hook.with("connectionRef", json!({"name": name}))
    };
    // Two letters are exchanged.
    let mut letters: Vec<char> = tenant.name.chars().collect();
    letters.swap(0, 1);
    let typo: String = letters.into_iter().collect();
    let stated = reported(on(&typo)).await;
    let expected = format!("there is no SvixConnection {typo:?} (did you mean {:?}?)", tenant.name);
    assert!(stated.contains(&expected) && !stated.contains("no WebhookEventType declares"), "{stated}");

    let gone = ["delete", "svixconnection", &tenant.name, "--wait=false"];
    tenant.kubectl(&gone).await.expect_success();
    let expected = format!("SvixConnection {:?} is being deleted", tenant.name);
    eventually("the webhook to know", PATIENCE, async || {
        let stated = reported(on(&tenant.name)).await;
        if stated.contains(&expected) { Ok(()) } else { Err(stated) }
    })
    .await;
    // Not news for one that holds it.
    let patch = json!({"spec": {"description": "other"}}).to_string();
    let arguments = ["patch", "webhookendpoint", "before", "--type=merge", "--dry-run=server", "-p", &patch];
    let done = tenant.kubectl(&arguments).await;
    assert!(done.success && !done.stderr.contains("being deleted"), "{done:?}");
}
