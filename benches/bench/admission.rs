//! What the admission webhook costs: creates of WebhookEvents on a real kube-apiserver, in a namespace where it is
//! asked and in one where it is not, in turns.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::Engine as _;
use futures::{StreamExt as _, stream};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
};
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

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
    for namespace in ["asked", "bare", "nothing"] {
        control_plane.kubectl(&["create", "namespace", namespace]).await.expect_success();
    }
    let schema = memory::schema("bench.event");
    let declared = event_type("bench.event").with("schema", schema).0.to_string();
    control_plane.kubectl_with(&["create", "-f", "-"], &declared).await.expect_success();
    let address = free_address();
    let sidecar = Sidecar::at(&control_plane, "asked", address, &[]).await;
    let registration = configuration("asked", address).to_string();
    control_plane.kubectl_with(&["create", "-f", "-"], &registration).await.expect_success();
    sidecar.process.ready().await;

    let (nothing, authority) = answer_nothing().await;
    let mut registration = configuration("nothing", nothing);
    for webhook in registration["webhooks"].as_array_mut().unwrap() {
        webhook["clientConfig"]["caBundle"] = authority.clone().into();
    }
    control_plane.kubectl_with(&["create", "-f", "-"], &registration.to_string()).await.expect_success();

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
    let (mut asked, mut bare, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        for namespace in ["bare", "nothing", "asked"] {
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
                (_, "nothing") => idle.push(rate),
                _ => asked.push(rate),
            }
        }
    }
    let spent = (cpu(sidecar.process.pid()) - before).as_secs_f64() * 1e6 / (TURNS * EVENTS) as f64;
    let mut judged = 0.0;
    for outcome in ["admitted", "warned"] {
        let metric =
            format!("svix_operator_admission_reviews_total{{kind=\"WebhookEvent\",outcome=\"{outcome}\"}}");
        judged += sidecar.process.metric(&metric).await;
    }
    assert!(judged >= (TURNS * EVENTS) as f64, "{judged} were judged");
    let (asked, bare, idle) = (median(asked), median(bare), median(idle));
    table.add(
        "admission: creates of events, with the webhook: rate",
        format!("{asked:.0}/s, {:.2} of the baseline", asked / bare),
        format!("without it {bare:.0}/s; with one that judges nothing {idle:.0}/s, {:.2}", idle / bare),
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

/// A webhook that admits everything and looks at nothing but the request's uid, in this process: what asking costs at
/// all. Answers its address and its authority, in base64.
async fn answer_nothing() -> (SocketAddr, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(async |request: Request<Incoming>| {
                    let body = axum::body::Body::new(request.into_body());
                    let body = axum::body::to_bytes(body, 4 << 20).await.unwrap();
                    let text = std::str::from_utf8(&body).unwrap();
                    let uid = text.split("\"uid\":\"").nth(1).unwrap().split('"').next().unwrap();
                    let answer = json!({
                        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                        "response": {"uid": uid, "allowed": true},
                    });
                    Ok::<_, Infallible>(Response::new(axum::body::Body::from(answer.to_string())))
                });
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, base64::engine::general_purpose::STANDARD.encode(made.cert.pem()))
}
