//! The admission webhook as a process, registered for one tenant's namespace as the example registers it, under the
//! account that the chart makes for a release there.

use std::{net::SocketAddr, path::Path, time::Duration};

use base64::Engine as _;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{
    control_plane::ControlPlane,
    harness::PATIENCE,
    objects::endpoint,
    operator::{Operator, free_address},
    release,
    test_namespace::TestNamespace,
    wait::eventually,
};

const EXAMPLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/install/webhook.yaml"));

/// The example's configuration under a tenant's name, for its namespace, calling an address.
pub fn configuration(tenant: &str, address: SocketAddr) -> Value {
    let documents = serde_yaml::Deserializer::from_str(EXAMPLE).map(|part| Value::deserialize(part).unwrap());
    let mut found =
        documents.into_iter().find(|part| part["kind"] == "ValidatingWebhookConfiguration").unwrap();
    found["metadata"]["name"] = tenant.into();
    for webhook in found["webhooks"].as_array_mut().unwrap() {
        webhook["clientConfig"] = json!({"url": format!("https://{address}/validate")});
        webhook["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": tenant}});
    }
    found
}

/// A running webhook.
pub struct Sidecar {
    pub process: Operator,
    pub address: SocketAddr,
}

impl Sidecar {
    /// Starts one that keeps its certificates in the tenant's namespace, registers it, and waits until the API server
    /// asks it.
    pub async fn start(tenant: &TestNamespace<'_>, arguments: &[&str]) -> Self {
        let sidecar = Self::unregistered(tenant, arguments).await;
        tenant.apply_json(&[configuration(&tenant.name, sidecar.address)]).await;
        sidecar.process.ready().await;
        asked(tenant).await;
        sidecar
    }

    /// Starts one, and no more.
    pub async fn unregistered(tenant: &TestNamespace<'_>, arguments: &[&str]) -> Self {
        Self::at(tenant.control_plane, &tenant.name, free_address(), arguments).await
    }

    /// Starts one of a release whose name is its namespace.
    pub async fn at(
        control_plane: &ControlPlane,
        name: &str,
        address: SocketAddr,
        arguments: &[&str],
    ) -> Self {
        let account = release::allow_webhook(control_plane, name).await;
        let kubeconfig = control_plane.kubeconfig_of(name, &account);
        let secret = tls_secret(name);
        let mut all = vec!["--tls-secret", &secret, "--webhook-lease", &account];
        all.extend(arguments);
        Self::with_kubeconfig(control_plane, &kubeconfig, name, address, &all)
    }

    pub fn with_kubeconfig(
        control_plane: &ControlPlane,
        kubeconfig: &Path,
        name: &str,
        address: SocketAddr,
        arguments: &[&str],
    ) -> Self {
        let listen = address.to_string();
        let mut all = vec!["webhook", "--namespace", name, "--webhook-configuration", name];
        all.extend(["--admission-listen", &listen, "--tls-name", "127.0.0.1", "--shutdown-delay", "0s"]);
        all.extend(["--webhook-lease-duration", "3"]);
        all.extend(arguments);
        Self { process: Operator::start_command(control_plane, kubeconfig, &all), address }
    }
}

/// The Secret with the certificates of a release.
pub fn tls_secret(release: &str) -> String {
    format!("{release}-webhook-tls")
}

/// Waits until the API server asks the webhook, and its answer gets through.
pub async fn asked(tenant: &TestNamespace<'_>) {
    let bad = tenant.mine(endpoint("probe", &["."])).0.to_string();
    eventually("the API server to ask the webhook", PATIENCE, async || {
        let arguments = ["create", "--dry-run=server", "-f", "-"];
        let answer = tenant.control_plane.kubectl_with(&arguments, &bad).await;
        if answer.stderr.contains("/spec/eventTypes/0") {
            Ok(())
        } else {
            Err(answer.stdout + &answer.stderr)
        }
    })
    .await;
}

/// The bundles of a tenant's configuration, as PEM.
pub async fn bundles(tenant: &TestNamespace<'_>) -> Vec<String> {
    let found = tenant.get("validatingwebhookconfiguration", &tenant.name).await.unwrap();
    let text = |webhook: &Value| {
        let text = webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default().to_owned();
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap()
    };
    found["webhooks"].as_array().unwrap().iter().map(text).collect()
}

/// Waits for a metric of a webhook.
pub async fn metric_at_least(sidecar: &Sidecar, name: &str, least: f64, within: Duration) {
    eventually(&format!("{name} to be {least}"), within, async || {
        let now = sidecar.process.metric(name).await;
        if now >= least { Ok(()) } else { Err(format!("{now}\n{}", sidecar.process.log_text())) }
    })
    .await;
}
