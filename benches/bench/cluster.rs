//! The operator as a process on a real kube-apiserver: time to all ready, one change, a resync, memory.

use std::time::{Duration, Instant};

use crate::support::svix_server;
use futures::{StreamExt as _, stream};
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use svix_operator::embedded::{EmbeddedSvix, FaultPlan};

use crate::{
    CONCURRENCY, LATENCY,
    memory::{self, ENDPOINTS, EVENT_TYPES},
    process::{cpu, memory, mib},
    support::{
        control_plane::ControlPlane,
        objects::{Manifest, connection},
        operator::{OPERATOR_NAMESPACE, Operator, install},
    },
    table::{Table, median},
};

const SMALL: usize = 1_000;
const CHANGES: usize = 200;
/// The time between two listings while resyncs are counted, and for how long they are.
const RESYNC: Duration = Duration::from_secs(5);
const WATCHED: Duration = Duration::from_secs(30);

struct Bench {
    control_plane: ControlPlane,
    client: Client,
    svix: EmbeddedSvix,
}

pub async fn run(table: &mut Table) {
    let bench = Bench::new().await;
    bench.declare(SMALL, SMALL).await;
    bench.connect("10m").await;
    bench.time_to_ready(table).await;
    bench.one_change(table).await;
    bench.declare(EVENT_TYPES, ENDPOINTS).await;
    bench.resync_and_memory(table).await;
}

impl Bench {
    async fn new() -> Self {
        let control_plane = ControlPlane::start().await;
        install(&control_plane).await;
        let svix = svix_server::start().await;
        svix.faults().set(FaultPlan { latency: LATENCY, ..FaultPlan::default() });
        Self { client: control_plane.client(), control_plane, svix }
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("svix-operator.dev", "v1alpha1", kind));
        match kind {
            "SvixConnection" => Api::all_with(self.client.clone(), &resource),
            _ => Api::namespaced_with(self.client.clone(), "default", &resource),
        }
    }

    async fn connect(&self, interval: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": {"token": self.svix.token()},
            "metadata": {"name": "svix-token", "namespace": OPERATOR_NAMESPACE},
        });
        let connection = connection(&self.svix.url()).with("resyncInterval", interval).0;
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [secret, connection]}).to_string();
        let apply = ["apply", "--server-side", "-f", "-"];
        self.control_plane.kubectl_with(&apply, &list).await.expect_success();
    }

    /// Makes the objects that are not there yet.
    async fn declare(&self, event_types: usize, endpoints: usize) {
        let manifests: Vec<Manifest> =
            (0..event_types).map(memory::event_type).chain((0..endpoints).map(memory::endpoint)).collect();
        stream::iter(manifests)
            .for_each_concurrent(CONCURRENCY, async |manifest| {
                let api = self.api(manifest.0["kind"].as_str().unwrap());
                let object: DynamicObject = serde_json::from_value(manifest.0).unwrap();
                match api.create(&PostParams::default(), &object).await {
                    Ok(_) => {}
                    Err(kube::Error::Api(status)) if status.code == 409 => {}
                    Err(error) => panic!("{error}"),
                }
            })
            .await;
    }

    /// Waits until so many objects are ready, as the operator counts them.
    async fn all_ready(&self, operator: &Operator, event_types: usize, endpoints: usize) {
        let end = Instant::now() + Duration::from_secs(600);
        loop {
            let ready = |kind| format!("svix_operator_objects{{kind=\"{kind}\",ready=\"true\"}}");
            let types = operator.metric(&ready("WebhookEventType")).await;
            let hooks = operator.metric(&ready("WebhookEndpoint")).await;
            if types >= event_types as f64 && hooks >= endpoints as f64 {
                return;
            }
            assert!(Instant::now() < end, "{types} and {hooks} are ready");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn time_to_ready(&self, table: &mut Table) {
        let objects = 2 * SMALL;
        let bare_svix = self.bare_svix_writes(objects).await;
        let operator = Operator::start(&self.control_plane, &["--no-leader-election"]);
        operator.ready().await;
        let begun = Instant::now();
        self.all_ready(&operator, SMALL, SMALL).await;
        let took = begun.elapsed();
        let patches: f64 = {
            let kinds = ["WebhookEventType", "WebhookEndpoint"];
            let mut sum = 0.0;
            for kind in kinds {
                let name = format!("svix_operator_status_patches_total{{kind=\"{kind}\"}}");
                sum += operator.metric(&name).await;
            }
            sum
        };
        operator.signal("TERM");
        operator.ended(Duration::from_secs(20)).await;
        let per_object = patches / objects as f64;
        // The claim of each object, its status patches, and the Events: what the operator wrote.
        let bare_api = self.bare_api_writes(objects, patches as usize).await;
        let baseline = bare_svix + bare_api;
        table.add(
            "kube-apiserver: 1,000 + 1,000 objects, time to all ready",
            format!(
                "{:.2} s, {:.2} x the baseline",
                took.as_secs_f64(),
                took.as_secs_f64() / baseline.as_secs_f64()
            ),
            format!(
                "bare writes to Svix {:.2} s + to the API server {:.2} s",
                bare_svix.as_secs_f64(),
                bare_api.as_secs_f64()
            ),
            "1.3 x".to_owned(),
        );
        table.add("status patches an object", format!("{per_object:.2}"), "-".to_owned(), "2".to_owned());
    }

    /// The same number of POSTs of the same sizes, to a Svix of their own.
    async fn bare_svix_writes(&self, count: usize) -> Duration {
        let http = reqwest::Client::builder().tcp_nodelay(true).build().unwrap();
        let svix = svix_server::start().await;
        svix.faults().set(FaultPlan { latency: LATENCY, ..FaultPlan::default() });
        let base = format!("{}/api/v1", svix.url());
        let post = async |path: String, body: Value| {
            let request = http.post(format!("{base}{path}")).bearer_auth(svix.token()).json(&body);
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
            answer.bytes().await.unwrap();
        };
        post("/app".to_owned(), json!({"uid": "bare", "name": "bare"})).await;
        let begun = Instant::now();
        let half = count / 2;
        stream::iter(0..half)
            .for_each_concurrent(CONCURRENCY, async |i| {
                let name = format!("bare.event{i}");
                let body = json!({"name": name, "description": "", "schemas": {"1": memory::schema(&name)}});
                post("/event-type".to_owned(), body).await;
            })
            .await;
        stream::iter(0..half)
            .for_each_concurrent(CONCURRENCY, async |i| {
                let body = json!({
                    "url": format!("https://hooks.example.org/{i}"), "uid": format!("bare{i}"),
                    "eventTypes": [format!("bare.event{i}")], "metadata": {"mark": format!("bare/{i}")},
                });
                post("/app/bare/endpoint".to_owned(), body).await;
            })
            .await;
        begun.elapsed()
    }

    /// The writes that the operator made, once more: an annotation on each object, so many patches of status,
    /// and as many Events as there are.
    async fn bare_api_writes(&self, count: usize, status_patches: usize) -> Duration {
        let mut objects = Vec::new();
        for kind in ["WebhookEventType", "WebhookEndpoint"] {
            let list = self.api(kind).list(&ListParams::default()).await.unwrap();
            objects.extend(list.items.into_iter().map(|object| (kind, object)));
        }
        assert_eq!(objects.len(), count);
        let events: Api<Event> = Api::namespaced(self.client.clone(), "default");
        let reported = events.list(&ListParams::default()).await.unwrap().items;
        println!("{} Events were written", reported.len());
        let begun = Instant::now();
        let claims = stream::iter(&objects).for_each_concurrent(CONCURRENCY, async |(kind, object)| {
            let claim = json!({"metadata": {"annotations": {"bench": "claim"}}});
            let name = object.metadata.name.as_deref().unwrap();
            self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(claim)).await.unwrap();
        });
        claims.await;
        let some = objects.iter().cycle().take(status_patches).enumerate();
        let statuses = stream::iter(some).for_each_concurrent(CONCURRENCY, async |(turn, (kind, object))| {
            let mut status = object.data["status"].clone();
            status["conditions"][0]["message"] = format!("turn {turn}").into();
            let name = object.metadata.name.as_deref().unwrap();
            let patch = json!({
                "apiVersion": "svix-operator.dev/v1alpha1", "kind": kind,
                "metadata": {"name": name}, "status": status,
            });
            let parameters = PatchParams::apply("bench").force();
            self.api(kind).patch_status(name, &parameters, &Patch::Apply(patch)).await.unwrap();
        });
        statuses.await;
        stream::iter(reported)
            .for_each_concurrent(CONCURRENCY, async |mut event| {
                event.metadata = kube::api::ObjectMeta {
                    generate_name: Some("bench-".to_owned()),
                    ..kube::api::ObjectMeta::default()
                };
                events.create(&PostParams::default(), &event).await.unwrap();
            })
            .await;
        begun.elapsed()
    }

    /// From the API server's acknowledgement of a change to the end of the call that brings it to Svix.
    async fn one_change(&self, table: &mut Table) {
        let operator = Operator::start(&self.control_plane, &["--no-leader-election"]);
        operator.ready().await;
        self.all_ready(&operator, SMALL, SMALL).await;
        let api = self.api("WebhookEndpoint");
        let http = reqwest::Client::builder().tcp_nodelay(true).build().unwrap();
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for turn in 0..CHANGES {
            let name = format!("hook{:05}", turn % SMALL);
            self.svix.clear_calls();
            let patch = json!({"spec": {"description": format!("turn {turn}")}});
            api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
            let acknowledged = Instant::now();
            while !self.svix.calls().iter().any(|call| call.operation == "endpoint.patch") {
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            ours.push(acknowledged.elapsed().as_secs_f64() * 1e3);
            let url = format!("{}/api/v1/app/default/endpoint/test.default.{name}", self.svix.url());
            let begun = Instant::now();
            let request = http.patch(url).bearer_auth(self.svix.token());
            let body = json!({"description": format!("turn {turn}")});
            request.json(&body).send().await.unwrap().bytes().await.unwrap();
            bare.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        operator.signal("TERM");
        operator.ended(Duration::from_secs(20)).await;
        let (ours, bare) = (median(ours), median(bare));
        table.add(
            "one change, from the API server's acknowledgement to Svix's: median",
            format!("{ours:.1} ms, {:.1} ms over the baseline", ours - bare),
            format!("the bare call, {bare:.1} ms"),
            "10 ms over".to_owned(),
        );
    }

    async fn resync_and_memory(&self, table: &mut Table) {
        // Filling Svix is not what is measured.
        self.svix.faults().clear();
        let operator = Operator::start(&self.control_plane, &["--no-leader-election"]);
        operator.ready().await;
        self.all_ready(&operator, EVENT_TYPES, ENDPOINTS).await;
        let (_, made) = memory(operator.pid()).unwrap();
        operator.signal("TERM");
        operator.ended(Duration::from_secs(20)).await;

        self.connect("5s").await;
        let operator = Operator::start(&self.control_plane, &["--no-leader-election"]);
        operator.ready().await;
        self.all_ready(&operator, EVENT_TYPES, ENDPOINTS).await;
        // Let what the start brings come to an end.
        tokio::time::sleep(RESYNC * 2).await;
        self.svix.clear_calls();
        let before = cpu(operator.pid());
        tokio::time::sleep(WATCHED).await;
        let spent = cpu(operator.pid()) - before;
        let calls = self.svix.calls();
        // Each resync reads so many pages of event types.
        let listings = calls.iter().filter(|call| call.operation == "event-type.list").count();
        let resyncs = listings / EVENT_TYPES.div_ceil(250);
        let reads = calls.iter().filter(|call| !call.is_write()).count() as f64 / resyncs as f64;
        let writes = calls.iter().filter(|call| call.is_write()).count();
        let bound = (EVENT_TYPES + ENDPOINTS) / 250 + 1;
        table.add(
            "resync, nothing to do, 10,000 endpoints + 1,000 event types: reads",
            format!("{reads:.1}"),
            format!("objects/250 + applications = {bound}"),
            format!("{bound} + a constant"),
        );
        table.add("the same: writes", format!("{writes}"), "-".to_owned(), "0".to_owned());
        table.add(
            "the same: CPU of one resync",
            format!("{:.2} s", spent.as_secs_f64() / resyncs as f64),
            "-".to_owned(),
            "1 s".to_owned(),
        );
        let (now, most) = memory(operator.pid()).unwrap();
        table.add(
            "run, 10,000 endpoints + 1,000 event types: memory",
            format!("{}, at most {}; {} while it made all of it", mib(now), mib(most), mib(made)),
            "-".to_owned(),
            "96 MiB".to_owned(),
        );
        operator.signal("TERM");
        operator.ended(Duration::from_secs(20)).await;
    }
}
