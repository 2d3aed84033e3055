//! What Svix's lists do not show of an endpoint: its headers and its signing key.
//!
//! They are read one by one, so they are read only when there is a reason: another spec, another version of a Secret
//! that they come from, or an `updatedAt` in Svix that is not the one that was left there. Header values that Svix
//! hides are then written once, since nobody can know whether they are right.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    api::{Reason, Statistics, Verified, WebhookEndpoint},
    plan::{
        ReconcileError,
        endpoint::Desired,
        secrets::{MAX_VALUES, SecretData, Secrets, versions},
    },
};

use super::{
    super::super::{
        context::Context,
        host::{Host, ReferenceError},
        outcome::Error,
        queue::Next,
    },
    former_secrets,
    headers::sync_headers,
    pass::Pass,
    progress::Applied,
    signing_key::{handle_useless_rotate_at, sync_signing_key},
    synced::{PERMISSION_RETRY, SyncedDetails},
};

/// Reads the Secrets that an endpoint refers to. Of those that it only takes values from, nothing else is kept.
pub(super) async fn read_secrets<H: Host>(
    ctx: &Context<H>,
    endpoint: &WebhookEndpoint,
) -> Result<Secrets, Error> {
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, reference) in endpoint.spec.secret_sources() {
        keys.entry(&reference.name).or_default().insert(&reference.key);
    }
    let signing = endpoint.spec.signing_secret.as_ref();
    let written = signing.and_then(|signing| signing.to_secret.as_ref()).map(|to| to.name.as_str());
    let mut secrets = Secrets::new();
    let mut bytes = 0;
    for name in endpoint.spec.secret_names() {
        if secrets.contains_key(name) {
            continue;
        }
        match ctx.host.secret(namespace, name).await {
            Ok(secret) => {
                // What else is in the Secret that the signing key is written to decides what is written.
                let keys = keys.get(name).filter(|_| written != Some(name));
                let secret = match keys {
                    Some(keys) => secret.map(|secret| secret.only_keys(keys)),
                    None => secret,
                };
                if keys.is_some() {
                    bytes += secret.as_ref().map_or(0, SecretData::value_bytes);
                }
                if bytes > MAX_VALUES {
                    let message = format!(
                        "the values that the spec takes from Secrets have more than {MAX_VALUES} bytes together, \
                         with that of Secret {namespace}/{name}; expected the URL, the header values and the signing \
                         key: shorten them"
                    );
                    return Err(Error::Stalled(ReconcileError::new(Reason::InvalidSecret, message), None));
                }
                secrets.insert(name.to_owned(), secret);
            }
            Err(ReferenceError::Forbidden(message)) => {
                let cause = ReconcileError::new(Reason::SecretNotReadable, message);
                return Err(Error::Stalled(cause, Some(PERMISSION_RETRY)));
            }
            Err(error) => {
                let cause = ReconcileError::new(Reason::SecretNotFound, error.to_string());
                return Err(Error::Waiting(cause, Next::Failed));
            }
        }
    }
    Ok(secrets)
}

/// Makes Svix hold the headers and the signing key that are declared.
pub(super) async fn sync_details<H: Host>(
    pass: &mut Pass<'_, H>,
    applied: &mut Applied,
    wanted: &Desired,
) -> Result<SyncedDetails, Error> {
    if pass.ctx.reviewer().is_some_and(|reviewer| !reviewer.permits_details(&pass.object.key())) {
        return Ok(SyncedDetails::default());
    }
    let signing = pass.endpoint.spec.signing_secret.as_ref();
    let former = former_secrets::find(pass).await?;
    if wanted.headers.is_none() && signing.is_none() {
        former_secrets::retire(pass, former).await?;
        let handled_rotate_at = handle_useless_rotate_at(pass);
        return Ok(SyncedDetails { handled_rotate_at, ..SyncedDetails::default() });
    }
    let is_verified = is_verified(pass, applied);
    if let Some(headers) = &wanted.headers {
        sync_headers(pass, applied, wanted, headers, is_verified).await?;
    }
    let mut synced = SyncedDetails::default();
    if let Some(signing) = signing {
        synced = sync_signing_key(pass, applied, wanted, signing, &former, is_verified).await?;
    }
    if synced.blocked.is_none() {
        former_secrets::retire(pass, former).await?;
        synced.verified = Some(Verified {
            updated_at: Timestamp::from_microsecond(applied.observed.updated_at)
                .unwrap_or(Timestamp::UNIX_EPOCH)
                .to_string(),
            secrets: versions(&pass.secrets),
        });
    }
    Ok(synced)
}

/// Whether nothing says that headers and key are not as they were left: the same spec, the same versions of Secrets, the
/// same `updatedAt`.
fn is_verified<H: Host>(pass: &Pass<'_, H>, applied: &Applied) -> bool {
    let Some(recorded) = pass.recorded_as(&applied.observed) else { return false };
    let Some(verified) = &recorded.verified else { return false };
    let updated_at = verified.updated_at.parse::<Timestamp>();
    updated_at.is_ok_and(|time| time.as_microsecond() == applied.updated_at_before)
        && verified.secrets == versions(&pass.secrets)
        && recorded.generation == pass.object.generation()
        && !applied.withheld_headers
        && !pass.reads_svix
}

/// Returns what became of an endpoint's messages, if the spec asks for it. A failure delays nothing: the endpoint is as
/// it should be.
pub(super) async fn read_statistics<H: Host>(
    pass: &Pass<'_, H>,
    applied: &Applied,
    wanted: &Desired,
) -> Option<Statistics> {
    if pass.endpoint.spec.statistics != Some(true) {
        return None;
    }
    match pass.session.client.statistics(&wanted.application, &applied.observed.id).await {
        Ok(statistics) => statistics,
        Err(error) => {
            tracing::debug!(object = %pass.object.key(), %error, "cannot read statistics");
            pass.endpoint.status.as_ref().and_then(|status| status.statistics.as_deref().copied())
        }
    }
}
