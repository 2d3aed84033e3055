//! `helm install`, `upgrade` and `uninstall` on a real API server, and the program at work as the chart installs it:
//! with its arguments, its accounts, its permissions and its registration.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use svix_operator::embedded::FaultPlan;

use super::{CHART, chart, monitoring::panels_without_data, named, permissions};
use crate::support::{
    control_plane::ControlPlane,
    harness::PATIENCE,
    objects::{endpoint, event, event_type},
    operator::{OPERATOR_NAMESPACE, Operator, free_address},
    test_namespace::TestNamespace,
    tools::tool,
    wait::eventually,
};

/// Certificates are renewed after weeks; `cluster::rbac` has them last seconds.
const AT_A_RENEWAL: [&str; 1] = ["update /secrets at home"];

/// Runs helm for the release's namespace.
pub async fn helm(control_plane: &ControlPlane, arguments: &[&str]) -> String {
    let mut all = vec!["--namespace", OPERATOR_NAMESPACE];
    all.extend(arguments);
    let stated = tool("helm", Some(control_plane), &all, "").await;
    assert!(stated.success, "helm {arguments:?}: {}{}", stated.stdout, stated.stderr);
    stated.stdout
}

/// Everything of the release in a cluster, as kind/name.
async fn installed(control_plane: &ControlPlane) -> Vec<String> {
    let kinds = "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,\
                 validatingwebhookconfigurations,poddisruptionbudgets,customresourcedefinitions";
    let label = "app.kubernetes.io/instance=svix-operator";
    let get = ["get", kinds, "-n", OPERATOR_NAMESPACE, "-l", label, "-o", "name", "--ignore-not-found"];
    control_plane.kubectl(&get).await.expect_success().lines().map(str::to_owned).collect()
}

/// The arguments that a container of the chart has, without the addresses where it listens.
fn arguments_of(deployment: &Value, container: &str) -> Vec<String> {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let found = containers.iter().find(|it| it["name"] == container).expect("the container");
    let arguments = found["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned());
    let here = ["--health-addr=", "--admission-listen=", "--shutdown-delay="];
    arguments.filter(|argument| !here.iter().any(|prefix| argument.starts_with(prefix))).collect()
}

/// Starts a container of the chart as a process, under the account that the chart gives it.
pub fn start(control_plane: &ControlPlane, deployment: &Value, container: &str, more: &[&str]) -> Operator {
    let account = deployment["spec"]["template"]["spec"]["serviceAccountName"].as_str().unwrap();
    let kubeconfig = control_plane.kubeconfig_of(OPERATOR_NAMESPACE, account);
    let arguments = arguments_of(deployment, container);
    // What the pod has from the downward API.
    let mut all: Vec<_> = arguments.iter().map(String::as_str).collect();
    all.extend(["--namespace", OPERATOR_NAMESPACE]);
    all.extend(more);
    Operator::start_command(control_plane, &kubeconfig, &all)
}

pub fn start_webhook(
    control_plane: &ControlPlane,
    deployment: &Value,
    address: SocketAddr,
    more: &[&str],
) -> Operator {
    let listen = address.to_string();
    let mut all = vec!["--admission-listen", &listen, "--shutdown-delay", "0s"];
    all.extend(more);
    start(control_plane, deployment, "webhook", &all)
}

/// There is no network of pods here, so the chart's Service is made to lead to this machine. Nothing else of what the
/// API server calls differs: the name in the certificate is the Service's, the bundle is the one that the sidecar keeps.
pub async fn lead_service_to(control_plane: &ControlPlane, address: SocketAddr) {
    let here = json!({"spec": {
        "type": "ExternalName", "externalName": "localhost", "clusterIP": null, "clusterIPs": null,
        "ipFamilies": null, "ipFamilyPolicy": null, "internalTrafficPolicy": null, "selector": null,
    }});
    let service =
        ["patch", "service", "svix-operator-webhook", "-n", OPERATOR_NAMESPACE, "--type=merge", "-p"];
    control_plane.kubectl(&[&service[..], &[&here.to_string()]].concat()).await.expect_success();
    let port = |index: u8| json!({"op": "replace", "path": format!("/webhooks/{index}/clientConfig/service/port"), "value": address.port()});
    let ports = json!([port(0), port(1)]).to_string();
    let patch = ["patch", "validatingwebhookconfiguration", "svix-operator", "--type=json", "-p", &ports];
    control_plane.kubectl(&patch).await.expect_success();
}

pub async fn is_established(control_plane: &ControlPlane) {
    let wait = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd",
        "-l",
        "app.kubernetes.io/name=svix-operator",
    ];
    control_plane.kubectl(&wait).await.expect_success();
}

#[tokio::test]
async fn objects_survive_uninstall_and_install() {
    let control_plane = &ControlPlane::start().await;
    let notes = helm(control_plane, &["install", "svix-operator", CHART, "--create-namespace"]).await;
    assert!(notes.contains("kubectl -n svix-operator create secret generic svix-token"), "{notes}");
    is_established(control_plane).await;
    let first = installed(control_plane).await;
    for name in [
        "deployment.apps/svix-operator",
        "service/svix-operator-webhook",
        "serviceaccount/svix-operator",
        "validatingwebhookconfiguration.admissionregistration.k8s.io/svix-operator",
        "customresourcedefinition.apiextensions.k8s.io/webhookendpoints.svix-operator.dev",
    ] {
        assert!(first.iter().any(|it| it == name), "{name} is not in {first:#?}");
    }

    // With a connection, which needs the definitions of the first step; and the webhook on its own.
    let upgrade = ["--set", "webhook.separate=true,connection.create=true,connection.spec.ownerId=prod"];
    let upgrade = [&["upgrade", "svix-operator", CHART][..], &upgrade].concat();
    let notes = helm(control_plane, &upgrade).await;
    assert!(notes.contains("The connection \"default\" reads its token from the Secret"), "{notes}");
    let second = installed(control_plane).await;
    assert!(second.contains(&"deployment.apps/svix-operator-webhook".to_owned()), "{second:#?}");
    assert!(second.contains(&"serviceaccount/svix-operator-webhook".to_owned()), "{second:#?}");
    control_plane.kubectl(&["get", "svixconnection", "default"]).await.expect_success();
    // Nothing is changed by an upgrade to the same.
    let versions = async || {
        let path = "jsonpath={range .items[*]}{.metadata.name} {.metadata.resourceVersion}{\"\\n\"}{end}";
        let get = ["get", "deployments,clusterroles,crds,services,svixconnections", "-A", "-o", path];
        control_plane.kubectl(&get).await.expect_success()
    };
    let before = versions().await;
    helm(control_plane, &upgrade).await;
    assert_eq!(before, versions().await);
    // A definition that an older release left is brought up to date.
    let older = ["patch", "crd", "webhookendpoints.svix-operator.dev", "--type=json", "-p"];
    let shorter = r#"[{"op": "remove", "path": "/spec/names/shortNames"}]"#;
    control_plane.kubectl(&[&older[..], &[shorter]].concat()).await.expect_success();
    helm(control_plane, &upgrade).await;
    let path = "jsonpath={.spec.names.shortNames[0]}";
    let get = ["get", "crd", "webhookendpoints.svix-operator.dev", "-o", path];
    assert_eq!(control_plane.kubectl(&get).await.expect_success(), "whep");

    helm(control_plane, &["rollback", "svix-operator", "1"]).await;
    let back = installed(control_plane).await;
    assert_eq!(back, first);

    helm(control_plane, &["uninstall", "svix-operator"]).await;
    let left = installed(control_plane).await;
    assert!(left.len() == 4 && left.iter().all(|it| it.starts_with("customresourcedefinition")), "{left:#?}");
    control_plane.kubectl(&["get", "svixconnection", "default"]).await.expect_success();
    helm(control_plane, &["install", "svix-operator", CHART]).await;
    assert_eq!(installed(control_plane).await, first);
}

/// Everything that the operator does, as the chart has it run; answers what is to be looked at afterwards.
async fn work(control_plane: &ControlPlane, tenant: &TestNamespace<'_>) {
    let map = |schema: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"schema.json": schema},
            "metadata": {"name": "schemas", "namespace": tenant.name},
        })
    };
    let reference = json!({"configMapKeyRef": {"name": "schemas", "key": "schema.json"}});
    tenant.apply_json(&[map(r#"{"type": "object"}"#)]).await;
    // The API server asks the sidecar, through the chart's registration.
    let manifests = || {
        [
            event_type("a.one").with("schema", json!(null)).with("schemaFrom", reference.clone()),
            event_type("order.placed").with("schema", json!({"properties": {"id": {"type": "integer"}}})),
            event_type("order.moved")
                .with("schema", json!({"required": ["id"]}))
                .with("payloadPolicy", "Warn"),
            endpoint("hook", &["a.one", "order.placed"]),
        ]
    };
    eventually("the webhook to answer", PATIENCE, async || {
        let items: Vec<_> = manifests().into_iter().map(|manifest| tenant.mine(manifest).0).collect();
        let stated = tenant.try_apply(&items).await;
        if stated.success { Ok(()) } else { Err(stated.stderr) }
    })
    .await;
    tenant.all_ready(4).await;

    let refusal = eventually("the webhook to know the schema", PATIENCE, async || {
        let bad = event("bad", "order.placed").with("payload", json!({"id": "7"}));
        let bad = tenant.mine(bad).0.to_string();
        let stated = control_plane.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &bad).await;
        if stated.success { Err(stated.stderr) } else { Ok(stated.stderr) }
    })
    .await;
    assert!(refusal.contains("/spec/payload/id: found \"7\", expected an integer"), "{refusal}");
    // Large enough that the operator reads it again when its turn comes.
    let payload = json!({"id": 7, "note": "n".repeat(20_000)});
    let good = event("good", "order.placed").with("payload", payload);
    tenant.apply([good.with("application", "other").with("ttlAfterFinished", "0s")]).await;
    tenant.gone("webhookevent", "good").await;
    // A schema that breaks, and is mended.
    tenant.apply_json(&[map("no JSON")]).await;
    tenant.wait_for_reason("webhookeventtype", "a.one", "InvalidSchema").await;
    tenant.apply_json(&[map(r#"{"type": "object", "required": ["a"]}"#)]).await;
    tenant.all_ready(4).await;
    // One that does not match, and passes all the same.
    tenant.apply([event("lax", "order.moved").with("application", "other")]).await;
    tenant.wait_for_reason("webhookevent", "lax", "NoEndpointMatched").await;
    // Somebody changes Svix.
    let held = tenant.svix.snapshot();
    let (id, _) = held.applications["default"].endpoints.iter().next().unwrap();
    let url = format!("{}/api/v1/app/default/endpoint/{id}", tenant.svix.url());
    let change = reqwest::Client::new().patch(url).bearer_auth(tenant.svix.token());
    let changed = change.json(&json!({"url": "https://elsewhere.example.org"})).send().await.unwrap();
    assert!(changed.status().is_success());
    eventually("the drift to be told", PATIENCE, async || {
        let events = tenant.kubectl(&["get", "events"]).await.expect_success();
        if events.contains("DriftRepaired") { Ok(()) } else { Err(events) }
    })
    .await;
    // An endpoint that takes a header from a Secret, and gives its signing key to another.
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"token": "Bearer x"},
        "metadata": {"name": "receiver", "namespace": tenant.name},
    });
    tenant.apply_json(&[secret]).await;
    let from = json!({"secretKeyRef": {"name": "receiver", "key": "token"}});
    let with_secrets = endpoint("secret", &["order.placed"])
        .with("headers", json!([{"name": "Authorization", "valueFrom": from}]))
        .with("signingSecret", json!({"toSecret": {"name": "signing"}}));
    tenant.apply([with_secrets.clone()]).await;
    tenant.all_ready(5).await;
    // Somebody spoils it, and it is made good.
    let spoil = ["patch", "secret", "signing", "--type=merge", "-p", r#"{"data": {"signingKey": "YQ=="}}"#];
    tenant.kubectl(&spoil).await.expect_success();
    eventually("the signing key to be right again", PATIENCE, async || {
        let found = tenant.get("secret", "signing").await?;
        if found["data"]["signingKey"] == "YQ==" { Err("it is not".to_owned()) } else { Ok(()) }
    })
    .await;
    tenant.kubectl(&["delete", "webhookendpoint", "secret", "--timeout=60s"]).await.expect_success();
    // Svix fails on this object for a while.
    let only = Some(vec!["endpoint.update".to_owned(), "endpoint.patch".to_owned()]);
    tenant.svix.faults().set(FaultPlan { errors: 1.0, only, ..FaultPlan::default() });
    tenant.apply([endpoint("hook", &["a.one"])]).await;
    tenant.wait_for_reason("webhookendpoint", "hook", "SvixFailsOnObject").await;
    tenant.svix.faults().clear();
    tenant.all_ready(4).await;
    // Versions of a schema: a new one, the first one again, and one for which the oldest goes.
    let versioned = |title: &str| {
        event_type("order.moved")
            .with("schema", json!({"required": ["id"], "title": title}))
            .with("payloadPolicy", "Warn")
            .with("compatibility", json!({"against": "All"}))
            .with("revisionHistoryLimit", 2)
    };
    for (title, revision) in [("one", 2), ("two", 3), ("one", 4), ("three", 5)] {
        tenant.apply([versioned(title)]).await;
        eventually("the version to be kept", PATIENCE, async || {
            let found = tenant.get("webhookeventtype", "order.moved").await?;
            let history = &found["status"]["schemaHistory"];
            if history["revision"] == revision { Ok(()) } else { Err(found["status"].to_string()) }
        })
        .await;
    }
    tenant.all_ready(4).await;
    // The token is wrong, and right again.
    tenant.set_token("wrong").await;
    tenant.wait_for_reason("svixconnection", &tenant.name, "AuthenticationFailed").await;
    tenant.set_token(tenant.svix.token()).await;
    tenant.wait_for_reason("svixconnection", &tenant.name, "Connected").await;
    tenant.all_ready(4).await;
}

/// After an object has converged, nothing is different from what was applied, however one compares: Argo CD and Flux
/// would find nothing to do.
async fn no_difference_is_left(tenant: &TestNamespace<'_>) {
    let mine = |name: &str| tenant.mine(endpoint(name, &["order.placed"]).with("channels", json!(["a"]))).0;
    for (name, flag) in [("client-side", "--server-side=false"), ("server-side", "--server-side=true")] {
        let manifest = mine(name).to_string();
        let kubectl = async |command: &str| {
            tenant.control_plane.kubectl_with(&[command, flag, "-f", "-"], &manifest).await
        };
        kubectl("apply").await.expect_success();
        tenant.wait_for_reason("webhookendpoint", name, "InSync").await;
        let stated = kubectl("diff").await;
        assert!(stated.success && stated.stdout.is_empty(), "{name}: {}{}", stated.stdout, stated.stderr);
    }
}

async fn clean_up(control_plane: &ControlPlane, tenant: &TestNamespace<'_>, processes: &[&Operator]) {
    let kinds = "webhookevents,webhookeventtypes,webhookendpoints";
    tenant.kubectl(&["delete", kinds, "--all", "--timeout=60s"]).await.expect_success();
    let connection = ["delete", "svixconnection", &tenant.name, "--timeout=60s"];
    control_plane.kubectl(&connection).await.expect_success();
    for process in processes {
        process.signal("TERM");
        process.ended(Duration::from_secs(10)).await;
        assert_eq!(process.refused(), Vec::<String>::new());
        assert!(process.log_text().contains("stopped"), "{}", process.log_text());
    }
}

#[tokio::test]
async fn operator_and_webhook_work_under_one_account() {
    let control_plane = &ControlPlane::start().await;
    helm(control_plane, &["install", "svix-operator", CHART, "--create-namespace"]).await;
    is_established(control_plane).await;
    let address = free_address();
    lead_service_to(control_plane, address).await;
    let tenant = &TestNamespace::new(control_plane, "one").await;
    let objects = chart("default").await;
    let deployment = named(&objects, "Deployment", "svix-operator");
    let operator = start(control_plane, deployment, "operator", &[]);
    // With a gateway in the same process, so that the dashboard has all of its data.
    let (url, listen) = (tenant.svix.url(), free_address());
    let gateway = ["--svix-url", &url, "--connection", &tenant.name, "--listen", &listen.to_string()];
    let webhook = start_webhook(control_plane, deployment, address, &gateway);
    operator.ready().await;
    webhook.ready().await;
    let tell = async || {
        [
            operator.get("/metrics").await.unwrap_or_default(),
            webhook.get("/metrics").await.unwrap_or_default(),
        ]
    };
    let send = async |id: Value| {
        let body = json!({"eventType": "order.placed", "payload": {"id": id}});
        let request = reqwest::Client::new().post(format!("http://{listen}/api/v1/app/default/msg"));
        request.bearer_auth(tenant.svix.token()).json(&body).send().await.unwrap().status().as_u16()
    };
    work(control_plane, tenant).await;
    assert_eq!((send(json!(7)).await, send(json!("7")).await), (202, 422));
    let before = tell().await;
    // A little more, since a rate needs two readings.
    tenant.apply([endpoint("hook", &["order.placed"])]).await;
    tenant.all_ready(4).await;
    assert_eq!((send(json!(8)).await, send(json!("8")).await), (202, 422));
    let [[operator_before, webhook_before], [operator_after, webhook_after]] = [before, tell().await];
    let reported = [
        ("metrics", [operator_before, operator_after]),
        ("webhook-metrics", [webhook_before, webhook_after]),
    ];
    let empty = panels_without_data(&reported).await;
    assert!(empty.is_empty(), "{empty:#?}");
    no_difference_is_left(tenant).await;
    clean_up(control_plane, tenant, &[&operator, &webhook]).await;
}

#[tokio::test]
async fn operator_and_webhook_work_under_accounts_of_their_own() {
    let control_plane = &ControlPlane::start_audited().await;
    let separate = ["--set", "webhook.separate=true"];
    let install = [&["install", "svix-operator", CHART, "--create-namespace"][..], &separate].concat();
    helm(control_plane, &install).await;
    is_established(control_plane).await;
    let address = free_address();
    lead_service_to(control_plane, address).await;
    let tenant = &TestNamespace::new(control_plane, "two").await;
    let objects = super::objects(&super::rendered(&separate.map(str::to_owned)).await);
    let operator = start(control_plane, named(&objects, "Deployment", "svix-operator"), "operator", &[]);
    let webhook = named(&objects, "Deployment", "svix-operator-webhook");
    let webhook = start_webhook(control_plane, webhook, address, &[]);
    operator.ready().await;
    webhook.ready().await;
    work(control_plane, tenant).await;
    clean_up(control_plane, tenant, &[&operator, &webhook]).await;
    permissions::fit(control_plane, &objects, "svix-operator", &[]);
    permissions::fit(control_plane, &objects, "svix-operator-webhook", &AT_A_RENEWAL);
    // The account of the process that listens reads no token.
    let account = format!("--as=system:serviceaccount:{OPERATOR_NAMESPACE}:svix-operator-webhook");
    let get = ["get", "secret", &tenant.name, "-n", OPERATOR_NAMESPACE, &account];
    let stated = control_plane.kubectl(&get).await;
    assert!(stated.stderr.contains("forbidden"), "{}{}", stated.stdout, stated.stderr);
}

#[tokio::test]
async fn named_namespaces_limit_the_operator() {
    let control_plane = &ControlPlane::start_audited().await;
    helm(control_plane, &["install", "crds", CHART, "--create-namespace", "--set", "webhook.enabled=false"])
        .await;
    is_established(control_plane).await;
    let tenant = &TestNamespace::new(control_plane, "named").await;
    helm(control_plane, &["uninstall", "crds"]).await;
    let named_only = format!("watchNamespaces={{{}}},webhook.enabled=false", tenant.name);
    helm(control_plane, &["install", "svix-operator", CHART, "--take-ownership", "--set", &named_only]).await;
    let objects = super::objects(&super::rendered(&["--set".to_owned(), named_only]).await);
    let deployment = named(&objects, "Deployment", "svix-operator");
    let environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let namespaces = environment.iter().find(|it| it["name"] == "SVIX_OPERATOR_WATCH_NAMESPACES").unwrap();
    let watched = ["--watch-namespaces", namespaces["value"].as_str().unwrap()];
    let operator = start(control_plane, deployment, "operator", &watched);
    operator.ready().await;
    tenant.apply([event_type("a.one"), endpoint("hook", &["a.one"])]).await;
    tenant.all_ready(2).await;
    clean_up(control_plane, tenant, &[&operator]).await;
    permissions::none_refused(control_plane, "svix-operator");
}
