//! The CA bundle in the webhook configuration.

use jiff::Timestamp;
use k8s_openapi::{ByteString, api::admissionregistration::v1::ValidatingWebhookConfiguration};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::controller::manager::MANAGER;

use super::error::{CertificateError, failed};

/// The CA bundle in the webhook configuration, and since when it is there.
pub type Published = Option<(String, Timestamp)>;

/// Writes the CA bundle.
pub struct CaBundlePublisher {
    pub api: Api<ValidatingWebhookConfiguration>,
    /// The name of the webhook configuration; `None` if another program manages it.
    pub name: Option<String>,
}

impl CaBundlePublisher {
    /// The CA bundle in the webhook configuration of this name.
    pub fn new(client: Client, name: Option<&str>) -> Self {
        Self { api: Api::all(client), name: name.map(str::to_owned) }
    }

    /// Writes the CA bundle into the webhook configuration if it is not there, and records since when it is there.
    pub async fn publish(&self, ca_bundle: &str, published: &mut Published) -> Result<(), CertificateError> {
        let Some(name) = &self.name else {
            // Another program writes the bundle at an unknown time; it counts as published from now on.
            if published.as_ref().is_none_or(|(known, _)| known != ca_bundle) {
                *published = Some((ca_bundle.to_owned(), Timestamp::now()));
            }
            return Ok(());
        };
        let Some(found) =
            self.api.get_opt(name).await.map_err(failed("cannot read the webhook configuration"))?
        else {
            *published = None;
            tracing::debug!(configuration = name, "the webhook configuration does not exist yet");
            return Ok(());
        };
        let webhooks = found.webhooks.unwrap_or_default();
        let differs = |current: &Option<ByteString>| {
            current.as_ref().is_none_or(|current| current.0 != ca_bundle.as_bytes())
        };
        let outdated: Vec<_> = webhooks
            .iter()
            .filter(|webhook| differs(&webhook.client_config.ca_bundle))
            .map(|webhook| {
                let ca_bundle = ByteString(ca_bundle.as_bytes().to_vec());
                json!({"name": webhook.name, "clientConfig": {"caBundle": ca_bundle}})
            })
            .collect();
        if !outdated.is_empty() {
            *published = None;
            let parameters =
                PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            // A strategic merge patch merges webhooks by name: no other field changes.
            let patch = Patch::Strategic(json!({"webhooks": outdated}));
            self.api
                .patch(name, &parameters, &patch)
                .await
                .map_err(failed("cannot write the CA bundle into the webhook configuration"))?;
            tracing::info!(configuration = name, "CA bundle written");
        }
        if published.as_ref().is_none_or(|(known, _)| known != ca_bundle) {
            *published = Some((ca_bundle.to_owned(), Timestamp::now()));
        }
        Ok(())
    }
}
