//! One test's share of a cluster: a namespace, an embedded Svix, and a connection to it of the same name.

use std::time::Duration;

use serde_json::{Value, json};
use svix_operator::embedded::EmbeddedSvix;

use super::{
    control_plane::{ControlPlane, Finished},
    objects::{Manifest, connection},
    operator::{OPERATOR_NAMESPACE, Operator},
    svix_server,
    wait::eventually,
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct TestNamespace<'a> {
    pub control_plane: &'a ControlPlane,
    pub svix: EmbeddedSvix,
    pub name: String,
}

impl<'a> TestNamespace<'a> {
    /// A namespace, a Svix, a Secret with its token and a connection, all of one name.
    pub async fn new(control_plane: &'a ControlPlane, prefix: &str) -> Self {
        Self::with_connection(control_plane, prefix, |connection| connection.with("resyncInterval", "2s"))
            .await
    }

    pub async fn with_connection(
        control_plane: &'a ControlPlane,
        prefix: &str,
        change: impl FnOnce(Manifest) -> Manifest,
    ) -> Self {
        let svix = svix_server::start().await;
        let name = control_plane.namespace(prefix).await.name.clone();
        let tenant = Self { control_plane, svix, name };
        tenant.set_token(tenant.svix.token()).await;
        let reference = json!({"name": tenant.name, "key": "token"});
        let connection =
            change(connection(&tenant.svix.url()).named(&tenant.name).with("tokenSecretRef", reference));
        tenant.apply([connection]).await;
        tenant
    }

    pub async fn set_token(&self, token: &str) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": {"token": token},
            "metadata": {"name": self.name, "namespace": OPERATOR_NAMESPACE},
        });
        self.apply_json(&[secret]).await;
    }

    /// The manifest in this tenant's namespace, through its connection.
    pub fn mine(&self, manifest: Manifest) -> Manifest {
        if manifest.0["kind"] == "SvixConnection" {
            return manifest;
        }
        manifest.in_namespace(&self.name).with("connectionRef", json!({"name": self.name}))
    }

    /// `kubectl apply`, in this tenant's namespace.
    pub async fn apply(&self, manifests: impl IntoIterator<Item = Manifest>) {
        let manifests: Vec<_> = manifests.into_iter().map(|manifest| self.mine(manifest).0).collect();
        self.apply_json(&manifests).await;
    }

    pub async fn apply_json(&self, items: &[Value]) {
        self.try_apply(items).await.expect_success();
    }

    pub async fn try_apply(&self, items: &[Value]) -> Finished {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        self.control_plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &list).await
    }

    /// `kubectl` in this tenant's namespace.
    pub async fn kubectl(&self, arguments: &[&str]) -> Finished {
        let mut all = vec!["--namespace", &self.name];
        all.extend(arguments);
        self.control_plane.kubectl(&all).await
    }

    /// One object as JSON.
    pub async fn get(&self, kind: &str, name: &str) -> Result<Value, String> {
        let found = self.kubectl(&["get", kind, name, "-o", "json"]).await;
        if found.success { Ok(serde_json::from_str(&found.stdout).unwrap()) } else { Err(found.stderr) }
    }

    /// Waits until an object's `Ready`, of its present generation, has this reason; answers its message.
    pub async fn wait_for_reason(&self, kind: &str, name: &str, reason: &str) -> String {
        eventually(&format!("{kind} {name} to be {reason}"), PATIENCE, async || {
            let object = self.get(kind, name).await?;
            let status = &object["status"];
            let conditions = status["conditions"].as_array().into_iter().flatten();
            let ready = conditions
                .into_iter()
                .find(|condition| condition["type"] == "Ready")
                .ok_or("no Ready yet")?;
            if status["observedGeneration"] == object["metadata"]["generation"] && ready["reason"] == reason {
                Ok(ready["message"].as_str().unwrap().to_owned())
            } else {
                Err(status.to_string())
            }
        })
        .await
    }

    /// Waits until every object of the namespace is ready.
    pub async fn all_ready(&self, count: usize) {
        eventually("all to be ready", PATIENCE, async || {
            let found = self.kubectl(&["get", "webhookeventtypes,webhookendpoints", "-o", "json"]).await;
            let list: Value = serde_json::from_str(&found.stdout).map_err(|error| error.to_string())?;
            let items = list["items"].as_array().unwrap();
            let not_ready: Vec<_> =
                items.iter().filter(|item| !is_ready(item)).map(|item| item["status"].clone()).collect();
            match (items.len() == count, not_ready.len()) {
                (true, 0) => Ok(()),
                (_, number) => {
                    Err(format!("{number} of {} are not ready, such as {:?}", items.len(), not_ready.first()))
                }
            }
        })
        .await;
    }

    /// Waits until objects are gone.
    pub async fn gone(&self, kind: &str, name: &str) {
        eventually(&format!("{kind} {name} to be gone"), PATIENCE, async || {
            match self.get(kind, name).await {
                Err(error) if error.contains("NotFound") => Ok(()),
                Err(error) => Err(error),
                Ok(object) => Err(object["status"].to_string()),
            }
        })
        .await;
    }
}

/// Every test that works with the shared operator sees to it that it was refused nothing.
impl Drop for TestNamespace<'_> {
    fn drop(&mut self) {
        Operator::shared_was_refused_nothing();
    }
}

pub fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
        && conditions
            .into_iter()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
