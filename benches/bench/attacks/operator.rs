//! Attacks on the operator by a tenant with nothing but the role that the chart gives to editors.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams},
};
use serde_json::{Value, json};
use svix_operator::embedded::{self, EmbeddedSvix};

use crate::{
    support::{
        control_plane::ControlPlane,
        objects::{Manifest, connection, endpoint, event, event_type},
        operator::{OPERATOR_NAMESPACE, Operator, install},
        process::LIMIT_OF_OPERATOR,
        svix_server,
    },
    table::Table,
};

use super::{Bounds, limit::MemoryLimit, measure, payloads};

/// The longest that an attack may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// The duration of the Lease that tests and benchmarks use, in seconds: a fifth of the default.
const LEASE: &str = "3";

struct Cluster {
    client: Client,
    svix: EmbeddedSvix,
    operator: Operator,
    number: AtomicU32,
}

impl Cluster {
    fn api(&self, namespace: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("svix-operator.dev", "v1alpha1", kind));
        match kind {
            "SvixConnection" => Api::all_with(self.client.clone(), &resource),
            _ => Api::namespaced_with(self.client.clone(), namespace, &resource),
        }
    }

    async fn create(&self, namespace: &str, manifest: Manifest) {
        let manifest = manifest.in_namespace(namespace);
        let kind = manifest.0["kind"].as_str().unwrap().to_owned();
        let object: DynamicObject = serde_json::from_value(manifest.0).unwrap();
        let api = self.api(namespace, &kind);
        for _ in 0..20 {
            match api.create(&PostParams::default(), &object).await {
                Ok(_) => return,
                // It was created by an attempt whose response was lost.
                Err(kube::Error::Api(status)) if status.code == 409 => return,
                // A busy API server closes connections.
                Err(kube::Error::Service(_)) => tokio::time::sleep(Duration::from_millis(250)).await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the API server closes each connection");
    }

    /// Whether an endpoint of another tenant reaches Svix, and `/livez` responds.
    async fn is_served(&self) -> bool {
        let name = format!("hook{}", self.number.fetch_add(1, Ordering::Relaxed));
        self.create("other", endpoint(&name, &["b.one"])).await;
        let uid = format!("test.other.{name}");
        for _ in 0..15_000 {
            let is_there = self.svix.snapshot().applications.values().any(|application| {
                application.endpoints.values().any(|endpoint| endpoint.uid.as_deref() == Some(&uid))
            });
            if is_there {
                return self.operator.get("/livez").await.is_some();
            }
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
        false
    }

    /// Creates events of the attacker, waits until each of them has been decided on, and deletes them.
    async fn attack(&self, events: Vec<Manifest>) -> String {
        let api = self.api("attacker", "WebhookEvent");
        let names: Vec<String> =
            events.iter().map(|event| event.0["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        for event in events {
            self.create("attacker", event).await;
        }
        let end = std::time::Instant::now() + PATIENCE;
        let mut reasons = Vec::new();
        for name in &names {
            let reason = loop {
                // A status without a payload.
                let object = api.get_status(name).await.unwrap();
                let ready = object.data["status"]["conditions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .find(|it| it["type"] == "Ready");
                match ready.and_then(|ready| ready["reason"].as_str()) {
                    Some(reason) => break reason.to_owned(),
                    None if std::time::Instant::now() > end => break "undecided".to_owned(),
                    None => tokio::time::sleep(Duration::from_millis(500)).await,
                }
            };
            reasons.push(reason);
        }
        api.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
        super::counted(reasons)
    }
}

fn text_event(name: &str, event_type: &str, payload: String) -> Manifest {
    event(name, event_type).with("payload", Value::Null).with("payloadText", payload)
}

fn heavy(count: usize) -> Vec<Manifest> {
    let payload = |index| if index % 2 == 0 { payloads::beyond_the_weight() } else { payloads::largest() };
    (0..count)
        .map(|index| {
            let payload: Value = serde_json::from_str(&payload(index)).unwrap();
            event(&format!("heavy-{index}"), "a.one").with("payload", payload)
        })
        .collect()
}

fn much_work(times: usize) -> Vec<Manifest> {
    let all = (0..times).flat_map(|time| {
        payloads::much_work()
            .into_iter()
            .map(move |(name, _, payload)| text_event(&format!("work-{}-{time}", &name[2..]), name, payload))
    });
    all.collect()
}

pub async fn run(table: &mut Table) {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    for namespace in ["attacker", "other"] {
        control_plane.kubectl(&["create", "namespace", namespace]).await.expect_success();
    }
    let options = embedded::Options { record_calls: false, ..embedded::Options::default() };
    let svix = svix_server::start_with(options).await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"token": svix.token()},
        "metadata": {"name": "svix-token", "namespace": OPERATOR_NAMESPACE},
    });
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [secret, connection(&svix.url()).0]});
    let apply = ["apply", "--server-side", "-f", "-"];
    control_plane.kubectl_with(&apply, &list.to_string()).await.expect_success();
    let operator = Operator::start(&control_plane, &[]);
    let _limit = MemoryLimit::of(operator.pid(), LIMIT_OF_OPERATOR);
    operator.ready().await;
    let cluster = Cluster { client: control_plane.client(), svix, operator, number: AtomicU32::new(0) };
    let pid = cluster.operator.pid();
    cluster.create("other", event_type("b.one")).await;
    cluster.create("attacker", event_type("a.one").with("schema", json!({"type": "object"}))).await;
    for (name, schema, _) in payloads::much_work() {
        cluster.create("attacker", event_type(name).with("schema", schema)).await;
    }
    while !cluster.is_served().await {}

    let bounds = || Bounds { limit_mib: Some(LIMIT_OF_OPERATOR), others: Duration::from_secs(2) };
    let rows = [
        (("operator: one event of 1 MB whose tree takes 100 MiB", "312 MiB: killed"), heavy(1)),
        (("operator: 16 events of up to 1 MB that are heavy", "killed"), heavy(16)),
        (
            (
                "operator: 4 events of each kind that is much work",
                "/livez fails for 113 s, the Lease is lost",
            ),
            much_work(4),
        ),
        (
            ("operator: all of them, and 1,000 small events", "-"),
            heavy(16)
                .into_iter()
                .chain(much_work(4))
                .chain((0..1_000).map(|index| event(&format!("small-{index}"), "a.one")))
                .collect(),
        ),
    ];
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let transitions = async || {
        let all = leases.list(&ListParams::default()).await.unwrap().items;
        all.iter().filter_map(|lease| lease.spec.as_ref()?.lease_transitions).sum::<i32>()
    };
    let before = transitions().await;
    for (name, events) in rows {
        let attack = async {
            let outcome = cluster.attack(events).await;
            let lost = transitions().await - before;
            format!("{outcome}; a Lease of {LEASE} s was lost {lost} times")
        };
        measure(table, name, pid, bounds(), attack, || cluster.is_served()).await;
    }
}
