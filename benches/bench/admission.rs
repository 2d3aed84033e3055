//! What the admission webhook costs: creates of WebhookEvents on a real kube-apiserver, in a namespace where it is
//! asked and in one where it is not, in turns.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
};
use serde_json::json;

use crate::{
    CONCURRENCY, memory,
    process::{cpu, memory as memory_of, mib},
    support::{
        control_plane::ControlPlane,
        objects::{event, event_type},
        operator::{free_address, install},
        sidecar::{Sidecar, configuration},
    },
    table::{Table, median},
};

const EVENTS: usize = 500;
const TURNS: usize = 7;

pub async fn run(table: &mut Table) {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    for namespace in ["asked", "bare"] {
        control_plane.kubectl(&["create", "namespace", namespace]).await.expect_success();
    }
    let schema = memory::schema("bench.event");
    let declared = event_type("bench.event").with("schema", schema).0.to_string();
    control_plane.kubectl_with(&["create", "-f", "-"], &declared).await.expect_success();
    let address = free_address();
    let sidecar = Sidecar::at(&control_plane, "asked", address, &[]);
    let registration = configuration("asked", address).to_string();
    control_plane.kubectl_with(&["create", "-f", "-"], &registration).await.expect_success();
    sidecar.process.ready().await;

    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("svix-operator.dev", "v1alpha1", "WebhookEvent"));
    let client = control_plane.client();
    let api = |namespace: &str| Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind);
    let object = |namespace: &str, name: String, event_type: &str| {
        let payload = json!({"id": name, "text": "x".repeat(500), "list": (0..50).collect::<Vec<_>>()});
        let manifest = event(&name, event_type).in_namespace(namespace).with("payload", payload).0;
        serde_json::from_value::<DynamicObject>(manifest).unwrap()
    };
    // Until the API server asks.
    let deadline = Instant::now() + Duration::from_secs(60);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    loop {
        match api("asked").create(&dry, &object("asked", "probe".to_owned(), "..")).await {
            Err(kube::Error::Api(status)) if status.message.contains("/spec/eventType") => break,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let before = cpu(sidecar.process.pid());
    let (mut asked, mut bare) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        for namespace in ["bare", "asked"] {
            let api = api(namespace);
            let begun = Instant::now();
            stream::iter(0..EVENTS)
                .for_each_concurrent(CONCURRENCY, async |number| {
                    let object = object(namespace, format!("event-{turn}-{number}"), "bench.event");
                    api.create(&PostParams::default(), &object).await.unwrap();
                })
                .await;
            let rate = EVENTS as f64 / begun.elapsed().as_secs_f64();
            // The first turn warms both up.
            match (turn, namespace) {
                (0, _) => {}
                (_, "bare") => bare.push(rate),
                _ => asked.push(rate),
            }
        }
    }
    let spent = (cpu(sidecar.process.pid()) - before).as_secs_f64() * 1e6 / (TURNS * EVENTS) as f64;
    let judged = sidecar
        .process
        .metric("svix_operator_admission_reviews_total{kind=\"WebhookEvent\",outcome=\"admitted\"}")
        .await;
    assert!(judged >= (TURNS * EVENTS) as f64, "{judged} were judged");
    let (asked, bare) = (median(asked), median(bare));
    table.add(
        "admission: creates of events, with the webhook: rate",
        format!("{asked:.0}/s, {:.2} of the baseline", asked / bare),
        format!("without it {bare:.0}/s"),
        "0.8".to_owned(),
    );
    let (now, most) = memory_of(sidecar.process.pid()).unwrap();
    table.add(
        "admission: CPU of one review; memory",
        format!("{spent:.0} µs; {}, at most {}", mib(now), mib(most)),
        "-".to_owned(),
        "-".to_owned(),
    );
}
