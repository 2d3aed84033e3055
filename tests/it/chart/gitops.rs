//! The examples for Argo CD, Flux and kustomize: what their tools make of them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{cluster, file, objects};
use crate::support::{
    control_plane::ControlPlane,
    objects::event_type,
    operator::{Operator, free_address},
    tenant::Tenant,
    tools::tool,
    wait::eventually,
    world::PATIENCE,
};

const HEALTH: &str = "examples/argo-cd/health";
const KINDS: [&str; 4] = ["SvixConnection", "WebhookEventType", "WebhookEndpoint", "WebhookEvent"];

/// What a kustomization comes to.
async fn kustomized(control_plane: &ControlPlane, folder: &str) -> Vec<Value> {
    let folder = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
    objects(&control_plane.kubectl(&["kustomize", &folder]).await.expect_success())
}

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a health check says of objects.
async fn health(script: &str, objects: &[Value]) -> Vec<Value> {
    let script = format!("{}/{script}", env!("CARGO_MANIFEST_DIR"));
    let said = tool("lua", None, &[&script], &json!(objects).to_string()).await.expect_success();
    serde_json::from_str(&said).unwrap()
}

#[tokio::test]
async fn argo_cd_sees_how_each_kind_fares() {
    for kind in KINDS {
        let folder = format!("{HEALTH}/resource_customizations/svix-operator.dev/{kind}");
        let tests = yaml(&format!("{folder}/health_test.yaml"));
        let tests = tests["tests"].as_array().unwrap();
        let inputs: Vec<_> = tests
            .iter()
            .map(|test| yaml(&format!("{folder}/{}", test["inputPath"].as_str().unwrap())))
            .collect();
        assert!(inputs.len() > 5 && inputs.iter().all(|input| input["kind"] == kind), "{kind}");
        let answers = health(&format!("{folder}/health.lua"), &inputs).await;
        for (test, answer) in tests.iter().zip(&answers) {
            assert_eq!(&test["healthStatus"], answer, "{kind}: {}", test["inputPath"]);
        }
        // Argo CD has a file for each kind; they are the same.
        let first = format!("{HEALTH}/resource_customizations/svix-operator.dev/{}/health.lua", KINDS[0]);
        assert_eq!(file(&format!("{folder}/health.lua")), file(&first), "{kind}");
    }
    let script = format!("{HEALTH}/resource_customizations/argoproj.io/Application/health.lua");
    let new = json!({"kind": "Application"});
    let bad =
        json!({"kind": "Application", "status": {"health": {"status": "Degraded", "message": "because"}}});
    let answers = health(&script, &[new, bad]).await;
    assert_eq!(answers[0], json!({"status": "Progressing", "message": ""}));
    assert_eq!(answers[1], json!({"status": "Degraded", "message": "because"}));
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
        let said = tool("helm", None, &arguments, &values.to_string()).await;
        assert!(said.success, "{whose}: {}", said.stderr);
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
    control_plane.kubectl(&["create", "namespace", "shop"]).await.expect_success();
    let label = ["label", "namespace", "shop", "pod-security.kubernetes.io/warn=restricted"];
    control_plane.kubectl(&label).await.expect_success();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let apply = ["apply", "--server-side", "--validate=strict", "-f", "-"];
    let said = control_plane.kubectl_with(&apply, &list).await;
    assert!(said.success && said.stderr.is_empty(), "{}", said.stderr);

    // The container as a process, under the producer's account.
    let deployment = objects.iter().find(|it| it["kind"] == "Deployment").unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let gateway = &pod["initContainers"][0];
    assert_eq!((&gateway["name"], &gateway["restartPolicy"]), (&json!("svix-gateway"), &json!("Always")));
    let map = gateway["env"][0]["valueFrom"]["configMapKeyRef"]["name"].as_str().unwrap();
    let map = objects.iter().find(|it| it["kind"] == "ConfigMap" && it["metadata"]["name"] == map);
    assert_eq!(map.unwrap()["data"]["url"], "https://api.eu.svix.com");

    let tenant = Tenant::new(control_plane, "producer").await;
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
}
