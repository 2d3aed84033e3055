//! Argo CD itself, its application controller and its repository server, given `examples/argo-cd/app-of-apps.yaml` and
//! nothing else: it brings the operator, then what is declared, from a Git repository.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt as _;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{WatchStreamExt as _, watcher},
};
use serde_json::{Value, json};
use svix_operator::embedded::EmbeddedSvix;
use tokio::task::AbortHandle;

use super::{CHART, install};
use crate::support::{
    argo_cd::{ARGO_CD_NAMESPACE, ArgoCd, install_argo_cd},
    control_plane::ControlPlane,
    git::Repository,
    operator::{OPERATOR_NAMESPACE, Operator, free_address},
    svix_server,
    wait::eventually,
};

/// The Applications of the example: the one that is applied by hand, and those that it makes.
const ROOT: &str = "svix";
const OPERATOR: &str = "svix-operator";
const DECLARATIONS: &str = "webhooks";
const CONNECTION: &str = "SvixConnection";

/// Longer than any of it takes on a busy machine; Argo CD tries again after seconds, then after minutes.
const PATIENCE: Duration = Duration::from_secs(240);

/// Where the example says that it comes from.
const ORIGIN: &str = "https://github.com/svix-operator/svix-operator.git";
const RELEASE: &str = "v0.1.0";
/// The file of an event type, in the folder that is synchronised.
const ORDER_PLACED: &str = "examples/quickstart/order-placed.yaml";

fn copy(from: &Path, repository: &Repository, to: &str) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = format!("{to}/{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            copy(&entry.path(), repository, &to);
        } else {
            repository.write(&to, std::fs::read(entry.path()).unwrap());
        }
    }
}

/// A fork of this repository as the example asks for it, with a Svix of its own.
fn fork(svix: &EmbeddedSvix) -> Repository {
    let repository = Repository::new();
    for folder in [CHART, "examples/argo-cd", "examples/quickstart"] {
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &repository, folder);
    }
    let here = format!("file://{}", repository.folder().display());
    for file in ["app-of-apps", "apps/operator", "apps/declarations"] {
        repository.edit(&format!("examples/argo-cd/{file}.yaml"), |text| text.replace(ORIGIN, &here));
    }
    repository.edit("examples/argo-cd/apps/operator.yaml", |text| {
        let owner = "            ownerId: prod\n";
        text.replace(owner, &format!("{owner}            serverUrl: {}\n", svix.url()))
    });
    release(&repository, "A fork");
    repository
}

/// The revision that the Applications follow is now what is in the folder.
fn release(repository: &Repository, message: &str) {
    repository.commit(message);
    repository.git(&["tag", "--force", RELEASE]);
}

/// What the Applications told since the beginning, each version of each.
struct Story {
    seen: Arc<Mutex<Vec<Value>>>,
    watch: AbortHandle,
}

impl Drop for Story {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Story {
    fn begin(control_plane: &ControlPlane) -> Self {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application"));
        let applications: Api<DynamicObject> =
            Api::namespaced_with(control_plane.client(), ARGO_CD_NAMESPACE, &kind);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let found = Arc::clone(&seen);
        let watch = tokio::spawn(async move {
            let mut versions = std::pin::pin!(
                watcher(applications, watcher::Config::default()).default_backoff().applied_objects()
            );
            while let Some(version) = versions.next().await {
                if let Ok(version) = version {
                    found.lock().unwrap().push(serde_json::to_value(version).unwrap());
                }
            }
        });
        Self { seen, watch: watch.abort_handle() }
    }

    fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }

    /// When something of an Application first was so.
    fn first(&self, name: &str, is_so: impl Fn(&Value) -> bool) -> usize {
        let seen = self.seen();
        let found = seen.iter().position(|it| it["metadata"]["name"] == name && is_so(it));
        found.unwrap_or_else(|| panic!("{name} was never so\n{}", reported(&seen)))
    }
}

/// Each version in a line.
fn reported(versions: &[Value]) -> String {
    versions.iter().fold(String::new(), |mut text, version| {
        let status = &version["status"];
        let resources = status["resources"].as_array().into_iter().flatten();
        let open = resources.filter(|it| it["health"]["status"] != "Healthy" || it["status"] != "Synced");
        let open: Vec<_> = open
            .map(|it| format!("{} {}: {} {}", it["kind"], it["name"], it["status"], it["health"]))
            .collect();
        let operation = &status["operationState"];
        let (phase, message) = (&operation["phase"], &operation["message"]);
        let name = &version["metadata"]["name"];
        let _ = writeln!(
            text,
            "{name}: {} {} {phase} {message} {} {open:?}",
            status["sync"]["status"], status["health"]["status"], status["conditions"]
        );
        text
    })
}

/// The Applications as they are, by name.
async fn applications(control_plane: &ControlPlane) -> BTreeMap<String, Value> {
    let get = ["get", "applications", "-n", ARGO_CD_NAMESPACE, "-o", "json"];
    let list: Value = serde_json::from_str(&control_plane.kubectl(&get).await.expect_success()).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    items.map(|it| (it["metadata"]["name"].as_str().unwrap().to_owned(), it.clone())).collect()
}

/// Waits until the Applications are so, and answers them.
async fn until(
    control_plane: &ControlPlane,
    argo_cd: &ArgoCd,
    what: &str,
    mut is_so: impl FnMut(&BTreeMap<String, Value>) -> bool,
) -> BTreeMap<String, Value> {
    eventually(what, PATIENCE, async || {
        let found = applications(control_plane).await;
        if is_so(&found) {
            return Ok(found);
        }
        let found: Vec<_> = found.into_values().collect();
        Err(format!("{}{}", reported(&found), argo_cd.log_tail()))
    })
    .await
}

fn is(application: &Value, sync: &str, health: &str) -> bool {
    let status = &application["status"];
    status["sync"]["status"] == sync && status["health"]["status"] == health
}

/// Three Applications, which hold what Git holds and do well.
fn all_is_well(applications: &BTreeMap<String, Value>) -> bool {
    applications.len() == 3 && applications.values().all(|it| is(it, "Synced", "Healthy"))
}

/// Has everything read, rendered and compared once more, and waits until it was.
async fn compare_again(
    control_plane: &ControlPlane,
    argo_cd: &ArgoCd,
    options: &str,
) -> BTreeMap<String, Value> {
    let options = format!("argocd.argoproj.io/compare-options={options}");
    let refresh = "argocd.argoproj.io/refresh=hard";
    let annotate = ["annotate", "applications", "--all", "-n", ARGO_CD_NAMESPACE, "--overwrite"];
    control_plane.kubectl(&[&annotate[..], &[&options, refresh]].concat()).await.expect_success();
    until(control_plane, argo_cd, "a second comparison", |found| {
        // The controller takes the annotation away when it has.
        found.values().all(|it| it["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null())
    })
    .await
}

/// What changes whenever anybody writes to what the Applications hold.
async fn versions(control_plane: &ControlPlane) -> String {
    let kinds = "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,\
                 validatingwebhookconfigurations,poddisruptionbudgets,customresourcedefinitions,svixconnections,\
                 webhookeventtypes,webhookendpoints";
    let each = "jsonpath={range .items[*]}{.kind} {.metadata.name}={.metadata.resourceVersion}{\"\\n\"}{end}";
    control_plane.kubectl(&["get", kinds, "-A", "-o", each]).await.expect_success()
}

/// What the example's first lines ask for, and what stands in for the rest of a cluster: nothing makes a Service lead
/// to pods here, so the test does, and Argo CD is not to see that.
async fn prepare(control_plane: &ControlPlane) {
    install_argo_cd(control_plane).await;
    let health =
        ["apply", "--server-side", "-k", concat!(env!("CARGO_MANIFEST_DIR"), "/examples/argo-cd/health")];
    control_plane.kubectl(&health).await.expect_success();
    let ignored = json!({"data": {
        "resource.customizations.ignoreDifferences.Service": "jsonPointers: [/spec]",
        "resource.customizations.ignoreDifferences.admissionregistration.k8s.io_ValidatingWebhookConfiguration":
            "jqPathExpressions: ['.webhooks[].clientConfig.service.port']",
    }});
    let patch = ["patch", "configmap", "argocd-cm", "-n", ARGO_CD_NAMESPACE, "--type=merge", "-p"];
    control_plane.kubectl(&[&patch[..], &[&ignored.to_string()]].concat()).await.expect_success();
}

/// Does what kubelet and the controllers of Deployments and disruption budgets would do about what Argo CD made.
async fn run_what_is_deployed(control_plane: &ControlPlane) -> [Operator; 2] {
    let get = ["get", "deployment", "svix-operator", "-n", OPERATOR_NAMESPACE, "-o", "json"];
    let deployment: Value =
        serde_json::from_str(&control_plane.kubectl(&get).await.expect_success()).unwrap();
    let address = free_address();
    install::lead_service_to(control_plane, address).await;
    let operator = install::start(control_plane, &deployment, "operator", &[]);
    let webhook = install::start_webhook(control_plane, &deployment, address, &[]);
    operator.ready().await;
    webhook.ready().await;
    let replicas = &deployment["spec"]["replicas"];
    let now = "2026-01-01T00:00:00Z";
    let condition = |type_: &str, reason: &str| {
        json!({
            "type": type_, "status": "True", "reason": reason, "message": "",
            "lastTransitionTime": now, "lastUpdateTime": now, "observedGeneration": 1,
        })
    };
    let available = json!({"status": {
        "observedGeneration": deployment["metadata"]["generation"], "replicas": replicas,
        "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
        "conditions": [condition("Available", "MinimumReplicasAvailable")],
    }});
    let allowed = json!({"status": {
        "currentHealthy": replicas, "desiredHealthy": 1, "disruptionsAllowed": 1, "expectedPods": replicas,
        "observedGeneration": 1, "conditions": [condition("DisruptionAllowed", "SufficientPods")],
    }});
    for (kind, status) in [("poddisruptionbudget", allowed), ("deployment", available)] {
        let status = status.to_string();
        let patch = ["patch", kind, "svix-operator", "-n", OPERATOR_NAMESPACE, "--subresource=status"];
        let patch = [&patch[..], &["--type=merge", "-p", &status]].concat();
        control_plane.kubectl(&patch).await.expect_success();
    }
    [operator, webhook]
}

#[tokio::test]
async fn argo_cd_brings_the_operator_and_then_what_is_declared() {
    let control_plane = &ControlPlane::start().await;
    prepare(control_plane).await;
    let svix = svix_server::start().await;
    let repository = fork(&svix);
    let argo_cd = &ArgoCd::start(control_plane).await;
    let story = Story::begin(control_plane);

    let root = repository.path("examples/argo-cd/app-of-apps.yaml");
    let apply = ["apply", "--validate=strict", "-f", root.to_str().unwrap()];
    control_plane.kubectl(&apply).await.expect_success();
    // Applied once, and once more where Argo CD had not yet seen of itself what it had made: its word for that is
    // self-healing.
    until(control_plane, argo_cd, "the chart to be applied", |found| {
        found.get(OPERATOR).is_some_and(|it| {
            let status = &it["status"];
            let done = it["operation"].is_null() && status["operationState"]["phase"] == "Succeeded";
            done && is(it, "Synced", "Progressing")
        })
    })
    .await;
    let token = format!("--from-literal=token={}", svix.token());
    let create = ["-n", OPERATOR_NAMESPACE, "create", "secret", "generic", "svix-token", &token];
    control_plane.kubectl(&create).await.expect_success();
    let [_operator, _webhook] = run_what_is_deployed(control_plane).await;
    let found = until(control_plane, argo_cd, "everything to be Synced and Healthy", all_is_well).await;

    // In that order, and one wave after the other.
    for name in [OPERATOR, DECLARATIONS] {
        for resource in found[name]["status"]["resources"].as_array().unwrap() {
            let so = |field: &str, value: &str| {
                story.first(name, |it| {
                    let all = it["status"]["resources"].as_array().into_iter().flatten();
                    let same = |it: &&Value| it["kind"] == resource["kind"] && it["name"] == resource["name"];
                    let mut states = all.filter(same).map(|it| it.pointer(field).unwrap_or(&Value::Null));
                    states.any(|it| it == value)
                })
            };
            if resource["health"].is_object() {
                assert!(so("/status", "Synced") <= so("/health/status", "Healthy"), "{resource}");
            }
        }
    }
    let well = |name: &str| story.first(name, |it| is(it, "Synced", "Healthy"));
    assert!(well(OPERATOR) < story.first(DECLARATIONS, |_| true), "{}", reported(&story.seen()));
    assert!(well(DECLARATIONS) < well(ROOT), "{}", reported(&story.seen()));
    for (name, application) in &found {
        assert_eq!(application["status"]["operationState"]["phase"], "Succeeded", "{name}");
        assert!(application["status"]["conditions"].is_null(), "{name}: {}", application["status"]);
    }
    let brought = |name: &str, kind: &str| {
        let resources = found[name]["status"]["resources"].as_array().unwrap();
        resources.iter().filter(|it| it["kind"] == kind).count()
    };
    assert_eq!(brought(OPERATOR, "CustomResourceDefinition"), 4);
    assert_eq!(brought(OPERATOR, CONNECTION), 1);
    assert_eq!(brought(DECLARATIONS, "WebhookEventType"), 2);
    assert_eq!(brought(DECLARATIONS, "WebhookEndpoint"), 3);
    let addresses = || {
        let held = svix.snapshot();
        held.applications["default"].endpoints.values().map(|it| it.url.clone()).collect::<Vec<_>>()
    };
    assert_eq!(addresses().len(), 3);

    // Compared once more, in either way, nothing differs; nothing is written, and nothing is synchronised.
    let before = versions(control_plane).await;
    for options in ["ServerSideDiff=true", "ServerSideDiff=false"] {
        let again = compare_again(control_plane, argo_cd, options).await;
        for (name, application) in &again {
            let status = &application["status"];
            assert!(
                is(application, "Synced", "Healthy"),
                "{options}: {}",
                reported(std::slice::from_ref(application))
            );
            assert_eq!(status["history"], found[name]["status"]["history"], "{options}: {name}");
        }
        assert_eq!(versions(control_plane).await, before, "{options}");
    }

    // What a hand changes is changed back; else the above would say little.
    let elsewhere = "https://hooks.example.org/elsewhere";
    let change = json!({"spec": {"url": elsewhere}}).to_string();
    let by_hand = ["-n", "shop", "patch", "webhookendpoint", "warehouse", "--type=merge", "-p", &change];
    control_plane.kubectl(&by_hand).await.expect_success();
    eventually("it to be changed back", PATIENCE, async || {
        let url = ["-n", "shop", "get", "webhookendpoint", "warehouse", "-o", "jsonpath={.spec.url}"];
        let url = control_plane.kubectl(&url).await.expect_success();
        if url == elsewhere { Err(argo_cd.log_tail()) } else { Ok(()) }
    })
    .await;

    a_wrong_token_is_told_up_to_the_root(control_plane, argo_cd, &svix).await;
    a_slip_is_tried_again_until_it_is_mended(control_plane, argo_cd, &repository).await;

    // What Git no longer holds goes, while the operator is there to clean up; the connection stays.
    std::fs::remove_file(repository.path("examples/argo-cd/apps/declarations.yaml")).unwrap();
    release(&repository, "No webhooks");
    compare_again(control_plane, argo_cd, "ServerSideDiff=true").await;
    until(control_plane, argo_cd, "the declarations to go", |found| {
        !found.contains_key(DECLARATIONS) && found.values().all(|it| is(it, "Synced", "Healthy"))
    })
    .await;
    // But for the one with `deletionPolicy: Retain`.
    assert_eq!(addresses(), ["https://hooks.example.org/analytics"]);
    control_plane.kubectl(&["get", "svixconnection", "default"]).await.expect_success();
}

async fn a_slip_is_tried_again_until_it_is_mended(
    control_plane: &ControlPlane,
    argo_cd: &ArgoCd,
    repository: &Repository,
) {
    repository.edit(ORDER_PLACED, |text| text.replace("    type: object\n", "    type: strin\n"));
    release(repository, "A slip");
    compare_again(control_plane, argo_cd, "ServerSideDiff=false").await;
    // The webhook refuses it, so the object stays as it was, and Argo CD tries again: `retry` of the example.
    let why = "denied the request: /spec/schema/type: found \"strin\", expected array, boolean";
    until(control_plane, argo_cd, "the slip to be told", |found| {
        let operation = &found[DECLARATIONS]["status"]["operationState"];
        let stated = operation["message"].as_str().unwrap_or_default();
        operation["phase"] == "Running" && stated.contains("Retrying attempt #") && stated.contains(why)
    })
    .await;
    // With what is mended, and not with the slip, or this would take many minutes.
    repository.git(&["revert", "--no-edit", "HEAD"]);
    repository.git(&["tag", "--force", RELEASE]);
    compare_again(control_plane, argo_cd, "ServerSideDiff=false").await;
    until(control_plane, argo_cd, "the next try to succeed", |found| {
        all_is_well(found) && found[DECLARATIONS]["status"]["operationState"]["phase"] == "Succeeded"
    })
    .await;
}

/// What the Lua says of an object reaches its Application, and the one above.
async fn a_wrong_token_is_told_up_to_the_root(
    control_plane: &ControlPlane,
    argo_cd: &ArgoCd,
    svix: &EmbeddedSvix,
) {
    let set = async |token: &str| {
        let token = json!({"stringData": {"token": token}}).to_string();
        let patch = ["-n", OPERATOR_NAMESPACE, "patch", "secret", "svix-token", "--type=merge", "-p", &token];
        control_plane.kubectl(&patch).await.expect_success();
    };
    set("wrong").await;
    until(control_plane, argo_cd, "the wrong token to be told", |found| {
        let resources = found[OPERATOR]["status"]["resources"].as_array().into_iter().flatten();
        let connection = resources.into_iter().find(|it| it["kind"] == CONNECTION);
        let why = connection.and_then(|it| it["health"]["message"].as_str()).unwrap_or_default();
        why.starts_with("AuthenticationFailed: ")
            && [OPERATOR, ROOT].iter().all(|name| is(&found[*name], "Synced", "Degraded"))
    })
    .await;
    set(svix.token()).await;
    until(control_plane, argo_cd, "the right token to be told", all_is_well).await;
}
