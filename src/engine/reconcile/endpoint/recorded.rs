//! What status records of an endpoint in Svix, and the uid of one without.

use crate::{
    api::{EndpointInSvix, SvixConnection, WebhookEndpoint},
    plan::ids,
};

/// Returns what status records of the endpoint in Svix.
pub(super) fn in_svix(endpoint: &WebhookEndpoint) -> Option<&EndpointInSvix> {
    endpoint.status.as_ref()?.svix.as_ref()
}

/// Returns the uid of an endpoint whose spec names none.
pub(super) fn default_uid(endpoint: &WebhookEndpoint, connection: &SvixConnection) -> String {
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    let name = endpoint.metadata.name.as_deref().unwrap_or_default();
    ids::default_uid(&connection.spec.owner_id, namespace, name)
}

/// Returns what status records of an endpoint on the connection that it is reconciled through.
pub(super) fn recorded(endpoint: &WebhookEndpoint) -> Option<&EndpointInSvix> {
    in_svix(endpoint).filter(|svix| svix.connection == endpoint.connection_name())
}
