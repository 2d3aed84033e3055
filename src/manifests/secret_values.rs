//! The values of the Secrets among manifests.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::Secret;

use crate::api::SecretKeyRef;

use super::loaded::Loaded;

/// Secrets by namespace and name.
#[allow(missing_debug_implementations)]
pub struct SecretValues<'a>(HashMap<(&'a str, &'a str), &'a Secret>);

impl<'a> SecretValues<'a> {
    /// Those of loaded manifests.
    #[must_use]
    pub fn of(loaded: &'a Loaded) -> Self {
        let secrets = loaded.secrets.iter().map(|located| &located.object);
        let named = secrets.map(|secret| {
            let metadata = &secret.metadata;
            let namespace = metadata.namespace.as_deref().unwrap_or_default();
            ((namespace, metadata.name.as_deref().unwrap_or_default()), secret)
        });
        Self(named.collect())
    }

    /// Returns a Secret by its namespace and name.
    #[must_use]
    pub fn secret(&self, namespace: &str, name: &str) -> Option<&'a Secret> {
        self.0.get(&(namespace, name)).copied()
    }

    /// Returns the value that a reference in a namespace names.
    #[must_use]
    pub fn get(&self, namespace: &str, reference: &SecretKeyRef) -> Option<&'a [u8]> {
        let secret = self.secret(namespace, &reference.name)?;
        secret.data.as_ref()?.get(&reference.key).map(|value| value.0.as_slice())
    }
}
