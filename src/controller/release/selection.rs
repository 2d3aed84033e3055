//! The objects that a release is asked for.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionNames;
use kube::CustomResourceExt as _;

use crate::{
    api::{SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventType},
    engine::{Kind, ObjectKey},
};

use super::objects::Found;

/// The objects that a release is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All objects in the cluster.
    All,
    /// The objects to which both apply. Without a namespace, the connection itself is one of them.
    Of {
        /// Their namespace.
        namespace: Option<String>,
        /// The connection that they are reconciled through or have something in Svix through.
        connection: Option<String>,
    },
    /// These objects.
    Objects(Vec<ObjectKey>),
}

impl Selection {
    /// Whether there may be objects of a kind among them.
    pub(super) fn includes_kind(&self, kind: Kind) -> bool {
        match self {
            Self::All => true,
            Self::Of { namespace, .. } => kind != Kind::Connection || namespace.is_none(),
            Self::Objects(keys) => keys.iter().any(|key| key.kind == kind),
        }
    }

    /// Returns the namespace that all of them are in, if there is one.
    pub(super) fn namespace(&self) -> Option<&str> {
        match self {
            Self::Of { namespace, .. } => namespace.as_deref(),
            Self::All | Self::Objects(_) => None,
        }
    }

    /// Whether the connections of an object have to be known.
    pub(super) fn is_by_connection(&self) -> bool {
        matches!(self, Self::Of { connection: Some(_), .. })
    }

    /// Whether an object is one of them.
    pub(super) fn includes(&self, object: &Found) -> bool {
        match self {
            Self::All => true,
            Self::Of { namespace, connection } => {
                namespace.as_ref().is_none_or(|namespace| **namespace == *object.key.namespace)
                    && connection.as_ref().is_none_or(|name| object.connections.contains(name))
            }
            Self::Objects(keys) => keys.contains(&object.key),
        }
    }
}

/// Returns the names of a kind.
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

/// Why a text does not name an object that can be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectKeyError {
    /// The kind is unknown.
    #[error(
        "expected KIND/NAMESPACE/NAME, or SvixConnection/NAME, with KIND one of WebhookEventType, WebhookEndpoint, SvixConnection"
    )]
    UnknownKind,
    /// The kind has no finalizer.
    #[error("a WebhookEvent has no finalizer, so it needs no release")]
    NoFinalizer,
    /// There are too many parts, or too few.
    #[error("expected KIND/NAMESPACE/NAME, or SvixConnection/NAME")]
    Parts,
    /// A part is not the name of an object.
    #[error("expected KIND/NAMESPACE/NAME, or SvixConnection/NAME: names are letters, digits, `-` and `.`")]
    Name,
}

/// Parses `KIND/NAMESPACE/NAME`, or `SvixConnection/NAME`. As with kubectl, the kind may be in singular or plural or a
/// short name, in any case.
///
/// # Errors
/// The text does not name an object that can be released.
pub fn parse_object_key(text: &str) -> Result<ObjectKey, ObjectKeyError> {
    let parts: Vec<&str> = text.split('/').collect();
    let word = parts.first().copied().unwrap_or_default().to_lowercase();
    let kind = Kind::ALL.into_iter().find(|kind| {
        let names = names(*kind);
        let short = names.short_names.unwrap_or_default();
        names.kind.to_lowercase() == word || names.plural == word || short.contains(&word)
    });
    let kind = kind.ok_or(ObjectKeyError::UnknownKind)?;
    let (namespace, name) = match (kind, &parts[1..]) {
        (Kind::Event, _) => return Err(ObjectKeyError::NoFinalizer),
        (Kind::Connection, [name]) => ("", *name),
        (Kind::EventType | Kind::Endpoint, [namespace, name]) => (*namespace, *name),
        _ => return Err(ObjectKeyError::Parts),
    };
    let is_name = |name: &str| {
        !name.starts_with('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
    };
    if name.is_empty()
        || !is_name(name)
        || !is_name(namespace)
        || (namespace.is_empty() && kind != Kind::Connection)
    {
        return Err(ObjectKeyError::Name);
    }
    Ok(ObjectKey::new(kind, namespace, name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn kinds_are_read_as_kubectl_reads_them() {
        for text in ["WebhookEventType/team/a.b", "webhookeventtypes/team/a.b", "whet/team/a.b"] {
            assert_eq!(parse_object_key(text).unwrap().to_string(), "WebhookEventType/team/a.b");
        }
        assert_eq!(parse_object_key("sxc/default").unwrap(), ObjectKey::connection("default"));
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
            let message = parse_object_key(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
