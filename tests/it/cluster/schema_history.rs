//! Changes of schemas on a real API server: what people see of those that break receivers, and the published versions
//! that are kept.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    control_plane::{ControlPlane, Finished},
    harness::PATIENCE,
    objects::{Manifest, event_type},
    operator::Operator,
    sidecar::Sidecar,
    test_namespace::TestNamespace,
    wait::eventually,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");
const ALLOW_BREAKING: &str = "svix-operator.dev/allow-breaking";

async fn tenant(prefix: &str) -> TestNamespace<'static> {
    // It brings the custom resources.
    Operator::shared().await;
    TestNamespace::new(ControlPlane::shared().await, prefix).await
}

fn schema(type_: &str) -> Value {
    json!({"type": "object", "properties": {"amount": {"type": type_}}})
}

fn order(type_: &str) -> Manifest {
    event_type("order.placed").with("schema", schema(type_))
}

fn enforced(type_: &str) -> Manifest {
    order(type_).with("compatibility", json!({"action": "Enforce"}))
}

/// `kubectl apply -f`, as a person runs it.
async fn kubectl_apply(tenant: &TestNamespace<'_>, manifest: Manifest) -> Finished {
    let text = tenant.mine(manifest).0.to_string();
    tenant.control_plane.kubectl_with(&["apply", "-f", "-"], &text).await
}

async fn applied(tenant: &TestNamespace<'_>, manifest: Manifest) -> Finished {
    let done = kubectl_apply(tenant, manifest).await;
    assert!(done.success, "{}", done.stderr);
    done
}

/// The value of the annotation that a text prints, with a reason.
fn permission(text: &str) -> String {
    let digest = text.split("allow-breaking: \"").nth(1).expect("the annotation").split(' ').next().unwrap();
    format!("{digest} agreed with all receivers on 2 May")
}

/// The schema that Svix has.
fn in_svix(tenant: &TestNamespace<'_>) -> Value {
    let snapshot = tenant.svix.snapshot();
    snapshot.event_types["order.placed"].schemas.as_ref().unwrap()["1"].clone()
}

/// The revisions of all event types in the namespace, in the order of their numbers.
async fn revisions(tenant: &TestNamespace<'_>) -> Vec<Value> {
    let label = "svix-operator.dev/event-type-uid";
    let found = tenant.kubectl(&["get", "controllerrevisions", "-l", label, "-o", "json"]).await;
    let list: Value = serde_json::from_str(&found.expect_success()).unwrap();
    let mut items = list["items"].as_array().unwrap().clone();
    items.sort_by_key(|item| item["revision"].as_i64());
    items
}

fn numbers(revisions: &[Value]) -> Vec<i64> {
    revisions.iter().map(|revision| revision["revision"].as_i64().unwrap()).collect()
}

/// Waits until Svix has the schema, and its version is kept with this number.
async fn published(tenant: &TestNamespace<'_>, number: i64) {
    eventually(&format!("revision {number} to be in Svix"), PATIENCE, async || {
        let object = tenant.get("webhookeventtype", "order.placed").await?;
        let history = &object["status"]["schemaHistory"];
        if history["revision"] == number { Ok(()) } else { Err(object["status"].to_string()) }
    })
    .await;
}

/// The console blocks of a page: each command, and what follows it.
fn sessions(page: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(format!("{}/docs/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let blocks = text.split("```console\n").skip(1).filter_map(|block| block.split("```").next());
    let commands = blocks.flat_map(|block| block.split("$ ").skip(1));
    commands
        .filter_map(|command| command.split_once('\n'))
        .map(|(command, output)| (command.to_owned(), output.to_owned()))
        .collect()
}

/// What the page says that kubectl prints about a file.
fn documented(file: &str) -> String {
    let command = format!("kubectl apply -f {file}");
    let found = sessions("compatibility.md").into_iter().find(|(known, _)| *known == command);
    found.unwrap_or_else(|| panic!("{command} is not in docs/compatibility.md")).1
}

#[tokio::test]
async fn kubectl_prints_what_the_page_says() {
    // Given an event type whose schema is in Svix
    let tenant = tenant("compat").await;
    let _sidecar = Sidecar::start(&tenant, &[]).await;
    applied(&tenant, order("integer")).await;
    published(&tenant, 1).await;

    // When a change breaks receivers, it is written with a warning
    let warned = applied(&tenant, order("number")).await;
    published(&tenant, 2).await;

    // And where that is enforced, it is refused
    applied(&tenant, enforced("number")).await;
    let refused = kubectl_apply(&tenant, enforced("string")).await;
    assert!(!refused.success, "{}", refused.stdout);

    // Then the annotation that it prints lets that change through, and not the next one
    let permitted = enforced("string").annotated(ALLOW_BREAKING, &permission(&refused.stderr));
    let permitted = applied(&tenant, permitted).await;
    published(&tenant, 3).await;
    assert_eq!(in_svix(&tenant), schema("string"));
    let next = enforced("boolean").annotated(ALLOW_BREAKING, &permission(&refused.stderr));
    let next = kubectl_apply(&tenant, next).await;
    let printed = [
        ("warn.yaml", warned.stderr + &warned.stdout),
        ("enforce.yaml", refused.stderr),
        ("permitted.yaml", permitted.stderr + &permitted.stdout),
    ];
    let documented = printed.each_ref().map(|(file, _)| (*file, documented(file)));
    assert_eq!(printed, documented);
    assert!(next.stderr.contains("the schema breaks compatibility"), "{}{}", next.stdout, next.stderr);
}

#[tokio::test]
async fn admission_compares_with_every_kept_version() {
    let tenant = tenant("compat-all").await;
    let _sidecar = Sidecar::start(&tenant, &[]).await;
    let against_all = |type_: &str, action: &str| {
        order(type_).with("compatibility", json!({"action": action, "against": "All"}))
    };
    applied(&tenant, against_all("integer", "Warn")).await;
    published(&tenant, 1).await;
    applied(&tenant, against_all("number", "Warn")).await;
    published(&tenant, 2).await;

    // Safe for those who know the last version, and not for those who know the first one.
    let mut positive = against_all("number", "Enforce");
    positive.0["spec"]["schema"]["properties"]["amount"]["minimum"] = 0.into();
    let refused = kubectl_apply(&tenant, positive.clone()).await;
    assert!(refused.stderr.contains("that its revision 1 refused"), "{}{}", refused.stdout, refused.stderr);
    let permitted = positive.annotated(ALLOW_BREAKING, &permission(&refused.stderr));
    applied(&tenant, permitted).await;
    published(&tenant, 3).await;

    // A change of metadata asks for nothing.
    let before = numbers(&revisions(&tenant).await);
    tenant.kubectl(&["label", "webhookeventtype", "order.placed", "a=b"]).await.expect_success();
    assert_eq!(numbers(&revisions(&tenant).await), before);
}

#[tokio::test]
async fn the_operator_refuses_where_admission_is_absent() {
    let tenant = tenant("compat-op").await;
    applied(&tenant, enforced("integer")).await;
    published(&tenant, 1).await;

    // A change that breaks is stored, and goes no further
    applied(&tenant, enforced("number")).await;
    let message = tenant.wait_for_reason("webhookeventtype", "order.placed", "BreakingChange").await;
    let object = tenant.get("webhookeventtype", "order.placed").await.unwrap();
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let stalled = conditions.iter().find(|condition| condition["type"] == "Stalled").unwrap();
    assert_eq!((&stalled["status"], &stalled["reason"]), (&json!("True"), &json!("BreakingChange")));
    assert_eq!(in_svix(&tenant), schema("integer"));
    assert_eq!(numbers(&revisions(&tenant).await), [1]);

    // The annotation that it prints lets it through
    let permitted = enforced("number").annotated(ALLOW_BREAKING, &permission(&message));
    applied(&tenant, permitted.clone()).await;
    published(&tenant, 2).await;
    assert_eq!(in_svix(&tenant), schema("number"));

    // And not the next one, which can be taken back
    applied(&tenant, permitted.clone().with("schema", schema("boolean"))).await;
    tenant.wait_for_reason("webhookeventtype", "order.placed", "BreakingChange").await;
    assert_eq!(in_svix(&tenant), schema("number"));
    applied(&tenant, permitted).await;
    tenant.wait_for_reason("webhookeventtype", "order.placed", "InSync").await;
    assert_eq!(numbers(&revisions(&tenant).await), [1, 2]);
}

#[tokio::test]
async fn published_versions_are_controller_revisions() {
    let tenant = tenant("history").await;
    let limited = |type_: &str| order(type_).with("revisionHistoryLimit", 2);

    // The first version
    applied(&tenant, limited("integer")).await;
    published(&tenant, 1).await;
    let object = tenant.get("webhookeventtype", "order.placed").await.unwrap();
    let [first] = &revisions(&tenant).await[..] else { panic!("{:?}", revisions(&tenant).await) };
    assert_eq!(first["data"], json!({"schema": schema("integer"), "formatAssertion": true}));
    // The garbage collector of the cluster deletes it with the event type.
    assert_eq!(
        first["metadata"]["ownerReferences"],
        json!([{
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType", "name": "order.placed",
            "uid": object["metadata"]["uid"], "controller": true,
        }])
    );
    let first = first["metadata"]["name"].clone();

    // The next one, and the first one again with a new number
    applied(&tenant, limited("number")).await;
    published(&tenant, 2).await;
    applied(&tenant, limited("integer")).await;
    published(&tenant, 3).await;
    let kept = revisions(&tenant).await;
    assert_eq!((numbers(&kept), &kept[1]["metadata"]["name"]), (vec![2, 3], &first));
    let verdict =
        |revision: &Value| revision["metadata"]["annotations"]["svix-operator.dev/compatibility"].clone();
    assert_eq!((verdict(&kept[0]), verdict(&kept[1])), (json!("Breaking"), json!("Safe")));

    // The oldest goes
    applied(&tenant, limited("string")).await;
    published(&tenant, 4).await;
    assert_eq!(numbers(&revisions(&tenant).await), [3, 4]);
    assert_eq!(
        tenant.get("webhookeventtype", "order.placed").await.unwrap()["status"]["schemaHistory"]["kept"],
        2
    );

    // Kubernetes never lets what was published change
    let last = revisions(&tenant).await[1]["metadata"]["name"].as_str().unwrap().to_owned();
    let forged = json!({"data": {"schema": {"type": "null"}}}).to_string();
    let patch = ["patch", "controllerrevision", &last, "--type=merge", "-p", &forged];
    let refused = tenant.kubectl(&patch).await;
    assert!(refused.stderr.contains("immutable"), "{}{}", refused.stdout, refused.stderr);
    // And 0 keeps none
    applied(&tenant, order("string").with("revisionHistoryLimit", 0)).await;
    eventually("no revision to be kept", PATIENCE, async || {
        let left = revisions(&tenant).await;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}

/// Runs a command of the program on the cluster.
async fn run(tenant: &TestNamespace<'_>, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .args(["--namespace", &tenant.name, "--kubeconfig"])
        .arg(tenant.control_plane.kubeconfig())
        .env_remove("KUBECONFIG");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn the_history_can_be_read_and_compared() {
    let tenant = tenant("history-cli").await;
    applied(&tenant, order("integer")).await;
    published(&tenant, 1).await;
    applied(&tenant, order("number")).await;
    published(&tenant, 2).await;

    let (code, table, stderr) = run(&tenant, &["schema", "history", "order.placed"]).await;
    println!("{table}");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let rows: Vec<_> = table.lines().collect();
    assert!(rows[0].starts_with("REVISION   PUBLISHED "), "{table}");
    assert!(rows[1].starts_with("1 ") && rows[1].ends_with("   First                     kept"), "{table}");
    assert!(
        rows[2].starts_with("2 ") && rows[2].ends_with("Breaking (ConsumerSafe)   kept, in Svix"),
        "{table}"
    );

    let (_, document, _) = run(&tenant, &["schema", "history", "order.placed", "--output", "json"]).await;
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((&document["revisionInSvix"], &document["revisions"][0]["revision"]), (&json!(2), &json!(1)));

    let (code, differences, _) = run(&tenant, &["schema", "diff", "order.placed", "1", "2"]).await;
    assert_eq!(
        (code, differences.as_str()),
        (Some(1), "~ /properties/amount/type: \"integer\" → \"number\"\n")
    );
    let (code, same, _) = run(&tenant, &["schema", "diff", "order.placed", "2", "2"]).await;
    assert_eq!((code, same.as_str()), (Some(0), ""));

    for (arguments, expected) in [
        (&["schema", "history", "order.absent"][..], "found no WebhookEventType"),
        (&["schema", "diff", "order.placed", "1", "9"], "found no revision 9 of"),
        (&["schema", "diff", "order.placed", "1", "x"], "expected the number of a revision"),
    ] {
        let (code, stdout, stderr) = run(&tenant, arguments).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    }
}
