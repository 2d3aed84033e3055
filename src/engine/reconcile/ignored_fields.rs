//! Fields that the server ignores: they are not written again and again, and status names them.

use crate::{
    api::Reason,
    plan::{Field, ReconcileError},
};

use super::super::{
    context::Context,
    host::Host,
    object::Object,
    outcome::{Outcome, RemoteRef},
};

/// Returns the fields of the present spec that the server is known to ignore.
pub fn known<H: Host>(ctx: &Context<H>, object: &Object) -> Vec<Field> {
    ctx.scratch.with(&object.key(), |scratch| match &scratch.ignored_fields {
        Some((generation, fields)) if *generation == object.generation() => fields.clone(),
        _ => Vec::new(),
    })
}

/// Returns that an object is in sync, except for the fields that the server ignores, and remembers those.
pub fn in_sync_except<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    mut ignored: Vec<Field>,
    remote: RemoteRef,
) -> Outcome {
    ignored.sort_unstable();
    ignored.dedup();
    if ignored.is_empty() {
        return Outcome::in_sync(remote);
    }
    let message = format!(
        "this Svix server took the write but not {}: it does not know the field, or only Svix Cloud does; take it \
         out of the spec",
        Field::names(&ignored).join(", ")
    );
    let generation = object.generation();
    ctx.scratch.with(&object.key(), |scratch| scratch.ignored_fields = Some((generation, ignored)));
    Outcome { remote: Some(remote), ..Outcome::stalled(ReconcileError::new(Reason::FieldsIgnored, message)) }
}
