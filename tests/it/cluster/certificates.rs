//! The webhook's certificates: managed in a Secret, renewed under load, provided as files.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    control_plane::ControlPlane,
    harness::PATIENCE,
    objects::{endpoint, event, event_type},
    operator::{Operator, free_address},
    sidecar::{Sidecar, asked, bundles, configuration, metric_at_least, tls_secret},
    test_namespace::TestNamespace,
    wait::eventually,
};

const RELOADS: &str = "svix_operator_certificate_reloads_total{result=\"ok\"}";

async fn tenant(prefix: &str) -> TestNamespace<'static> {
    Operator::shared().await;
    TestNamespace::new(ControlPlane::shared().await, prefix).await
}

async fn secret(tenant: &TestNamespace<'_>) -> Value {
    eventually("the Secret", PATIENCE, async || tenant.get("secret", &tls_secret(&tenant.name)).await).await["data"].clone()
}

#[tokio::test]
async fn ten_renewals_under_load_fail_no_request() {
    let tenant = tenant("cert-load").await;
    let lives = ["--tls-lifetime", "18s", "--ca-lifetime", "36s", "--ca-settle", "3s"];
    let sidecar = Sidecar::start(&tenant, &lives).await;
    tenant.apply([event_type("a.b")]).await;
    let begun = sidecar.process.metric(RELOADS).await;
    let first = bundles(&tenant).await;
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = tenant.control_plane.client();
    let load = async |worker: usize| {
        use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
        let kind =
            ApiResource::from_gvk(&GroupVersionKind::gvk("svix-operator.dev", "v1alpha1", "WebhookEvent"));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &tenant.name, &kind);
        while !stop.load(Ordering::Relaxed) {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            let manifest = tenant.mine(event(&format!("load-{worker}-{number}"), "a.b")).0;
            let object: DynamicObject = serde_json::from_value(manifest).unwrap();
            let dry = PostParams { dry_run: true, ..PostParams::default() };
            api.create(&dry, &object).await.unwrap_or_else(|error| panic!("request {number}: {error}"));
        }
    };
    // The API server keeps its connections open. A client with a new connection, and with the CA bundle of a second ago,
    // must get through as well.
    let fresh = AtomicUsize::new(0);
    let new_clients = async {
        while !stop.load(Ordering::Relaxed) {
            let read = Instant::now();
            let bundle = bundles(&tenant).await.remove(0);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let known = reqwest::Certificate::from_pem_bundle(bundle.as_bytes()).unwrap();
            let client = reqwest::Client::builder().tls_certs_only(known).no_proxy().build().unwrap();
            let answer = client.post(format!("https://{}/validate", sidecar.address)).body("x").send().await;
            // On a stalled machine the bundle may be older than --ca-settle allows.
            if read.elapsed() < Duration::from_secs(3) {
                answer.unwrap_or_else(|error| panic!("a new connection: {error:?}"));
                fresh.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let renewals = async {
        // A damaged certificate is created again at once.
        let damaged = json!({"data": {"tls.crt": ""}}).to_string();
        for turn in 1..=10 {
            tenant
                .kubectl(&["patch", "secret", &tls_secret(&tenant.name), "--type=merge", "-p", &damaged])
                .await
                .expect_success();
            metric_at_least(&sidecar, RELOADS, begun + f64::from(turn), PATIENCE).await;
        }
        // The authority is renewed at its own pace: published, used, and the old one removed when it has expired.
        eventually("the bundle to have only a new authority", PATIENCE, async || {
            let now = bundles(&tenant).await;
            if now.iter().any(|now| now.contains(&first[0])) { Err(now.concat()) } else { Ok(()) }
        })
        .await;
        // On a slow machine the renewals may be over before there were enough requests.
        eventually("enough requests and new connections", PATIENCE, async || {
            let done = (asked.load(Ordering::Relaxed), fresh.load(Ordering::Relaxed));
            if done.0 > 100 && done.1 > 10 { Ok(()) } else { Err(format!("{done:?}")) }
        })
        .await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(renewals, new_clients, join_all((0..4).map(load)));
    let (asked, log) = (asked.load(Ordering::Relaxed), sidecar.process.log_text());
    println!("{asked} requests during {} renewals", sidecar.process.metric(RELOADS).await - begun);
    assert!(log.contains("step=Announce") && log.contains("step=Switch"), "{log}");
    let end = sidecar
        .process
        .metric("svix_operator_certificate_not_after_timestamp_seconds{certificate=\"ca\"}")
        .await;
    assert!(end > 1.7e9, "{end}");
    assert!(!log.contains("PRIVATE KEY"), "a key is in the log");
}

#[tokio::test]
async fn a_deleted_secret_and_a_reset_bundle_are_restored() {
    let tenant = tenant("cert-lost").await;
    let sidecar = Sidecar::start(&tenant, &["--ca-settle", "1s"]).await;
    let before = secret(&tenant).await;
    tenant.kubectl(&["delete", "secret", &tls_secret(&tenant.name)]).await.expect_success();
    let after = secret(&tenant).await;
    assert_ne!(before["tls.crt"], after["tls.crt"]);
    asked(&tenant).await;
    assert_eq!(sidecar.process.metric(RELOADS).await, 2.0);

    // As `helm upgrade` or Argo CD might.
    let full = bundles(&tenant).await;
    let reset = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]).to_string();
    let name = tenant.name.as_str();
    let patch = ["patch", "validatingwebhookconfiguration", name, "--type=json", "-p", &reset];
    tenant.kubectl(&patch).await.expect_success();
    eventually("the bundle to be back", PATIENCE, async || {
        let now = bundles(&tenant).await;
        if now == full { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    // The sidecar manages no other field of the configuration.
    let found = tenant.get("validatingwebhookconfiguration", name).await.unwrap();
    let fields = tenant
        .kubectl(&["get", "validatingwebhookconfiguration", name, "-o", "json", "--show-managed-fields"])
        .await
        .expect_success();
    let fields: Value = serde_json::from_str(&fields).unwrap();
    let ours: Vec<_> = fields["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["manager"] == "svix-operator")
        .collect();
    let text = json!(ours).to_string();
    assert!(text.contains("f:caBundle") && !text.contains("f:url") && !text.contains("f:rules"), "{text}");
    assert_eq!(found["webhooks"].as_array().unwrap().len(), 3);
}

/// Gives the Lease to a dead pod: it is not renewed, and expires in an hour.
async fn give_lease_to_dead_pod(tenant: &TestNamespace<'_>) {
    let spec = json!({"spec": {"holderIdentity": "dead", "leaseDurationSeconds": 3600}}).to_string();
    let lease = format!("{}-webhook", tenant.name);
    tenant.kubectl(&["patch", "lease", &lease, "--type=merge", "-p", &spec]).await.expect_success();
}

#[tokio::test]
async fn after_a_reinstall_ready_means_trusted() {
    // Given an uninstalled release whose Secret stays, and whose Lease belongs to a pod that was killed
    let tenant = tenant("cert-again").await;
    let first = Sidecar::start(&tenant, &[]).await;
    first.process.signal("KILL");
    first.process.ended(PATIENCE).await;
    give_lease_to_dead_pod(&tenant).await;
    let name = tenant.name.as_str();
    tenant.kubectl(&["delete", "validatingwebhookconfiguration", name]).await.expect_success();

    // When it is installed again
    let second = Sidecar::unregistered(&tenant, &[]).await;
    tenant.apply_json(&[configuration(name, second.address)]).await;

    // Then it reports what is missing
    let missing = "webhook configuration: its caBundle does not trust the serving certificate yet; the holder of the \
                   Lease writes it\n";
    eventually("all other checks to pass", PATIENCE, async || {
        let stated = second.process.get("/readyz").await.unwrap_or_default();
        if stated == missing { Ok(()) } else { Err(stated) }
    })
    .await;
    // until the Lease has expired, and creates get through from then on.
    let free = json!({"spec": {"holderIdentity": ""}}).to_string();
    tenant
        .kubectl(&["patch", "lease", &format!("{name}-webhook"), "--type=merge", "-p", &free])
        .await
        .expect_success();
    second.process.ready().await;
    tenant.apply([endpoint("hook", &["a.b"])]).await;
    // A bundle that is reset afterwards does not make it unready.
    give_lease_to_dead_pod(&tenant).await;
    let reset = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]).to_string();
    let patch = ["patch", "validatingwebhookconfiguration", name, "--type=json", "-p", &reset];
    tenant.kubectl(&patch).await.expect_success();
    second.process.ready().await;
}

#[tokio::test]
async fn a_missing_or_unreadable_configuration_does_not_block() {
    let tenant = tenant("cert-none").await;
    let none = Sidecar::unregistered(&tenant, &[]).await;
    none.process.ready().await;
    // The chart's account may read only the configuration of its own release.
    let other = format!("{}-other", tenant.name);
    tenant.apply_json(&[configuration(&other, free_address())]).await;
    let account = format!("{}-webhook", tenant.name);
    let kubeconfig = tenant.control_plane.kubeconfig_of(&tenant.name, &account);
    let (secret, address) = (tls_secret(&tenant.name), free_address().to_string());
    let mut arguments = vec!["webhook", "--namespace", &tenant.name, "--webhook-configuration", &other];
    arguments.extend(["--tls-secret", &secret, "--webhook-lease", &account, "--admission-listen", &address]);
    let barred = Operator::start_command(tenant.control_plane, &kubeconfig, &arguments).that_may_be_refused();
    barred.ready().await;
    eventually("the log to report it", PATIENCE, async || {
        let refused = barred.refused();
        if refused.iter().any(|line| line.contains("ValidatingWebhookConfiguration")) {
            Ok(())
        } else {
            Err(refused.join("\n"))
        }
    })
    .await;
}

#[tokio::test]
async fn one_replica_writes_and_both_serve_the_same() {
    let tenant = tenant("cert-two").await;
    let first = Sidecar::start(&tenant, &[]).await;
    let second = Sidecar::unregistered(&tenant, &[]).await;
    second.process.ready().await;
    let before = secret(&tenant).await;
    assert!(!second.process.log_text().contains("certificates updated"), "{}", second.process.log_text());
    let end = "svix_operator_certificate_not_after_timestamp_seconds{certificate=\"serving\"}";
    assert_eq!(first.process.metric(end).await, second.process.metric(end).await);

    // The other replica takes over the Lease, and keeps the Secret as it is.
    first.process.signal("TERM");
    first.process.ended(Duration::from_secs(15)).await;
    tenant.apply_json(&[configuration(&tenant.name, second.address)]).await;
    asked(&tenant).await;
    assert_eq!(secret(&tenant).await, before);
    tenant.kubectl(&["delete", "secret", &tls_secret(&tenant.name)]).await.expect_success();
    assert_ne!(secret(&tenant).await["tls.crt"], before["tls.crt"], "the second replica writes now");
}

/// Updates a folder as the kubelet mounts a Secret: files are links into `..data`, which is a link that is replaced.
fn mount(folder: &Path, turn: usize, files: &[(&str, String)]) {
    let target = folder.join(format!("..turn{turn}"));
    std::fs::create_dir(&target).unwrap();
    for (name, text) in files {
        std::fs::write(target.join(name), text).unwrap();
        let link = folder.join(name);
        if !link.exists() {
            std::os::unix::fs::symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
    let fresh = folder.join("..data_tmp");
    std::os::unix::fs::symlink(target.file_name().unwrap(), &fresh).unwrap();
    std::fs::rename(fresh, folder.join("..data")).unwrap();
}

/// An authority, a certificate for 127.0.0.1 and its key.
fn new_files() -> [(&'static str, String); 3] {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let ca = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();
    [("ca.crt", ca), ("tls.crt", certificate.pem()), ("tls.key", key.serialize_pem())]
}

#[tokio::test]
async fn certificates_from_files_follow_the_kubelets_swap() {
    let tenant = tenant("cert-file").await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = |files: &[(&str, String)]| {
        use base64::Engine as _;
        let mut found = configuration(&tenant.name, free_address());
        for webhook in found["webhooks"].as_array_mut().unwrap() {
            webhook["clientConfig"]["caBundle"] =
                base64::engine::general_purpose::STANDARD.encode(&files[0].1).into();
        }
        found
    };
    let first = new_files();
    mount(folder.path(), 1, &first);
    let sidecar = Sidecar::unregistered(&tenant, &["--tls-cert-dir", folder.path().to_str().unwrap()]).await;
    sidecar.process.ready().await;
    let register = async |files: &[(&str, String)]| {
        let mut with = bundle(files);
        for webhook in with["webhooks"].as_array_mut().unwrap() {
            webhook["clientConfig"]["url"] = format!("https://{}/validate", sidecar.address).into();
        }
        tenant.apply_json(&[with]).await;
        asked(&tenant).await;
    };
    register(&first).await;

    // With the key of another certificate, the previous certificate stays in use.
    let [ca, certificate, _] = new_files();
    mount(folder.path(), 2, &[ca, certificate, new_files()[2].clone()]);
    let unusable = "svix_operator_certificate_reloads_total{result=\"unusable\"}";
    metric_at_least(&sidecar, unusable, 1.0, Duration::from_secs(15)).await;
    asked(&tenant).await;
    tenant.apply([endpoint("hook", &["a.b"])]).await;

    let second = new_files();
    mount(folder.path(), 3, &second);
    // Sooner than the next poll: the watch saw the swap.
    metric_at_least(&sidecar, RELOADS, 2.0, Duration::from_secs(15)).await;
    register(&second).await;
    assert!(
        tenant.get("secret", &tls_secret(&tenant.name)).await.is_err(),
        "a Secret with certificates exists"
    );
}
