//! docs/installation.md and docs/uninstall.md, command by command, as somebody follows them who knows nothing else.

use std::time::Duration;

use serde_json::json;

use super::{CHART, chart, file, install, named};
use crate::support::{
    control_plane::ControlPlane,
    harness::PATIENCE,
    objects::{endpoint, event_type},
    operator::free_address,
    svix_server,
    test_namespace::TestNamespace,
    tools::shell,
    wait::eventually,
};

/// The commands under a heading, or before the first one: what stands behind `$` in blocks of `console`, a block each,
/// without what they print.
fn commands(page: &str, heading: Option<&str>) -> Vec<String> {
    let section = match heading {
        None => page.split("\n## ").next().unwrap(),
        Some(heading) => {
            let rest = page.split(&format!("\n## {heading}\n")).nth(1).expect("the heading");
            rest.split("\n## ").next().unwrap()
        }
    };
    let blocks = section.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(typed).collect()
}

/// What is typed of a block: a line behind `$`, and those that go on with it.
fn typed(block: &str) -> String {
    let (mut typed, mut goes_on) = (String::new(), false);
    // In a list, a block is indented with it.
    let indent = block.len() - block.trim_start_matches(' ').len();
    for line in block.lines() {
        let line = line.get(indent..).unwrap_or_default();
        let begins = line.strip_prefix("$ ");
        if let Some(text) = begins.or_else(|| goes_on.then_some(line)) {
            typed += &format!("{text}\n");
            // A document ends with END, a loop with `done`, and any other command where no backslash is.
            let open = typed.matches("<<END").count() > typed.lines().filter(|it| it.trim() == "END").count();
            let loops = typed.matches("for ").count() + typed.matches("while ").count();
            let closed = typed.matches("done").count();
            goes_on = text.ends_with('\\') || open || loops > closed;
        }
    }
    typed
}

#[tokio::test]
async fn nothing_is_left_after_the_documented_way() {
    let page = file("docs/uninstall.md");
    let [retain, delete, uninstall, rest] = &commands(&page, None)[..] else { panic!("four steps") };
    let [without_operator] = &commands(&page, Some("If the operator no longer exists"))[..] else {
        panic!("one way")
    };
    let control_plane = &ControlPlane::start().await;
    let run = async |commands: &str| {
        let stated = shell(control_plane, commands).await;
        assert!(stated.success, "{commands}\n{}{}", stated.stdout, stated.stderr);
        stated.stdout
    };
    // Without the webhook, which is a matter of its own.
    run(&format!(
        "helm install svix-operator {CHART} -n svix-operator --create-namespace --set webhook.enabled=false"
    ))
    .await;
    install::is_established(control_plane).await;
    let tenant = &TestNamespace::new(control_plane, "leave").await;
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
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_svix-operator")).parent().unwrap();
    run(&format!("PATH={}:$PATH\n{without_operator}", program.display())).await;
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

#[tokio::test]
async fn the_documented_installation_works() {
    let page = file("docs/installation.md");
    let blocks = |heading: &str| commands(&page, Some(heading)).concat();
    let control_plane = &ControlPlane::start().await;
    let run = async |commands: &str| {
        let stated = shell(control_plane, commands).await;
        assert!(stated.success, "{commands}\n{}{}", stated.stdout, stated.stderr);
        stated.stdout
    };
    // Nobody runs pods here, so nothing rolls out: the processes below stand for them.
    let chart_step = blocks("2. The chart");
    let (helm, rollout) = chart_step.split_once("kubectl -n svix-operator rollout").expect("two commands");
    assert_eq!(rollout.trim(), "status deployment svix-operator");
    run(helm).await;
    install::is_established(control_plane).await;
    let address = free_address();
    install::lead_service_to(control_plane, address).await;
    let objects = chart("default").await;
    let deployment = named(&objects, "Deployment", "svix-operator");
    let operator = install::start(control_plane, deployment, "operator", &[]);
    let webhook = install::start_webhook(control_plane, deployment, address, &[]);
    operator.ready().await;
    webhook.ready().await;

    let svix = svix_server::start().await;
    let connection_step = blocks("3. A connection to Svix")
        .replace("  ownerId: prod", &format!("  ownerId: prod\n  serverUrl: {}", svix.url()));
    run(&format!("SVIX_TOKEN={}\n{connection_step}", svix.token())).await;
    let declare = blocks("4. Event types and endpoints");
    eventually("the webhook to be asked", PATIENCE, async || {
        let stated = shell(
            control_plane,
            &declare.replace("create namespace shop", "get namespace shop || kubectl create namespace shop"),
        )
        .await;
        if stated.success { Ok(()) } else { Err(stated.stderr) }
    })
    .await;
    eventually("all to be in step", PATIENCE, async || {
        let reported = run("kubectl get svix -A --no-headers").await;
        let ready =
            reported.lines().filter(|line| line.contains("InSync") || line.contains("Connected")).count();
        if ready == 6 { Ok(()) } else { Err(reported) }
    })
    .await;
}
