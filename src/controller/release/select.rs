//! Which objects are to be released.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionNames;
use kube::CustomResourceExt as _;

use crate::{
    api::{SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventType},
    engine::{Kind, ObjectKey},
};

use super::cluster::Held;

/// Which objects are to be released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Everything in the cluster.
    All,
    /// The objects of which both is true. The connection itself is released when no namespace is named.
    Of {
        /// They are in this namespace.
        namespace: Option<String>,
        /// They are reconciled through this connection, or still hold something through it.
        connection: Option<String>,
    },
    /// These.
    Objects(Vec<ObjectKey>),
}

impl Selection {
    /// Whether there may be objects of a kind among them.
    pub(super) fn concerns(&self, kind: Kind) -> bool {
        match self {
            Self::All => true,
            Self::Of { namespace, .. } => kind != Kind::Connection || namespace.is_none(),
            Self::Objects(keys) => keys.iter().any(|key| key.kind == kind),
        }
    }

    /// The namespace that they are all in.
    pub(super) fn namespace(&self) -> Option<&str> {
        match self {
            Self::Of { namespace, .. } => namespace.as_deref(),
            Self::All | Self::Objects(_) => None,
        }
    }

    /// Whether an object's connection has to be known.
    pub(super) fn by_connection(&self) -> bool {
        matches!(self, Self::Of { connection: Some(_), .. })
    }

    /// Whether an object is one of them.
    pub(super) fn chooses(&self, held: &Held) -> bool {
        match self {
            Self::All => true,
            Self::Of { namespace, connection } => {
                namespace.as_ref().is_none_or(|namespace| **namespace == *held.key.namespace)
                    && connection.as_ref().is_none_or(|name| held.through.contains(name))
            }
            Self::Objects(keys) => keys.contains(&held.key),
        }
    }
}

/// The names of a kind.
fn names(kind: Kind) -> CustomResourceDefinitionNames {
    match kind {
        Kind::Connection => SvixConnection::crd(),
        Kind::EventType => WebhookEventType::crd(),
        Kind::Endpoint => WebhookEndpoint::crd(),
        Kind::Event => WebhookEvent::crd(),
    }
    .spec
    .names
}

/// Reads `KIND/NAMESPACE/NAME`, or `SvixConnection/NAME`. A kind may be written as for kubectl: its name, in singular or
/// plural, or a short name, in small letters or large.
///
/// # Errors
/// In words for the person who wrote it.
pub fn object_key(text: &str) -> Result<ObjectKey, String> {
    const EXPECTED: &str = "expected KIND/NAMESPACE/NAME, or SvixConnection/NAME";
    let parts: Vec<&str> = text.split('/').collect();
    let word = parts.first().copied().unwrap_or_default().to_lowercase();
    let kind = Kind::ALL.into_iter().find(|kind| {
        let names = names(*kind);
        let short = names.short_names.unwrap_or_default();
        names.kind.to_lowercase() == word || names.plural == word || short.contains(&word)
    });
    let Some(kind) = kind else {
        return Err(format!(
            "{EXPECTED}, with KIND one of WebhookEventType, WebhookEndpoint, SvixConnection"
        ));
    };
    let (namespace, name) = match (kind, &parts[1..]) {
        (Kind::Event, _) => {
            return Err("a WebhookEvent has no finalizer of ours: nothing holds it".to_owned());
        }
        (Kind::Connection, [name]) => ("", *name),
        (Kind::EventType | Kind::Endpoint, [namespace, name]) => (*namespace, *name),
        _ => return Err(EXPECTED.to_owned()),
    };
    let good = |name: &str| {
        !name.starts_with('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
    };
    if name.is_empty()
        || !good(name)
        || !good(namespace)
        || (namespace.is_empty() && kind != Kind::Connection)
    {
        return Err(format!("{EXPECTED}: names are letters, digits, `-` and `.`"));
    }
    Ok(ObjectKey { kind, namespace: namespace.into(), name: name.into() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn kinds_are_read_as_kubectl_reads_them() {
        for text in ["WebhookEventType/team/a.b", "webhookeventtypes/team/a.b", "whet/team/a.b"] {
            assert_eq!(object_key(text).unwrap().to_string(), "WebhookEventType/team/a.b");
        }
        assert_eq!(object_key("sxc/default").unwrap(), ObjectKey::connection("default"));
        for (text, expected) in [
            ("Pod/team/a", "with KIND one of"),
            ("WebhookEvent/team/a", "no finalizer"),
            ("WebhookEndpoint/a", "KIND/NAMESPACE/NAME"),
            ("SvixConnection/ns/a", "SvixConnection/NAME"),
            ("WebhookEndpoint//a", "names are"),
            ("WebhookEndpoint/team/..", "names are"),
            ("WebhookEndpoint/team/a?b", "names are"),
            ("WebhookEndpoint/team/", "names are"),
            ("", "with KIND one of"),
        ] {
            let said = object_key(text).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
