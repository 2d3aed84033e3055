//! Values in place of the Secrets that manifests refer to and do not contain. Both sides of a comparison get the same value for
//! the same key of the same Secret, so only another reference is a difference.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use crate::{
    api::{SecretKeyRef, SecretUse, WebhookEndpoint},
    manifests::{Loaded, Located, Origin, SecretValues},
    plan::{Field, digest::Digest, signing},
};

use super::fields::header_field;

/// Adds the Secrets that no manifest declares. Returns their namespaces and names.
pub fn add(loaded: &mut Loaded) -> MissingSecrets {
    let declared = SecretValues::of(loaded);
    let mut missing: BTreeMap<(String, String), BTreeMap<String, ByteString>> = BTreeMap::new();
    for located in &loaded.endpoints {
        let namespace = located.object.metadata.namespace.as_deref().unwrap_or_default();
        for (purpose, SecretKeyRef { name, key }) in located.object.spec.secret_sources() {
            if declared.secret(namespace, name).is_none() {
                let value = value(&format!("{namespace}/{name}/{key}"), purpose);
                let secret = missing.entry((namespace.to_owned(), name.clone())).or_default();
                secret.insert(key.clone(), ByteString(value.into_bytes()));
            }
        }
    }
    let names = missing.keys().cloned().collect();
    loaded.secrets.extend(missing.into_iter().map(|((namespace, name), data)| {
        let metadata = ObjectMeta { name: Some(name), namespace: Some(namespace), ..ObjectMeta::default() };
        let object = Secret { metadata, data: Some(data), ..Secret::default() };
        Located { object, origin: Origin { file: "placeholder".into(), line: 1 } }
    }));
    MissingSecrets(names)
}

/// Secrets that manifests refer to and do not contain, by namespace and name.
#[derive(Clone, Debug, Default)]
pub struct MissingSecrets(BTreeSet<(String, String)>);

impl MissingSecrets {
    /// Returns the fields of an endpoint that are not known, each with the name of the Secret.
    pub(super) fn fields<'a>(&'a self, endpoint: &'a WebhookEndpoint) -> Vec<(String, &'a str)> {
        let namespace = endpoint.metadata.namespace.clone().unwrap_or_default();
        let is_missing =
            |reference: &SecretKeyRef| self.0.contains(&(namespace.clone(), reference.name.clone()));
        let sources = endpoint.spec.secret_sources().filter(|(_, reference)| is_missing(reference));
        sources.map(|(purpose, reference)| (field(purpose), reference.name.as_str())).collect()
    }
}

/// The field that a value is in.
fn field(purpose: SecretUse<'_>) -> String {
    match purpose {
        SecretUse::Url => Field::Url.as_str().to_owned(),
        SecretUse::Header { name, .. } => header_field(name),
        SecretUse::SigningKey => Field::SigningSecret.as_str().to_owned(),
    }
}

fn value(reference: &str, purpose: SecretUse<'_>) -> String {
    let digest = Digest::of_text(reference).to_string();
    match purpose {
        SecretUse::Url => format!("https://secret.invalid/{digest}"),
        SecretUse::Header { .. } => digest,
        SecretUse::SigningKey => {
            let mut bytes = [0; 32];
            bytes
                .iter_mut()
                .zip(digest.bytes().filter(u8::is_ascii_alphanumeric))
                .for_each(|(to, from)| *to = from);
            signing::new_key(bytes).expose().to_owned()
        }
    }
}
