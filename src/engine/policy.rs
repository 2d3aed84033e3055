//! How far the operator goes with an object, from its own spec and its connection. Pure.

use std::sync::Arc;

use crate::api::{self, ORPHAN_ON_DELETE_ANNOTATION, SvixConnection};

use super::object::{Kind, Mode, Object, Resource};

/// Where an object waits for its turn. Each lane has its own bound on concurrent reconciles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// With the other objects of a connection: a Svix that does not respond delays these only.
    Connection(Arc<str>),
    /// Without Svix: objects that are released without a call never wait for one.
    WithoutSvix,
    /// With the other objects that name a connection which does not exist, however many names there are.
    WithoutConnection,
}

/// Returns how far the operator goes with an object: the greater restraint of its own spec and its connection's.
#[must_use]
pub fn effective_mode(object: &Object, connection: Option<&SvixConnection>) -> Mode {
    object.mode().max(connection.map_or(Mode::Manage, Resource::mode))
}

/// Whether deleting an object leaves Svix as it is. `connection` is the one through which it is in Svix.
#[must_use]
pub fn retains(object: &Object, connection: Option<&SvixConnection>) -> bool {
    object.retains()
        || connection.is_some_and(|connection| is_orphaning(connection) || connection.mode() != Mode::Manage)
}

/// Whether a connection releases everything without clean-up while it is being deleted.
#[must_use]
pub fn is_orphaning(connection: &SvixConnection) -> bool {
    connection.metadata.deletion_timestamp.is_some()
        && api::annotation(&connection.metadata, ORPHAN_ON_DELETE_ANNOTATION) == Some("true")
}

/// Whether an object's connection is being deleted and releases it. What status still records on another connection is
/// for that one to clean up.
#[must_use]
pub fn is_orphaned(object: &Object, connection: Option<&SvixConnection>) -> bool {
    let is_recorded_elsewhere =
        object.recorded_connection().is_some_and(|recorded| recorded != object.connection_name());
    object.kind() != Kind::Connection && !is_recorded_elsewhere && connection.is_some_and(is_orphaning)
}

/// Returns the lane of an object whose reconcile needs Svix: that of its connection, or of the one through which it is in
/// Svix.
#[must_use]
pub fn lane(object: &Object, exists: impl Fn(&str) -> bool) -> Lane {
    let connections = std::iter::once(object.connection_name()).chain(object.recorded_connection());
    connections
        .into_iter()
        .find(|name| exists(name))
        .map_or(Lane::WithoutConnection, |name| Lane::Connection(name.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
    use serde_json::json;

    use super::*;

    fn connection(spec: serde_json::Value) -> SvixConnection {
        let mut all = json!({"tokenSecretRef": {"name": "t", "key": "k"}, "ownerId": "test"});
        if let (Some(all), Some(spec)) = (all.as_object_mut(), spec.as_object()) {
            all.extend(spec.clone());
        }
        SvixConnection {
            metadata: ObjectMeta { name: Some("default".into()), ..ObjectMeta::default() },
            spec: serde_json::from_value(all).unwrap(),
            status: None,
        }
    }

    fn endpoint(spec: serde_json::Value) -> Object {
        let mut all = json!({"url": "https://hooks.example.org", "eventTypes": ["a.one"]});
        if let (Some(all), Some(spec)) = (all.as_object_mut(), spec.as_object()) {
            all.extend(spec.clone());
        }
        let object = json!({"apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
            "metadata": {"name": "hook", "namespace": "ns"}, "spec": all});
        Object::Endpoint(Arc::new(serde_json::from_value(object).unwrap()))
    }

    fn orphaning(mut connection: SvixConnection) -> SvixConnection {
        connection.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
        connection.metadata.annotations =
            Some([(ORPHAN_ON_DELETE_ANNOTATION.to_owned(), "true".to_owned())].into());
        connection
    }

    #[test]
    fn the_greater_restraint_counts() {
        let observed = connection(json!({"managementPolicy": "Observe"}));

        assert_eq!(effective_mode(&endpoint(json!({})), None), Mode::Manage);
        assert_eq!(effective_mode(&endpoint(json!({})), Some(&observed)), Mode::Observe);
        assert_eq!(effective_mode(&endpoint(json!({"suspend": true})), Some(&observed)), Mode::Suspended);
    }

    #[test]
    fn unknown_connections_share_one_lane() {
        let other = endpoint(json!({"connectionRef": {"name": "other"}}));

        assert_eq!(lane(&other, |name| name == "other"), Lane::Connection("other".into()));
        assert_eq!(lane(&other, |_| false), Lane::WithoutConnection);
    }

    #[test]
    fn policy_mode_or_connection_can_retain() {
        let plain = connection(json!({}));

        assert!(!retains(&endpoint(json!({})), Some(&plain)));
        assert!(retains(&endpoint(json!({"deletionPolicy": "Retain"})), Some(&plain)));
        assert!(retains(&endpoint(json!({"managementPolicy": "Observe"})), Some(&plain)));
        assert!(retains(&endpoint(json!({})), Some(&orphaning(plain))));
    }

    #[test]
    fn only_a_deleted_connection_with_the_annotation_orphans() {
        let deleted = SvixConnection {
            metadata: ObjectMeta {
                deletion_timestamp: Some(Time(jiff::Timestamp::UNIX_EPOCH)),
                ..ObjectMeta::default()
            },
            ..connection(json!({}))
        };

        assert!(!is_orphaned(&endpoint(json!({})), None));
        assert!(!is_orphaned(&endpoint(json!({})), Some(&deleted)));
        assert!(is_orphaned(&endpoint(json!({})), Some(&orphaning(deleted))));
    }
}
