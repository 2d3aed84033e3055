//! docs/uninstall.md, command by command: what is said to leave nothing behind leaves nothing behind.

use std::time::Duration;

use serde_json::json;

use super::{CHART, chart, file, install, named};
use crate::support::{
    control_plane::ControlPlane,
    objects::{endpoint, event_type},
    tenant::Tenant,
    tools::shell,
};

/// The commands under a heading, or before the first one: what stands behind `$` in blocks of `console`, a block each.
fn commands(page: &str, heading: Option<&str>) -> Vec<String> {
    let section = match heading {
        None => page.split("\n## ").next().unwrap(),
        Some(heading) => page.split(&format!("\n## {heading}\n")).nth(1).expect("the heading"),
    };
    let blocks = section.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks
        .map(|block| {
            block
                .lines()
                .map(|line| line.trim_start().trim_start_matches("$ "))
                .collect::<Vec<_>>()
                .join("\n")
        })
        .collect()
}

#[tokio::test]
async fn nothing_is_left_after_the_documented_way() {
    let page = file("docs/uninstall.md");
    let [retain, delete, uninstall, rest] = &commands(&page, None)[..] else { panic!("four steps") };
    let [without_operator] = &commands(&page, Some("The operator is gone already"))[..] else {
        panic!("one way")
    };
    let control_plane = &ControlPlane::start().await;
    let run = async |commands: &str| {
        let said = shell(control_plane, commands).await;
        assert!(said.success, "{commands}\n{}{}", said.stdout, said.stderr);
        said.stdout
    };
    // Without the webhook, which is a matter of its own.
    run(&format!(
        "helm install svix-operator {CHART} -n svix-operator --create-namespace --set webhook.enabled=false"
    ))
    .await;
    install::is_established(control_plane).await;
    let tenant = &Tenant::new(control_plane, "leave").await;
    let objects = chart("default").await;
    let operator =
        install::start(control_plane, named(&objects, "Deployment", "svix-operator"), "operator", &[]);
    let declare = async || {
        tenant.apply([event_type("a.one"), endpoint("hook", &["a.one"])]).await;
        tenant.all_ready(2).await;
    };
    let held = || {
        let held = tenant.svix.snapshot();
        held.applications["default"].endpoints.len()
    };

    declare().await;
    run(retain).await;
    tenant.all_ready(2).await;
    run(delete).await;
    assert_eq!(held(), 1, "Retain leaves it in Svix");

    // Declared again, it is found; and then the operator is gone too early.
    let reference = json!({"name": tenant.name, "key": "token"});
    let connection = crate::support::objects::connection(&tenant.svix.url()).named(&tenant.name);
    tenant.apply([connection.with("tokenSecretRef", reference)]).await;
    declare().await;
    operator.signal("TERM");
    operator.ended(Duration::from_secs(10)).await;
    let too_early = "kubectl delete webhookendpoints,webhookeventtypes -A --all --wait=false
                     kubectl delete svixconnections --all --wait=false";
    run(too_early).await;
    assert!(
        run("kubectl get webhookendpoints -A --no-headers").await.contains("hook"),
        "its finalizer holds it"
    );
    run(without_operator).await;
    for kind in ["webhookendpoints", "webhookeventtypes", "svixconnections"] {
        assert_eq!(run(&format!("kubectl get {kind} -A --no-headers")).await, "", "{kind}");
    }
    assert_eq!(held(), 1);

    run(uninstall).await;
    run(rest).await;
    for kind in
        ["crds", "clusterroles", "clusterrolebindings", "validatingwebhookconfigurations", "namespaces"]
    {
        let names = run(&format!("kubectl get {kind} -o name")).await;
        let ours: Vec<_> = names.lines().filter(|name| name.contains("svix")).collect();
        assert!(ours.is_empty(), "{ours:?}");
    }
}
