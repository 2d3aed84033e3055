//! Attacks on the admission webhook, by a tenant through the API server and by callers without credentials.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls};

use crate::{
    support::{
        control_plane::ControlPlane,
        objects::event_type,
        operator::{free_address, install},
        process::LIMIT_OF_SIDECARS,
        sidecar::{Sidecar, configuration},
    },
    table::Table,
};

use super::{Bounds, counted, limit::MemoryLimit, measure, payloads};

/// An address of this machine that is another caller than the API server.
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn client(from: IpAddr) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .no_proxy()
        .local_address(from)
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

/// A review of an event, as the API server sends it.
fn review(namespace: &str, spec: &str) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u","operation":"CREATE","kind":{{"group":"svix-operator.dev","version":"v1alpha1","kind":"WebhookEvent"}},"namespace":"{namespace}","object":{{"apiVersion":"svix-operator.dev/v1alpha1","kind":"WebhookEvent","metadata":{{"name":"e","namespace":"{namespace}"}},"spec":{spec}}}}}}}"#
    )
}

fn review_of(namespace: &str, event_type: &str, payload: &str) -> String {
    review(namespace, &format!(r#"{{"eventType":"{event_type}","payload":{payload}}}"#))
}

/// Sends a review. Returns the status, and whether it was admitted; 0: there was no response.
async fn send(http: &reqwest::Client, address: SocketAddr, body: String) -> (u16, Option<bool>) {
    let request = http.post(format!("https://{address}/validate")).header("content-type", "application/json");
    let Ok(response) = request.body(body).send().await else { return (0, None) };
    let status = response.status().as_u16();
    let body: Option<Value> = response.json().await.ok();
    (status, body.and_then(|body| body["response"]["allowed"].as_bool()))
}

/// Opens a TLS connection, and sends nothing on it.
async fn idle(address: SocketAddr, tls: &TlsConnector) -> Option<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((ATTACKER, 0).into()).ok()?;
    let stream = tokio::time::timeout(Duration::from_secs(2), socket.connect(address)).await.ok()?.ok()?;
    let name = rustls::pki_types::ServerName::try_from("localhost").ok()?;
    tokio::time::timeout(Duration::from_secs(2), tls.connect(name, stream)).await.ok()?.ok()
}

/// A connector that trusts every certificate.
fn trusting() -> TlsConnector {
    #[derive(Debug)]
    struct Any(rustls::crypto::CryptoProvider);
    impl rustls::client::danger::ServerCertVerifier for Any {
        fn verify_server_cert(
            &self,
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &[rustls::pki_types::CertificateDer<'_>],
            _: &rustls::pki_types::ServerName<'_>,
            _: &[u8],
            _: rustls::pki_types::UnixTime,
        ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
            Ok(rustls::client::danger::ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Any(provider)))
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

pub async fn run(table: &mut Table) {
    let control_plane = ControlPlane::start().await;
    install(&control_plane).await;
    for namespace in ["attacker", "other"] {
        control_plane.kubectl(&["create", "namespace", namespace]).await.expect_success();
    }
    let declare = async |manifest: Value| {
        control_plane.kubectl_with(&["create", "-f", "-"], &manifest.to_string()).await
    };
    for (name, schema, _) in payloads::much_work() {
        let manifest = event_type(name).in_namespace("attacker").with("schema", schema);
        declare(manifest.0).await.expect_success();
    }
    let simple = event_type("b.one").in_namespace("other").with("schema", json!({"required": ["a"]}));
    declare(simple.0).await.expect_success();
    let address = free_address();
    let sidecar = Sidecar::at(&control_plane, "attacker", address, &[]).await;
    let pid = sidecar.process.pid();
    let _limit = MemoryLimit::of(pid, LIMIT_OF_SIDECARS);
    declare(configuration("attacker", address)).await.expect_success();
    sidecar.process.ready().await;

    // The API server is at this address, too: it and what calls from there are one caller.
    let api_server = client(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let stranger = client(ATTACKER);
    // On a new connection each time: that is what is refused first.
    let is_answered = async || {
        let http = client(IpAddr::V4(Ipv4Addr::LOCALHOST));
        send(&http, address, review_of("other", "b.one", r#"{"a":1}"#)).await == (200, Some(true))
    };
    let bounds = || Bounds { limit_mib: Some(LIMIT_OF_SIDECARS), others: Duration::from_secs(1) };
    let (heavy, largest) = (payloads::beyond_the_weight(), payloads::largest());
    let all = async |http: &reqwest::Client, body: &str, times: usize| {
        futures::future::join_all((0..times).map(|_| send(http, address, body.to_owned()))).await
    };

    let attack = async {
        let example = json!({"name": "a", "value": {"a": vec![json!({"": 0}); 400_000]}});
        let manifest = event_type("a.heavy").in_namespace("attacker").with("examples", json!([example]));
        let refused = declare(manifest.0).await;
        format!("refused for its weight: {}", refused.stderr.contains("32 MiB"))
    };
    let name = ("webhook: an event type of 2.8 MB, through the API server", "killed");
    measure(table, name, pid, bounds(), attack, is_answered).await;

    let attack = async {
        let body = review_of("attacker", "a.media", &format!("{{\"a\":[{}1]}}", "1,".repeat(10_000_000)));
        counted([send(&stranger, address, body).await])
    };
    let name = ("webhook: one direct review of 20 MB", "1.9 GB: killed");
    measure(table, name, pid, bounds(), attack, is_answered).await;

    let attack = async {
        let bodies = (0..32).map(|index| if index % 2 == 0 { &heavy } else { &largest });
        let bodies: Vec<_> = bodies.map(|payload| review_of("attacker", "a.media", payload)).collect();
        let sent = bodies.into_iter().map(|body| send(&stranger, address, body));
        counted(futures::future::join_all(sent).await)
    };
    let name = ("webhook: 32 direct reviews of heavy payloads of up to 1 MB", "killed");
    measure(table, name, pid, bounds(), attack, is_answered).await;

    let attack = async {
        let work: Vec<_> = payloads::much_work()
            .into_iter()
            .map(|(name, _, payload)| review_of("attacker", name, &payload))
            .collect();
        let sent = (0..64).map(|index| send(&api_server, address, work[index % work.len()].clone()));
        counted(futures::future::join_all(sent).await)
    };
    let name = (
        "webhook: 64 large reviews that are much work, from the address of the API server",
        "every tenant is refused for minutes",
    );
    measure(table, name, pid, bounds(), attack, is_answered).await;

    let tls = trusting();
    let attack = async {
        let mut open = Vec::new();
        for _ in 0..1_024 {
            open.extend(idle(address, &tls).await);
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        format!("{} connections were accepted", open.len())
    };
    let name = ("webhook: 1,024 idle TLS connections", "no new caller for 150 s");
    measure(table, name, pid, bounds(), attack, is_answered).await;

    let attack = async {
        let connections = async {
            let mut open = Vec::new();
            for _ in 0..1_024 {
                open.extend(idle(address, &tls).await);
            }
            open
        };
        let work: Vec<_> = payloads::much_work()
            .into_iter()
            .map(|(name, _, payload)| review_of("attacker", name, &payload))
            .collect();
        let work = (0..32).map(|index| send(&stranger, address, work[index % work.len()].clone()));
        let heavy = review_of("attacker", "a.media", &heavy);
        let largest = review_of("attacker", "a.media", &largest);
        let (_, work, heavy, largest) = futures::join!(
            connections,
            futures::future::join_all(work),
            all(&stranger, &heavy, 16),
            all(&api_server, &largest, 16)
        );
        counted(work.into_iter().chain(heavy).chain(largest))
    };
    measure(table, ("webhook: all of them at once", "-"), pid, bounds(), attack, is_answered).await;
}
