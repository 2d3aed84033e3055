//! Secrets that the signing key of an endpoint was written to and is not any more: `toSecret` was changed or removed.
//!
//! Status names those of the spec before; those that a crash kept from status are found by their label. The key is
//! removed from them once it is where the spec says.

use std::collections::BTreeSet;

use crate::{
    api::{JsonPointer, Reason},
    plan::{
        ReconcileError,
        secrets::SecretData,
        signing::{self, SecretChange},
    },
};

use super::{
    super::super::{
        host::{Host, HostError, ReferenceError, SecretWrite},
        outcome::Error,
        queue::Next,
    },
    pass::Pass,
    recorded::in_svix,
    synced::PERMISSION_RETRY,
};

/// A Secret that has a key of the endpoint and that the spec does not name.
pub(super) struct FormerSecret {
    pub name: String,
    pub secret: SecretData,
    retirement: SecretChange,
}

/// The most Secrets that are read in one reconcile: tenants can label as many as they like.
const MAX_FORMER: usize = 32;

/// Returns the Secrets that have a key of the endpoint and that the spec does not name.
pub(super) async fn find<H: Host>(pass: &Pass<'_, H>) -> Result<Vec<FormerSecret>, Error> {
    let Pass { ctx, object, endpoint, .. } = *pass;
    let verified = in_svix(endpoint).and_then(|svix| svix.verified.as_ref());
    let mut names: BTreeSet<String> =
        verified.iter().flat_map(|verified| &verified.secrets).map(|version| version.name.clone()).collect();
    let has_key = endpoint.spec.signing_secret.as_ref().is_some_and(|signing| signing.to_secret.is_some())
        || endpoint.status.as_ref().is_some_and(|status| status.signing_key.is_some());
    // The first spec follows none.
    if has_key && !pass.was_carried_out() && object.generation().is_none_or(|generation| generation > 1) {
        names.extend(ctx.host.signing_key_secrets(object).await.map_err(unreadable)?);
    }
    endpoint.spec.secret_names().for_each(|name| {
        names.remove(name);
    });
    let mut former = Vec::new();
    for name in names.into_iter().take(MAX_FORMER) {
        let Some(secret) = ctx.host.secret(object.namespace(), &name).await.map_err(unreadable)? else {
            continue;
        };
        if signing::check_ownership(&secret, endpoint, JsonPointer::ROOT).is_err() {
            continue;
        }
        let secret = signing::only_key(secret);
        if let Some(retirement) = signing::retirement(&secret) {
            former.push(FormerSecret { name, secret, retirement });
        }
    }
    Ok(former)
}

/// Removes the key, and all that was written with it, from these Secrets. What else they have stays.
pub(super) async fn retire<H: Host>(pass: &Pass<'_, H>, former: Vec<FormerSecret>) -> Result<(), Error> {
    for FormerSecret { name, secret, retirement } in former {
        let SecretChange { data, annotations, labels } = retirement;
        let resource_version = Some(secret.resource_version);
        let write =
            SecretWrite { name: name.clone(), resource_version, own: false, data, annotations, labels };
        match pass.ctx.host.write_secret(pass.object, write).await {
            Ok(_) => tracing::info!(
                object = %pass.object.key(), secret = name, "the signing key was removed from a Secret that is not named any more"
            ),
            Err(HostError::Gone) => {}
            // Status keeps the Secret's name until this succeeds.
            Err(HostError::Forbidden(message)) => {
                let cause = ReconcileError::new(Reason::SecretNotReadable, message);
                return Err(Error::Stalled(cause, Some(PERMISSION_RETRY)));
            }
            Err(HostError::Refused(message)) => {
                let cause = ReconcileError::new(Reason::InvalidSpec, message);
                return Err(Error::Stalled(cause, Some(PERMISSION_RETRY)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn unreadable(error: ReferenceError) -> Error {
    let cause = ReconcileError::new(Reason::SecretNotReadable, error.to_string());
    match error {
        ReferenceError::Forbidden(_) => Error::Stalled(cause, Some(PERMISSION_RETRY)),
        _ => Error::Waiting(cause, Next::Failed),
    }
}
