//! What Svix's lists do not show of an endpoint: its headers and its signing key.
//!
//! They are read one by one, so they are read only when there is a reason: another spec, another version of a Secret
//! that they come from, or an `updatedAt` in Svix that is not the one that was left there. Header values that Svix
//! hides are then written once, since nobody can know whether they are right.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{EndpointInSvix, Reason, SigningKeyStatus, Statistics, Verified, WebhookEndpoint},
    plan::{
        Difference, Field, ReconcileError,
        endpoint::{Desired, Observed},
        headers,
        secrets::{Secrets, versions},
        signing,
        status::ReadyState,
    },
};

use super::{
    super::super::{
        context::Context,
        host::{Host, ReferenceError},
        outcome::Error,
        queue::Next,
        session::Session,
    },
    apply::Applied,
    headers::sync_headers,
    pass::Pass,
    signing_key::{handle_useless_rotate_at, sync_signing_key},
};

/// How long to wait for a permission: nobody says when it is given.
pub(super) const PERMISSION_RETRY: Duration = Duration::from_secs(60);

/// What came of syncing headers and signing key.
#[derive(Default)]
pub(super) struct SyncedDetails {
    /// What was verified, for status.
    pub verified: Option<Verified>,
    pub signing_key: Option<SigningKeyStatus>,
    /// The value of `rotate-at` that is handled by now.
    pub handled_rotate_at: Option<String>,
    /// What stands in the way, while the endpoint is in sync otherwise.
    pub blocked: Option<ReadyState>,
    /// When to reconcile again.
    pub next: Option<Duration>,
}

impl SyncedDetails {
    /// A person has to do something first.
    pub fn stalled(cause: ReconcileError) -> Self {
        Self { blocked: Some(ReadyState::Stalled(cause)), ..Self::default() }
    }
}

/// Reads the Secrets that an endpoint refers to.
pub(super) async fn read_secrets<H: Host>(
    ctx: &Context<H>,
    endpoint: &WebhookEndpoint,
) -> Result<Secrets, Error> {
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    let mut secrets = Secrets::new();
    for name in endpoint.spec.secret_names() {
        if secrets.contains_key(name) {
            continue;
        }
        match ctx.host.secret(namespace, name).await {
            Ok(secret) => {
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
    let signing = pass.endpoint.spec.signing_secret.as_ref();
    if wanted.headers.is_none() && signing.is_none() {
        let handled_rotate_at = handle_useless_rotate_at(pass);
        return Ok(SyncedDetails { handled_rotate_at, ..SyncedDetails::default() });
    }
    let is_verified = is_verified(pass, applied);
    if let Some(headers) = &wanted.headers {
        sync_headers(pass, applied, wanted, headers, is_verified).await?;
    }
    let mut synced = SyncedDetails::default();
    if let Some(signing) = signing {
        synced = sync_signing_key(pass, applied, wanted, signing, is_verified).await?;
    }
    if synced.blocked.is_none() {
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
    let Some(recorded) = recorded_as(pass, applied) else { return false };
    let Some(verified) = &recorded.verified else { return false };
    let updated_at = verified.updated_at.parse::<Timestamp>();
    updated_at.is_ok_and(|time| time.as_microsecond() == applied.updated_at_before)
        && verified.secrets == versions(&pass.secrets)
        && recorded.generation == pass.object.generation()
        && !applied.withheld_headers
        && !pass.reads_svix
}

/// Returns what status records, if it is of the endpoint that Svix holds now.
pub(super) fn recorded_as<'a, H: Host>(pass: &Pass<'a, H>, applied: &Applied) -> Option<&'a EndpointInSvix> {
    pass.recorded.filter(|svix| *svix.id == *applied.observed.id)
}

/// Reads the `updatedAt` that a write left whose response has no body.
pub(super) async fn reread(session: &Session, applied: &mut Applied, application: &str) -> Result<(), Error> {
    let found = session.client.get_endpoint(application, &applied.observed.id).await?;
    let observed = found.ok_or_else(|| Error::vanished("endpoint.get"))?;
    session.mirror.put_endpoint(application, observed.clone());
    applied.observed = observed;
    Ok(())
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
            pass.endpoint.status.as_ref().and_then(|status| status.statistics)
        }
    }
}

/// Returns how headers and key in Svix differ from what is declared.
pub(super) async fn hidden_differences(
    session: &Session,
    wanted: &Desired,
    observed: &Observed,
) -> Result<Vec<Difference>, Error> {
    let mut differences = Vec::new();
    let application = wanted.application.as_str();
    if let Some(headers) = &wanted.headers {
        let found = session.client.get_headers(application, &observed.id).await?.unwrap_or_default();
        let comparison = headers::compare(headers, &found);
        for name in comparison.differing {
            let has = |is_there: bool| if is_there { "a value (not shown)" } else { "none" }.to_owned();
            let in_svix =
                found.shown.keys().chain(&found.hidden).any(|other| other.eq_ignore_ascii_case(&name));
            let declared = headers.keys().any(|other| other.eq_ignore_ascii_case(&name));
            let (found, expected) = match (in_svix, declared) {
                (true, true) => ("another value (not shown)".to_owned(), "its own".to_owned()),
                (in_svix, declared) => (has(in_svix), has(declared)),
            };
            differences.push(Difference {
                field: Field::Headers,
                found: format!("{name}: {found}"),
                expected: format!("{name}: {expected}"),
            });
        }
    }
    if let Some(key) = &wanted.signing_key
        && session.client.get_signing_key(application, &observed.id).await? != Some(signing::as_returned(key))
    {
        differences.push(Difference {
            field: Field::SigningSecret,
            found: "another key (not shown)".to_owned(),
            expected: "the one in the Secret".to_owned(),
        });
    }
    Ok(differences)
}
