//! The examples for Argo CD, Flux and kustomize: what their tools make of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{cluster, file, kustomized};
use crate::support::{
    control_plane::ControlPlane,
    harness::PATIENCE,
    objects::{connection, endpoint, event, event_type},
    operator::{Operator, free_address},
    test_namespace::TestNamespace,
    tools::tool,
    wait::eventually,
};

const HEALTH: &str = "examples/argo-cd/health";
const KINDS: [&str; 4] = ["SvixConnection", "WebhookEventType", "WebhookEndpoint", "WebhookEvent"];

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// By Argo CD's own package, in the form in which it keeps the checks that it brings along and in that of argocd-cm.
#[tokio::test]
async fn argo_cd_sees_how_each_kind_fares() {
    let folder = format!("{}/{HEALTH}/resource_customizations", env!("CARGO_MANIFEST_DIR"));
    let stated = tool("lua", None, &[&folder], "").await.expect_success();
    let mut tried = BTreeMap::<String, BTreeSet<String>>::new();
    for line in stated.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let [kind, folder, input] = ["kind", "folder", "input"].map(|field| line[field].as_str().unwrap());
        assert!(kind.ends_with(&format!("/{folder}")), "{line}");
        assert_eq!(line["expected"], line["said"], "{line}");
        tried.entry(format!("{folder} {}", line["way"])).or_default().insert(input.to_owned());
    }
    for kind in KINDS.into_iter().chain(["Application"]) {
        for way in ["upstream", "argocd-cm"] {
            let inputs = &tried[&format!("{kind} \"{way}\"")];
            assert!(inputs.len() > 5, "{kind}: {inputs:?}");
            // None is left out.
            let data = if KINDS.contains(&kind) { "svix-operator.dev" } else { "argoproj.io" };
            let data = format!("{folder}/{data}/{kind}/testdata");
            assert_eq!(std::fs::read_dir(data).unwrap().count(), inputs.len(), "{kind}");
        }
    }
    // Argo CD has a file for each kind; they are the same.
    let script =
        |kind| file(&format!("{HEALTH}/resource_customizations/svix-operator.dev/{kind}/health.lua"));
    for kind in KINDS {
        assert_eq!(script(kind), script(KINDS[0]), "{kind}");
    }
}

/// Flux names each webhook by its index.
#[tokio::test]
async fn flux_leaves_the_ca_bundle_of_each_webhook() {
    let arguments = ["template", "a", "charts/svix-operator", "--set", "webhook.enabled=true"];
    let only = ["--show-only", "templates/webhook-configuration.yaml"];
    let rendered = tool("helm", None, &[&arguments[..], &only[..]].concat(), "").await.expect_success();
    let webhooks = serde_yaml::from_str::<Value>(&rendered).unwrap()["webhooks"].as_array().unwrap().len();
    let release = yaml("examples/flux/operator/release.yaml");

    let paths = &release["spec"]["driftDetection"]["ignore"][0]["paths"];

    let expected: Vec<_> =
        (0..webhooks).map(|index| format!("/webhooks/{index}/clientConfig/caBundle")).collect();
    assert_eq!(*paths, json!(expected));
}

/// By the library that Flux waits with.
#[tokio::test]
async fn flux_sees_how_each_kind_fares() {
    Operator::shared().await;
    let control_plane = ControlPlane::shared().await;
    let tenant = &TestNamespace::new(control_plane, "kstatus").await;
    let broken = event_type("a.broken").with("schema", json!({"type": "nothing"}));
    let schema = json!({"properties": {"n": {"type": "integer"}}});
    let wrong = event("wrong", "a.one").with("payload", json!({"n": "x"}));
    let nowhere = connection(&tenant.svix.url()).named("kstatus-nowhere").with("ownerId", "nowhere");
    let nowhere = nowhere.with("tokenSecretRef", json!({"name": "nowhere", "key": "token"}));
    tenant
        .apply([
            event_type("a.one").with("schema", schema),
            broken,
            endpoint("good", &["a.one"]),
            endpoint("early", &["a.later"]),
            endpoint("lost", &["a.one"]).with("headers", json!([{"name": "Svix-Id", "value": "x"}])),
            event("sent", "a.one"),
            wrong,
        ])
        .await;
    let nowhere = json!([nowhere.0]);
    tenant.apply_json(nowhere.as_array().unwrap()).await;
    let expected = [
        (format!("svixconnection/{}", tenant.name), "Current"),
        ("svixconnection/kstatus-nowhere".to_owned(), "Failed"),
        ("webhookeventtype/a.one".to_owned(), "Current"),
        ("webhookeventtype/a.broken".to_owned(), "Failed"),
        ("webhookendpoint/good".to_owned(), "Current"),
        ("webhookendpoint/early".to_owned(), "InProgress"),
        ("webhookendpoint/lost".to_owned(), "Failed"),
        ("webhookevent/sent".to_owned(), "Current"),
        ("webhookevent/wrong".to_owned(), "Failed"),
    ];
    eventually("kstatus to see each as it is", PATIENCE, async || {
        let mut objects = Vec::new();
        for (name, _) in &expected {
            let (kind, name) = name.split_once('/').unwrap();
            objects.push(tenant.get(kind, name).await?);
        }
        // Without status, kstatus takes an object as done: Flux would not wait.
        if let Some(bare) = objects.iter().find(|object| object["status"].is_null()) {
            return Err(format!("no status yet: {}", bare["metadata"]["name"]));
        }
        let stated = tool("kstatus", None, &[], &json!(objects).to_string()).await.expect_success();
        let fits = |((_, wanted), stated): (&(String, &str), &str)| stated.split(' ').next() == Some(wanted);
        if expected.iter().zip(stated.lines()).all(fits) { Ok(()) } else { Err(stated) }
    })
    .await;
    control_plane.kubectl(&["delete", "svixconnection", "kstatus-nowhere"]).await.expect_success();
}

#[tokio::test]
async fn the_examples_for_argo_cd_and_flux_hold_together() {
    let control_plane = ControlPlane::shared().await;
    let [map] = &kustomized(control_plane, HEALTH).await[..] else { panic!("one ConfigMap") };
    for kind in KINDS {
        let key = format!("resource.customizations.health.svix-operator.dev_{kind}");
        let script = map["data"][&key].as_str().expect("a health check");
        assert!(script.contains("Stalled"), "{script}");
    }
    assert_eq!(map["metadata"]["name"], "argocd-cm");

    // Every folder that is named is there, and every name that is waited for.
    let there = |folder: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        assert!(path.is_dir(), "{folder}");
    };
    for example in ["app-of-apps", "apps/operator", "apps/declarations"] {
        let application = yaml(&format!("examples/argo-cd/{example}.yaml"));
        there(application["spec"]["source"]["path"].as_str().unwrap());
    }
    let wave = |example: &str| {
        let application = yaml(&format!("examples/argo-cd/apps/{example}.yaml"));
        let wave = &application["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"];
        wave.as_str().unwrap().parse::<i32>().unwrap()
    };
    assert!(wave("operator") < wave("declarations"));
    let values =
        yaml("examples/argo-cd/apps/operator.yaml")["spec"]["source"]["helm"]["valuesObject"].clone();
    let values =
        [("argo", values), ("flux", yaml("examples/flux/operator/release.yaml")["spec"]["values"].clone())];
    for (whose, values) in values {
        let arguments = ["template", "svix-operator", super::CHART, "--values", "-"];
        let stated = tool("helm", None, &arguments, &values.to_string()).await;
        assert!(stated.success, "{whose}: {}", stated.stderr);
    }

    let mut flux = kustomized(control_plane, "examples/flux").await;
    let names: Vec<_> =
        flux.iter().filter(|it| it["kind"] == "Kustomization").map(|it| &it["metadata"]["name"]).collect();
    for object in flux.iter().filter(|object| object["kind"] == "Kustomization") {
        there(object["spec"]["path"].as_str().unwrap());
        for other in object["spec"]["dependsOn"].as_array().into_iter().flatten() {
            assert!(names.contains(&&other["name"]), "{other}");
        }
    }
    flux.push(yaml("examples/flux/operator/release.yaml"));
    cluster::strictly(&flux.iter().collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn the_component_puts_a_gateway_beside_a_producer() {
    Operator::shared().await;
    let control_plane = ControlPlane::shared().await;
    let objects = kustomized(control_plane, "examples/gateway").await;
    // What all producers share is not one's own to take away.
    assert!(objects.iter().all(|it| it["kind"] != "ClusterRole"), "{objects:#?}");
    let access = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/gateway/access.yaml");
    control_plane.kubectl(&["apply", "--server-side", "-f", access]).await.expect_success();
    control_plane.kubectl(&["create", "namespace", "shop"]).await.expect_success();
    let label = ["label", "namespace", "shop", "pod-security.kubernetes.io/warn=restricted"];
    control_plane.kubectl(&label).await.expect_success();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let apply = ["apply", "--server-side", "--validate=strict", "-f", "-"];
    let stated = control_plane.kubectl_with(&apply, &list).await;
    assert!(stated.success && stated.stderr.is_empty(), "{}", stated.stderr);

    // The container as a process, under the producer's account.
    let deployment = objects.iter().find(|it| it["kind"] == "Deployment").unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let gateway = &pod["initContainers"][0];
    assert_eq!((&gateway["name"], &gateway["restartPolicy"]), (&json!("svix-gateway"), &json!("Always")));
    let map = gateway["env"][0]["valueFrom"]["configMapKeyRef"]["name"].as_str().unwrap();
    let map = objects.iter().find(|it| it["kind"] == "ConfigMap" && it["metadata"]["name"] == map);
    assert_eq!(map.unwrap()["data"]["url"], "https://api.eu.svix.com");

    let tenant = TestNamespace::new(control_plane, "producer").await;
    let schema = json!({"properties": {"id": {"type": "integer"}}});
    tenant.apply([event_type("order.placed").with("schema", schema)]).await;
    let (listen, url) = (free_address(), tenant.svix.url());
    let listens = format!("--listen={listen}");
    let mut arguments: Vec<_> = gateway["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|argument| argument.as_str().unwrap())
        .filter(|argument| !argument.starts_with("--listen=") && !argument.starts_with("--health-addr="))
        .collect();
    arguments.extend([&listens, "--svix-url", &url, "--connection", &tenant.name]);
    let account = pod["serviceAccountName"].as_str().unwrap();
    let kubeconfig: PathBuf = control_plane.kubeconfig_of("shop", account);
    let process = Operator::start_command(control_plane, &kubeconfig, &arguments);
    process.ready().await;
    let send = async |id: Value| {
        let body = json!({"eventType": "order.placed", "payload": {"id": id}});
        let request = reqwest::Client::new().post(format!("http://{listen}/api/v1/app/default/msg"));
        request.bearer_auth(tenant.svix.token()).json(&body).send().await.unwrap().status().as_u16()
    };
    eventually("the gateway to know the event type", PATIENCE, async || {
        // Its application is not there, which Svix says, and Svix alone.
        let status = send(json!(7)).await;
        if status == 404 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    assert_eq!(send(json!("7")).await, 422);
    let log = process.log_text();
    assert!(!log.to_lowercase().contains("forbidden"), "{log}");
    // And no more than that.
    let as_producer = format!("--as=system:serviceaccount:shop:{account}");
    let get = ["get", "secrets", "-A", &as_producer];
    assert!(control_plane.kubectl(&get).await.stderr.contains("forbidden"));

    // Another producer keeps what it may do when this one is removed.
    let mut other = objects.iter().find(|it| it["kind"] == "ClusterRoleBinding").unwrap().clone();
    other["metadata"]["name"] = "svix-gateway.shop.other".into();
    other["subjects"][0]["name"] = "other".into();
    control_plane.kubectl_with(&["apply", "-f", "-"], &other.to_string()).await.expect_success();
    drop(process);
    let delete = ["delete", "--wait=false", "-f", "-"];
    control_plane.kubectl_with(&delete, &list).await.expect_success();
    let may = async |account: &str| {
        let as_producer = format!("--as=system:serviceaccount:shop:{account}");
        let ask = ["auth", "can-i", "watch", "webhookeventtypes.svix-operator.dev", "-A", &as_producer];
        control_plane.kubectl(&ask).await.success
    };
    eventually("the permission to be gone", PATIENCE, async || (!may(account).await).then_some(())).await;
    assert!(may("other").await);
}
