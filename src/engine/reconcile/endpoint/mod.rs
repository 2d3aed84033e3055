//! Endpoints: the reconciler, as one pipeline of steps. Each step has a file here.

mod apply;
mod delete;
mod details;
mod event_types;
mod former_secrets;
mod headers;
mod hidden;
mod kind;
mod observe;
mod outcome;
mod ownership;
mod pass;
mod progress;
mod read;
mod recorded;
mod signing_key;
mod synced;
mod writes;

use crate::{
    api::WebhookEndpoint,
    plan::{
        endpoint::{self, Desired, Owned},
        secrets::Secrets,
    },
};

use super::{
    super::{
        context::Context,
        host::Host,
        object::{Mode, Object},
        outcome::{Error, Outcome},
    },
    contention::require_ownership,
    ignored_fields,
    prepare::{AccessCheck, Prepared, prepare},
};

use pass::Pass;

/// Makes Svix hold what an endpoint declares.
///
/// # Guarantees
/// - An endpoint is created disabled when it has headers, and enabled once they are written: nothing is ever sent without
///   its `Authorization`. When its address moves to another host, headers that are not meant for both are removed first.
/// - What is not the object's is read from Svix before it is changed or refused, however old the mirror is.
/// - An endpoint that Svix would send every event, since the server does not know `eventTypes`, is deleted at once.
/// - Nothing is written when nothing differs.
///
/// # Caveats
/// - Headers whose values Svix hides are written once more than needed when `updatedAt` or their Secret changed.
async fn reconcile<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    endpoint: &WebhookEndpoint,
) -> Result<Outcome, Error> {
    // 1. A connection that may be used for it.
    let prepared = prepare(ctx, object, AccessCheck::Required).await?;

    // 2. What the spec refers to.
    let secrets = details::read_secrets(ctx, endpoint).await?;

    // 3. What Svix is to hold.
    let desired = desired(endpoint, &prepared, &secrets)?;

    // 4. No other object owns it.
    if prepared.mode == Mode::Manage {
        require_ownership(ctx, object, || {
            format!("endpoint {} in application {}", desired.uid, desired.application)
        })?;
    }

    // 5. What Svix holds.
    prepared.session.ensure_listed(&desired.application).await?;
    let mut pass = Pass::new(ctx, object, endpoint, &prepared, secrets);
    let desired = pass.respect_automatic_disabling(desired);

    // 6. Only compared, if the object or its connection says so.
    if prepared.mode != Mode::Manage {
        return observe::observe(&pass, prepared.mode, desired).await;
    }

    // 7. Svix is made to hold what its lists show, without what this server ignores.
    let ignored = ignored_fields::known(ctx, object);
    let wanted = ignored.iter().fold(desired, |desired, field| desired.without(*field));
    let (mut applied, wanted) = apply::apply(&pass, wanted).await?;

    // 8. Then what they do not show: headers and signing key.
    let synced = details::sync_details(&mut pass, &mut applied, &wanted).await?;
    let statistics = details::read_statistics(&pass, &applied, &wanted).await;

    // 9. What status says.
    Ok(outcome::outcome(&pass, applied, &wanted, ignored, synced, statistics))
}

/// Returns what Svix is to hold.
fn desired(endpoint: &WebhookEndpoint, prepared: &Prepared, secrets: &Secrets) -> Result<Desired, Error> {
    let owned = recorded::recorded(endpoint).map_or_else(Owned::default, |svix| Owned {
        fields: &svix.fields,
        metadata_keys: &svix.metadata_keys,
        uid: Some(&svix.uid),
    });
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    let resolved = endpoint::resolve(&endpoint.spec, secrets, namespace)?;
    Ok(endpoint::desired(endpoint, &prepared.connection.spec, owned, resolved)?)
}

#[cfg(test)]
mod tests;
