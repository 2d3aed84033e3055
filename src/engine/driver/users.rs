//! The objects that need a connection.

use crate::{
    api::{ORPHAN_ON_DELETE_ANNOTATION, Reason},
    plan::{ReconcileError, status::still_use},
};

use super::super::{
    context::Context,
    host::Host,
    object::{Kind, ObjectKey},
};

/// Returns the objects that need a connection: all that use it, but those with which nothing is done any more.
pub(super) fn needing<H: Host>(ctx: &Context<H>, connection: &str) -> Vec<ObjectKey> {
    let mut users = ctx.registry.users_of(connection);
    users.retain(|key| !ctx.registry.get(key).is_some_and(|object| object.resource().is_over()));
    users
}

/// Returns the objects that a connection which is being deleted has yet to release.
pub(super) fn unreleased<H: Host>(ctx: &Context<H>, connection: &str) -> Vec<ObjectKey> {
    let mut users = ctx.registry.users_of(connection);
    users.retain(|key| {
        ctx.registry.get(key).is_some_and(|object| {
            object.has_finalizer() && (object.is_deleting() || ctx.is_orphaned(&object))
        })
    });
    users
}

/// Returns what is said of a connection that is being deleted and still needed.
pub(super) fn in_use<H: Host>(ctx: &Context<H>, connection: &str) -> ReconcileError {
    let kinds = [Kind::Endpoint, Kind::EventType, Kind::Event];
    let mut users = needing(ctx, connection);
    users.sort_by_key(|key| (kinds.iter().position(|kind| *kind == key.kind), key.clone()));
    let count = |kind: Kind| users.iter().filter(|key| key.kind == kind).count();
    let counts = kinds.map(|kind| (kind.as_str(), count(kind)));
    let first = users.first().map_or_else(String::new, ToString::to_string);
    let users = still_use(&counts, &first);
    let message = format!(
        "{users}; it goes when the last of them is deleted. To release them all and leave Svix as it is, annotate it \
         with {ORPHAN_ON_DELETE_ANNOTATION}=true"
    );
    ReconcileError::new(Reason::InUse, message)
}
