//! `svix-operator release` on a real API server: what goes, what stays, and when it is refused.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use svix_operator::{
    api::{FINALIZER, WebhookEndpoint},
    controller::release::{Selection, State, find, release as release_found},
};

use crate::support::{
    control_plane::ControlPlane,
    harness::PATIENCE,
    objects::{Manifest, connection, endpoint, event_type},
    operator::{OPERATOR_NAMESPACE, Operator, install},
    test_namespace::TestNamespace,
    wait::eventually,
};

const FOREIGN: &str = "example.org/mine";
const KINDS: &str = "webhookeventtypes,webhookendpoints,svixconnections";

struct Stated {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Stated {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{:.2000}", self.stderr, self.stdout);
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// The rows of a table, each as its words.
    fn rows(&self) -> Vec<Vec<&str>> {
        self.stdout.lines().map(|line| line.split_whitespace().collect()).collect()
    }
}

async fn release(kubeconfig: &Path, arguments: &[&str]) -> Stated {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_svix-operator"))
        .arg("release")
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .env_remove("SVIX_OPERATOR_NAMESPACE")
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Stated { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Held by these finalizers.
fn held(mut manifest: Manifest, finalizers: &[&str]) -> Value {
    manifest.0["metadata"]["finalizers"] = json!(finalizers);
    manifest.0
}

async fn apply(control_plane: &ControlPlane, items: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    control_plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &list).await.expect_success();
}

/// Every object with its finalizers and its version, by `Kind/name`.
async fn objects(control_plane: &ControlPlane) -> Vec<(String, Vec<String>, String)> {
    let found = control_plane.kubectl(&["get", KINDS, "-A", "-o", "json"]).await.expect_success();
    let list: Value = serde_json::from_str(&found).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let name =
                format!("{}/{}", item["kind"].as_str().unwrap(), item["metadata"]["name"].as_str().unwrap());
            let finalizers = item["metadata"]["finalizers"].as_array().into_iter().flatten();
            let finalizers = finalizers.map(|it| it.as_str().unwrap().to_owned()).collect();
            (name, finalizers, item["metadata"]["resourceVersion"].to_string())
        })
        .collect()
}

async fn finalizers(control_plane: &ControlPlane, name: &str) -> Option<Vec<String>> {
    objects(control_plane)
        .await
        .into_iter()
        .find(|(found, ..)| found == name)
        .map(|(_, finalizers, _)| finalizers)
}

/// A kubeconfig of somebody who may do what docs/running.md says that a release needs.
async fn releaser(control_plane: &ControlPlane) -> PathBuf {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/running.md"));
    let section = page.split("\n## Uninstall by hand\n").nth(1).unwrap();
    let role = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    control_plane.kubectl_with(&["apply", "-f", "-"], role).await.expect_success();
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "releaser"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "svix-operator-release"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "releaser"}],
    });
    apply(control_plane, &[binding]).await;
    let text = std::fs::read_to_string(control_plane.kubeconfig()).unwrap();
    let text = text.replacen("    token: ", "    as: releaser\n    token: ", 1);
    let path = control_plane.dir().join("releaser.kubeconfig");
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn release_is_refused_while_an_operator_runs() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let account = releaser(&control_plane).await;
    let operator = Operator::start(&control_plane, &[]);
    operator.ready().await;
    let tenant = TestNamespace::new(&control_plane, "release").await;
    tenant
        .apply([
            event_type("a.one"),
            event_type("a.two"),
            endpoint("one", &["a.one"]),
            endpoint("two", &["a.one"]),
        ])
        .await;
    tenant.all_ready(4).await;

    // An operator that runs would take them back.
    let stated = release(&account, &["--all"]).await.expect(2);
    println!("{}", stated.stderr);
    assert!(
        stated.stderr.contains("holds the Lease svix-operator/svix-operator and renewed it at"),
        "{}",
        stated.stderr
    );
    assert!(stated.stderr.contains("kubectl -n svix-operator scale deployment"), "{}", stated.stderr);
    let there = ["--all", "--operator-namespace", OPERATOR_NAMESPACE];
    release(&account, &there).await.expect(2);
    // To look is never refused.
    let stated = release(&account, &["--all", "--dry-run"]).await.expect(0);
    println!("{}{}", stated.stdout, stated.stderr);
    let rows = stated.rows();
    assert_eq!(rows[0], ["KIND", "NAMESPACE", "NAME", "STATE"]);
    assert_eq!(rows[1], ["WebhookEventType", &tenant.name, "a.one", "WouldBeReleased"]);
    assert_eq!(rows[3], ["WebhookEndpoint", &tenant.name, "one", "WouldBeReleased"]);
    assert_eq!(rows[5], ["SvixConnection", &tenant.name, "WouldBeReleased"]);
    assert_eq!(rows.len(), 6);
    for name in ["WebhookEndpoint/one", "WebhookEventType/a.two", &format!("SvixConnection/{}", tenant.name)]
    {
        assert_eq!(finalizers(&control_plane, name).await, Some(vec![FINALIZER.to_owned()]), "{name}");
    }

    // It dies: its Lease names it still.
    operator.signal("KILL");
    operator.ended(PATIENCE).await;
    tenant.svix.clear_calls();
    let hold = json!({"metadata": {"finalizers": [FINALIZER, FOREIGN]}}).to_string();
    tenant.kubectl(&["patch", "webhookendpoint", "two", "--type=merge", "-p", &hold]).await.expect_success();
    tenant
        .kubectl(&["delete", "webhookeventtype/a.two", "webhookendpoint/two", "--wait=false"])
        .await
        .expect_success();
    let before = objects(&control_plane).await;
    release(&account, &["--all", "--dry-run"]).await.expect(0);
    assert_eq!(objects(&control_plane).await, before, "a dry run changes nothing");

    let stated = release(&account, &["--all", "--output", "json"]).await.expect(0);
    println!("{}{}", stated.stdout, stated.stderr);
    assert!(stated.stderr.contains("waiting for up to 3 s to see whether it renews it"), "{}", stated.stderr);
    let reported = stated.json();
    assert_eq!(
        (&reported["released"], &reported["failed"], &reported["dryRun"]),
        (&json!(5), &json!(0), &json!(false))
    );
    let state = |name: &str| {
        let mut found = reported["objects"].as_array().unwrap().iter();
        found.find(|object| object["name"] == name).unwrap().clone()
    };
    assert_eq!(state("a.one")["state"], "Released");
    assert_eq!(state("a.two")["state"], "Deleted");
    assert_eq!(state("two")["state"], "Released");
    assert_eq!(state("two")["message"], format!("its deletion still waits for {FOREIGN}"));
    let last = reported["objects"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["kind"], &last["namespace"]), (&json!("SvixConnection"), &json!("")));

    assert_eq!(finalizers(&control_plane, "WebhookEventType/a.two").await, None);
    assert_eq!(finalizers(&control_plane, "WebhookEndpoint/two").await, Some(vec![FOREIGN.to_owned()]));
    assert_eq!(finalizers(&control_plane, "WebhookEventType/a.one").await, Some(Vec::new()));
    // Once more: nothing is left to do, so nobody waits to see whether a leader lives that died.
    let dead = json!({"spec": {"holderIdentity": "dead", "leaseDurationSeconds": 15}}).to_string();
    let patch = ["patch", "lease", "-n", OPERATOR_NAMESPACE, "svix-operator", "--type=merge", "-p", &dead];
    control_plane.kubectl(&patch).await.expect_success();
    let stated = release(&account, &["--all"]).await.expect(0);
    assert!(
        stated.stdout.is_empty() && stated.stderr.starts_with("nothing to release"),
        "{}{}",
        stated.stdout,
        stated.stderr
    );
    // Nothing stands in the way of the rest of the uninstall, and Svix has seen nothing of it.
    let none = json!({"metadata": {"finalizers": null}}).to_string();
    tenant.kubectl(&["patch", "webhookendpoint", "two", "--type=merge", "-p", &none]).await.expect_success();
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    control_plane.kubectl(&["delete", "--timeout=60s", "-f", crds]).await.expect_success();
    assert!(tenant.svix.calls().iter().all(|call| !call.is_write()));
    let held = tenant.svix.snapshot();
    assert_eq!(held.applications["default"].endpoints.len(), 2);
    assert!(!held.event_types["a.one"].archived && !held.event_types["a.two"].archived);

    // The kinds are gone: that is stated, and is no failure.
    let stated = release(&account, &["--all", "--output=json"]).await.expect(0);
    assert!(stated.stderr.contains("its CRD is not installed"), "{}", stated.stderr);
    assert_eq!(
        stated.json()["missingKinds"],
        json!(["WebhookEventType", "WebhookEndpoint", "SvixConnection"])
    );
}

#[tokio::test]
async fn what_is_chosen_is_released_and_nothing_else() {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let account = releaser(&control_plane).await;
    let [hung, team] = [
        control_plane.namespace("hung").await.name.clone(),
        control_plane.namespace("team").await.name.clone(),
    ];
    let through = |manifest: Manifest, namespace: &str, name: &str| {
        held(manifest.in_namespace(namespace).with("connectionRef", json!({"name": name})), &[FINALIZER])
    };
    let ours = vec![FINALIZER.to_owned()];
    apply(
        &control_plane,
        &[
            held(connection("http://127.0.0.1:9").named("one"), &[FINALIZER]),
            held(connection("http://127.0.0.1:9").named("two"), &[FOREIGN, FINALIZER]),
            through(event_type("hung.one"), &hung, "one"),
            through(endpoint("hung", &["a.b"]), &hung, "two"),
            through(event_type("team.one"), &team, "one"),
            through(event_type("team.two"), &team, "two"),
            through(endpoint("one", &["a.b"]), &team, "one"),
            through(endpoint("two", &["a.b"]), &team, "two"),
            through(endpoint("moving", &["a.b"]), &team, "two"),
            held(endpoint("free", &["a.b"]).in_namespace(&team), &[FOREIGN]),
        ],
    )
    .await;
    // It still holds something through the connection that it was moved away from.
    let status = json!({"status": {"svix": {
        "connection": "one", "application": "a", "uid": "u", "id": "ep_1",
    }}});
    let patch =
        ["-n", &team, "patch", "webhookendpoint", "moving", "--subresource=status", "--type=merge", "-p"];
    control_plane.kubectl(&[&patch[..], &[&status.to_string()]].concat()).await.expect_success();

    // A namespace that is deleted without an operator hangs, and then goes.
    control_plane.kubectl(&["delete", "namespace", &hung, "--wait=false"]).await.expect_success();
    eventually("the namespace to hang", PATIENCE, async || {
        let shown = control_plane.kubectl(&["get", "namespace", &hung, "-o", "json"]).await.stdout;
        if shown.contains("NamespaceFinalizersRemaining") && shown.contains(FINALIZER) {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .await;
    let stated = release(&account, &["--namespace", &hung]).await.expect(0);
    println!("{}{}", stated.stdout, stated.stderr);
    assert_eq!(stated.rows()[1], ["WebhookEventType", &hung, "hung.one", "Deleted"]);
    assert_eq!(stated.rows().len(), 3);
    control_plane
        .kubectl(&["wait", "--for=delete", &format!("namespace/{hung}"), "--timeout=60s"])
        .await
        .expect_success();
    assert_eq!(finalizers(&control_plane, "WebhookEndpoint/one").await, Some(ours.clone()));

    // By name, with a slip in one, and one that needs nothing.
    let [two, none, free] = ["two", "none", "free"].map(|name| format!("WebhookEndpoint/{team}/{name}"));
    let stated = release(&account, &[&two, &none, &free]).await.expect(3);
    println!("{}{}", stated.stdout, stated.stderr);
    let mut states: Vec<_> = stated.rows()[1..].iter().map(|row| format!("{} {}", row[2], row[3])).collect();
    states.sort();
    assert_eq!(states, ["free NotHeld", "none NotFound", "two Released"]);
    assert_eq!(finalizers(&control_plane, "WebhookEndpoint/free").await, Some(vec![FOREIGN.to_owned()]));

    // Through one connection, in one namespace: the connection is not asked for.
    let stated =
        release(&account, &["--connection", "one", "--namespace", &team, "--dry-run"]).await.expect(0);
    assert_eq!(stated.rows().len(), 4, "{}", stated.stdout);
    let stated = release(&account, &["--connection", "one"]).await.expect(0);
    let released: Vec<_> = stated.rows()[1..].iter().map(|row| row[row.len() - 2].to_owned()).collect();
    assert_eq!(released, ["team.one", "moving", "one", "one"], "{}", stated.stdout);
    assert_eq!(
        finalizers(&control_plane, "SvixConnection/two").await,
        Some(vec![FOREIGN.to_owned(), FINALIZER.to_owned()])
    );
    assert_eq!(finalizers(&control_plane, "WebhookEventType/team.two").await, Some(ours));
    let stated = release(&account, &["SvixConnection/two"]).await.expect(0);
    assert_eq!(stated.rows()[1], ["SvixConnection", "two", "Released"]);
    assert_eq!(finalizers(&control_plane, "SvixConnection/two").await, Some(vec![FOREIGN.to_owned()]));

    for (wrong, expected) in [
        (&[][..], "required"),
        (&["--all", "--namespace", "x"][..], "cannot be used with"),
        (&["WebhookEvent/a/b"][..], "has no finalizer"),
        (&["Pod/a/b"][..], "KIND/NAMESPACE/NAME"),
    ] {
        let stated = release(&account, wrong).await.expect(2);
        assert!(stated.stderr.contains(expected), "{}", stated.stderr);
    }
}

#[tokio::test]
async fn concurrent_writes_survive_a_release() {
    // Given objects that are found by a release
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let team = control_plane.namespace("busy").await.name.clone();
    let names = ["labelled", "moved", "doubled", "taken", "deleted", "replaced"];
    let ours = names.map(|name| held(endpoint(name, &["a.b"]).in_namespace(&team), &[FINALIZER]));
    apply(&control_plane, &ours).await;
    let client = control_plane.client();
    let selection = Selection::Of { namespace: Some(team.clone()), connection: None };
    let found = find(&client, &selection).await;
    // When others change them in every way before they are released
    let api: Api<WebhookEndpoint> = Api::namespaced(client.clone(), &team);
    let patch = async |name: &str, metadata: Value| {
        let patch = Patch::Merge(json!({"metadata": metadata}));
        api.patch(name, &PatchParams::default(), &patch).await.unwrap()
    };
    patch("labelled", json!({"labels": {"a": "b"}, "finalizers": [FINALIZER, FOREIGN]})).await;
    patch("moved", json!({"finalizers": [FOREIGN, FINALIZER]})).await;
    patch("doubled", json!({"finalizers": [FINALIZER, FOREIGN, FINALIZER]})).await;
    patch("taken", json!({"finalizers": [FOREIGN]})).await;
    for name in ["deleted", "replaced"] {
        patch(name, json!({"finalizers": []})).await;
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }
    apply(&control_plane, &ours[5..]).await;
    // Then our finalizer is removed from those that were found, and from no other object
    let rows = release_found(&client, found, |_| {}).await;
    let states: BTreeMap<_, _> = rows.iter().map(|row| (&*row.key.name, row.state.clone())).collect();
    let expected = [
        ("deleted", State::Gone),
        ("doubled", State::Released),
        ("labelled", State::Released),
        ("moved", State::Released),
        ("replaced", State::Gone),
        ("taken", State::Released),
    ];
    assert_eq!(states, BTreeMap::from(expected));
    // and what others wrote is still there.
    let left: BTreeMap<_, _> =
        objects(&control_plane).await.into_iter().map(|(name, finalizers, _)| (name, finalizers)).collect();
    let foreign = || vec![FOREIGN.to_owned()];
    let expected = [
        ("WebhookEndpoint/doubled", foreign()),
        ("WebhookEndpoint/labelled", foreign()),
        ("WebhookEndpoint/moved", foreign()),
        ("WebhookEndpoint/replaced", vec![FINALIZER.to_owned()]),
        ("WebhookEndpoint/taken", foreign()),
    ];
    assert_eq!(left, BTreeMap::from(expected.map(|(name, finalizers)| (name.to_owned(), finalizers))));
    assert_eq!(api.get("labelled").await.unwrap().metadata.labels.unwrap()["a"], "b");
}

#[tokio::test]
async fn long_lists_and_busy_objects_are_released() {
    const MANY: usize = 620;
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    let account = releaser(&control_plane).await;
    let team = control_plane.namespace("many").await.name.clone();
    // A definition that lets anything in, as an older or a newer one might.
    let anything = json!([{
        "op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema",
        "value": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }])
    .to_string();
    let patch = ["patch", "crd", "webhookendpoints.svix-operator.dev", "--type=json", "-p", &anything];
    control_plane.kubectl(&patch).await.expect_success();
    let kind =
        ApiResource::from_gvk(&GroupVersionKind::gvk("svix-operator.dev", "v1alpha1", "WebhookEndpoint"));
    let api: Api<DynamicObject> = Api::namespaced_with(control_plane.client(), &team, &kind);
    let create = async |manifest: Value| {
        let object = serde_json::from_value(manifest).unwrap();
        api.create(&PostParams::default(), &object).await
    };
    let mut odd = held(endpoint("odd", &["a.b"]).in_namespace(&team), &[FINALIZER]);
    odd["spec"] = json!({"eventTypes": 5, "connectionRef": [1]});
    eventually("the definition to be in force", PATIENCE, async || create(odd.clone()).await.map(drop)).await;
    let all =
        (0..MANY).map(|i| held(endpoint(&format!("hook{i:03}"), &["a.b"]).in_namespace(&team), &[FINALIZER]));
    for part in all.collect::<Vec<_>>().chunks(50) {
        futures::future::join_all(
            part.iter().map(|manifest| async { create(manifest.clone()).await.unwrap() }),
        )
        .await;
    }

    // Somebody changes one of them all the time, and none of these changes is lost.
    let written = AtomicUsize::new(0);
    let busy = async {
        for turn in 0.. {
            let label = json!({"metadata": {"labels": {"turn": format!("{turn}")}}});
            api.patch("hook400", &PatchParams::default(), &Patch::Merge(label)).await.unwrap();
            written.store(turn, Ordering::Relaxed);
        }
    };
    tokio::select! {
        () = busy => {}
        () = async {
            let stated = release(&account, &["--all", "-o", "json"]).await.expect(0).json();
            assert_eq!((&stated["released"], &stated["failed"]), (&json!(MANY + 1), &json!(0)));
            let mut names: Vec<_> = stated["objects"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), MANY + 1);
        } => {}
    }
    let turn: usize = api.get("hook400").await.unwrap().metadata.labels.unwrap()["turn"].parse().unwrap();
    assert!(turn >= written.load(Ordering::Relaxed) && turn > 0);
    let left = objects(&control_plane).await;
    assert_eq!(left.len(), MANY + 1);
    assert!(left.iter().all(|(_, finalizers, _)| finalizers.is_empty()));

    // A kind that is not there does not keep the others from it.
    let crd = "webhookeventtypes.svix-operator.dev";
    control_plane.kubectl(&["delete", "crd", crd, "--timeout=60s"]).await.expect_success();
    let hold = json!({"metadata": {"finalizers": [FINALIZER]}}).to_string();
    control_plane
        .kubectl(&["-n", &team, "patch", "webhookendpoint", "odd", "--type=merge", "-p", &hold])
        .await
        .expect_success();
    let stated = release(&account, &["--all"]).await.expect(0);
    assert!(
        stated.stderr.contains("knows no WebhookEventType: its CRD is not installed"),
        "{}",
        stated.stderr
    );
    assert_eq!(stated.rows()[1], ["WebhookEndpoint", &team, "odd", "Released"]);

    // Somebody who may not learns so.
    let nobody = control_plane.dir().join("nobody.kubeconfig");
    let text = std::fs::read_to_string(&account).unwrap().replace("as: releaser", "as: nobody");
    std::fs::write(&nobody, text).unwrap();
    let stated = release(&nobody, &["--all"]).await.expect(2);
    assert!(
        stated.stderr.contains("forbidden: User") && !stated.stderr.contains("Status {"),
        "{}",
        stated.stderr
    );
    assert!(stated.stderr.contains("cannot determine whether an operator runs"), "{}", stated.stderr);
    let stated = release(&nobody, &["--all", "--force"]).await.expect(3);
    assert!(stated.stderr.contains("error: WebhookEndpoint cannot be listed"), "{}", stated.stderr);
}
