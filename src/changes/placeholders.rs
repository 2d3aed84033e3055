//! Values in place of the Secrets that manifests refer to and do not contain. Both sides of a comparison get the same value for
//! the same key of the same Secret, so only another reference is a difference.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};

use crate::{
    api::{SecretKeyRef, WebhookEndpoint},
    manifests::{Loaded, Located, Origin},
    plan::{Field, digest::Digest, signing},
};

use super::fields::header_field;

/// What a value is for.
#[derive(Clone, Copy)]
enum Purpose {
    Url,
    Header,
    SigningKey,
}

/// Adds the Secrets that no manifest declares. Returns their namespaces and names.
pub fn add(loaded: &mut Loaded) -> MissingSecrets {
    let mut needed: BTreeMap<(String, String), BTreeMap<String, Purpose>> = BTreeMap::new();
    for located in &loaded.endpoints {
        let (spec, metadata) = (&located.object.spec, &located.object.metadata);
        let namespace = metadata.namespace.clone().unwrap_or_default();
        let url = spec.url_from.iter().map(|source| (&source.secret_key_ref, Purpose::Url));
        let headers = spec.headers.iter().flatten().filter_map(|header| header.value_from.as_ref());
        let headers = headers.map(|source| (&source.secret_key_ref, Purpose::Header));
        let key = spec.signing_secret.iter().filter_map(|signing| signing.from_secret.as_ref());
        let key = key.map(|reference| (reference, Purpose::SigningKey));
        for (reference, purpose) in url.chain(headers).chain(key) {
            let secret = needed.entry((namespace.clone(), reference.name.clone())).or_default();
            secret.insert(reference.key.clone(), purpose);
        }
    }
    let declared: BTreeSet<(String, String)> =
        loaded.secrets.iter().map(|located| name(&located.object)).collect();
    let mut missing = BTreeSet::new();
    for (name, keys) in needed {
        if declared.contains(&name) {
            continue;
        }
        missing.insert(name.clone());
        let (namespace, secret) = name;
        let data: BTreeMap<_, _> = keys
            .into_iter()
            .map(|(key, purpose)| {
                let value = value(&format!("{namespace}/{secret}/{key}"), purpose);
                (key, ByteString(value.into_bytes()))
            })
            .collect();
        let metadata = ObjectMeta { name: Some(secret), namespace: Some(namespace), ..ObjectMeta::default() };
        let object = Secret { metadata, data: Some(data), ..Secret::default() };
        let origin = Origin { file: "placeholder".to_owned(), line: 1 };
        loaded.secrets.push(Located { object, origin });
    }
    MissingSecrets(missing)
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
        let spec = &endpoint.spec;
        let url = spec.url_from.iter().map(|source| (Field::Url.as_str().to_owned(), &source.secret_key_ref));
        let headers = spec.headers.iter().flatten().filter_map(|header| {
            header.value_from.as_ref().map(|source| (header_field(&header.name), &source.secret_key_ref))
        });
        let key = spec.signing_secret.iter().filter_map(|signing| signing.from_secret.as_ref());
        let key = key.map(|reference| (Field::SigningSecret.as_str().to_owned(), reference));
        let fields = url.chain(headers).chain(key);
        fields.filter(|(_, it)| is_missing(it)).map(|(field, it)| (field, it.name.as_str())).collect()
    }
}

fn name(secret: &Secret) -> (String, String) {
    let ObjectMeta { name, namespace, .. } = &secret.metadata;
    (namespace.clone().unwrap_or_default(), name.clone().unwrap_or_default())
}

fn value(reference: &str, purpose: Purpose) -> String {
    let digest = Digest::of_text(reference).to_string();
    match purpose {
        Purpose::Url => format!("https://secret.invalid/{digest}"),
        Purpose::Header => digest,
        Purpose::SigningKey => {
            let mut bytes = [0; 32];
            bytes
                .iter_mut()
                .zip(digest.bytes().filter(u8::is_ascii_alphanumeric))
                .for_each(|(to, from)| *to = from);
            signing::new_key(bytes).expose().to_owned()
        }
    }
}
