//! Fields that the server did not apply: status names them, and they are not written again and again. Of those that the
//! server ignores, none is compared again; those that it stores with another value are written again when anything
//! differs from what the last write left in Svix.

use crate::plan::{Field, unapplied::Unapplied};

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

/// Whether this write was made before, and Svix holds what it left: the server stores other values. `write` is a digest of
/// what is written and of what Svix holds.
pub fn is_in_vain<H: Host>(ctx: &Context<H>, object: &Object, write: u64) -> bool {
    ctx.scratch.with(&object.key(), |scratch| scratch.altered == Some(write))
}

/// Remembers a write whose values the server stores otherwise; `None`: there is none. `write` is as in [`is_in_vain`].
pub fn remember_altered<H: Host>(ctx: &Context<H>, object: &Object, write: Option<u64>) {
    ctx.scratch.with(&object.key(), |scratch| scratch.altered = write);
}

/// Returns that an object is in sync, except for what the server did not apply, and remembers the fields that it ignores.
/// `known` are those that it is known to ignore.
pub fn in_sync_except<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    known: Vec<Field>,
    unapplied: Unapplied,
    remote: RemoteRef,
) -> Outcome {
    let mut ignored: Vec<_> = known.into_iter().chain(unapplied.ignored).collect();
    ignored.sort_unstable();
    ignored.dedup();
    let unapplied = Unapplied { ignored, ..unapplied };
    let Some(error) = unapplied.error() else { return Outcome::in_sync(remote) };
    if !unapplied.ignored.is_empty() {
        let fields = (object.generation(), unapplied.ignored);
        ctx.scratch.with(&object.key(), |scratch| scratch.ignored_fields = Some(fields));
    }
    Outcome { remote: Some(remote), ..Outcome::stalled(error) }
}

#[cfg(test)]
mod tests;
