//! The signing key of an endpoint: taken from a Secret, or written to one, and replaced when it is time.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{
        ROTATE_AT_ANNOTATION, Reason, SigningSecret, ToSecret, WebhookEndpoint, WebhookEndpointStatus,
        annotation,
    },
    plan::{
        ReconcileError,
        endpoint::Desired,
        secrets::{SecretData, Sensitive},
        signing::{self, Journal, Schedule, SecretChange, SigningKeyStep},
        status::ReadyState,
    },
    svix::ErrorKind,
};

use super::{
    super::{
        super::{
            events::EventReason,
            host::{Host, HostError, SecretWrite},
            object::{Object, Status},
            outcome::Error,
        },
        status,
    },
    former_secrets::FormerSecret,
    pass::Pass,
    progress::Applied,
    read::reread,
    synced::{PERMISSION_RETRY, SyncedDetails},
};

/// More attempts than a rotation takes; then the object is reconciled again later.
const MAX_ATTEMPTS: usize = 10;
/// How long to wait when Svix accepts no other key yet.
const ROTATION_RETRY: Duration = Duration::from_secs(600);

/// Makes Svix sign with the key that is declared, or keeps the key of Svix in a Secret.
pub(super) async fn sync_signing_key<H: Host>(
    pass: &mut Pass<'_, H>,
    applied: &mut Applied,
    wanted: &Desired,
    spec: &SigningSecret,
    former: &[FormerSecret],
    is_verified: bool,
) -> Result<SyncedDetails, Error> {
    match (&wanted.signing_key, &spec.to_secret) {
        (Some(key), _) => {
            let grace = spec.grace_period().unwrap_or_default();
            let handled_rotate_at = handle_useless_rotate_at(pass);
            let blocked = if applied.wrote_key || is_verified {
                None
            } else {
                use_key(pass, applied, &wanted.application, key, grace).await?
            };
            let next = blocked.as_ref().map(|_| ROTATION_RETRY);
            Ok(SyncedDetails { handled_rotate_at, blocked, next, ..SyncedDetails::default() })
        }
        // Without a cluster, there is no Secret to write the key to.
        (None, Some(_)) if pass.ctx.reviewer().is_some() => Ok(SyncedDetails::default()),
        (None, Some(to)) => {
            let publication = Publication { application: &wanted.application, spec, to, former, is_verified };
            publication.run(pass, applied).await
        }
        (None, None) => Ok(SyncedDetails::default()),
    }
}

/// Handles a `rotate-at` on an endpoint whose key is not written to a Secret: nobody would hear of the new key. Returns
/// its value.
pub(super) fn handle_useless_rotate_at<H: Host>(pass: &Pass<'_, H>) -> Option<String> {
    let asked = pending_rotate_at(pass.endpoint)?;
    if pass.endpoint.spec.signing_secret.as_ref().is_some_and(|signing| signing.to_secret.is_some()) {
        return None;
    }
    let message = format!(
        "{ROTATE_AT_ANNOTATION} needs spec.signingSecret.toSecret: the new key must be written somewhere. To replace a \
         key that comes from a Secret, change the Secret"
    );
    pass.ctx.publish_warning(pass.object, Reason::InvalidSpec.as_str(), message);
    Some(asked.to_owned())
}

/// Has Svix sign with a key that comes from a Secret. Returns what stands in the way.
async fn use_key<H: Host>(
    pass: &Pass<'_, H>,
    applied: &mut Applied,
    application: &str,
    key: &Sensitive,
    grace: Duration,
) -> Result<Option<ReadyState>, Error> {
    let session = pass.session;
    let id = applied.observed.id.clone();
    if session.client.get_signing_key(application, &id).await? == Some(signing::as_returned(key)) {
        return Ok(None);
    }
    if let Err(error) = session.client.rotate_signing_key(application, &id, key, grace).await {
        return rotation_limited(error).map(Some);
    }
    reread(session, applied, application).await?;
    let message = format!(
        "endpoint {id} uses the key in the Secret; the one before stays valid for {} seconds",
        grace.as_secs()
    );
    pass.ctx.publish(pass.object, EventReason::SigningKeyChanged, message);
    Ok(None)
}

/// Keeping the key of Svix in a Secret, which is the journal of a rotation: the next key is written there before Svix is
/// given it, so that after a crash Svix decides which one counts.
struct Publication<'a> {
    application: &'a str,
    spec: &'a SigningSecret,
    to: &'a ToSecret,
    /// Secrets that the key was written to before.
    former: &'a [FormerSecret],
    is_verified: bool,
}

impl Publication<'_> {
    async fn run<H: Host>(
        &self,
        pass: &mut Pass<'_, H>,
        applied: &mut Applied,
    ) -> Result<SyncedDetails, Error> {
        let Self { application, spec, to, former: _, is_verified } = *self;
        let Pass { ctx, session, object, endpoint, .. } = *pass;
        let id = applied.observed.id.clone();
        let rotate_at = pending_rotate_at(endpoint);
        let schedule = Schedule {
            rotate_after: spec.rotate_after(),
            grace: spec.grace_period().unwrap_or_default(),
            rotate_at,
        };
        let mut secret = pass.secrets.get(&to.name).cloned().flatten();
        // A Secret of another name goes on where the one before ends.
        let carried_over = match &secret {
            Some(_) => None,
            None => self.former.iter().find_map(|former| {
                let journal = Journal::read(&former.secret, signing::entry(&former.secret, to));
                journal.current.is_some().then_some(journal)
            }),
        };
        if let Some(secret) = &secret
            && let Err(cause) =
                signing::check_ownership(secret, endpoint, "/spec/signingSecret/toSecret/name")
        {
            return Ok(SyncedDetails::stalled(cause));
        }
        let was_published =
            pass.recorded_as(&applied.observed).is_some_and(|recorded| recorded.verified.is_some());
        // Unread while nothing says that it is another one.
        let mut in_svix: Option<Sensitive> = None;
        for _ in 0..MAX_ATTEMPTS {
            let journal = match &secret {
                Some(secret) => Some(Journal::read(secret, signing::entry(secret, to))),
                None => carried_over.clone(),
            };
            let now = Timestamp::now();
            let assumed = journal.as_ref().and_then(|journal| journal.current.clone());
            let present = match (&in_svix, is_verified, assumed) {
                (Some(key), ..) => key.clone(),
                (None, true, Some(assumed))
                    if matches!(
                        signing::plan(journal.as_ref(), &assumed, schedule, now),
                        SigningKeyStep::Keep(_)
                    ) =>
                {
                    assumed
                }
                _ => in_svix.insert(self.read_key(pass, &id).await?).clone(),
            };
            let write = match signing::plan(journal.as_ref(), &present, schedule, now) {
                // The Secret was lost: what is asked for now was not done with the one that is gone.
                SigningKeyStep::Write(journal)
                    if secret.is_none() && carried_over.is_none() && was_published =>
                {
                    Journal { rotated_for: None, ..journal }
                }
                SigningKeyStep::Write(journal) => journal,
                SigningKeyStep::Prepare(rotating_for) => {
                    let next = Some(signing::new_key(rand::random()));
                    Journal { next, rotating_for, ..journal.unwrap_or_default() }
                }
                SigningKeyStep::Rotate(key) => {
                    let grace = schedule.grace;
                    if let Err(error) = session.client.rotate_signing_key(application, &id, &key, grace).await
                    {
                        let blocked = Some(rotation_limited(error)?);
                        let next = Some(ROTATION_RETRY);
                        return Ok(SyncedDetails { blocked, next, ..SyncedDetails::default() });
                    }
                    reread(session, applied, application).await?;
                    let message = format!("endpoint {id} has a new signing key");
                    ctx.publish(object, EventReason::SigningKeyRotated, message);
                    // What Svix has now decides.
                    let key = session.client.get_signing_key(application, &id).await?;
                    in_svix = Some(key.ok_or_else(|| Error::unsteady("endpoint.get-secret"))?);
                    continue;
                }
                SigningKeyStep::Refuse(cause) => return Ok(SyncedDetails::stalled(cause)),
                SigningKeyStep::Keep(until) => {
                    let Some(journal) = journal else { continue };
                    let is_current =
                        secret.as_ref().is_some_and(|secret| signing::is_current(secret, endpoint, to));
                    // Once: somebody else may remove a label again.
                    if !is_current
                        && let Err(error) = self.write_and_publish(pass, &mut secret, &journal, &id).await
                    {
                        return not_writable(error);
                    }
                    let left =
                        |until: Timestamp| Duration::try_from(until.duration_since(now)).unwrap_or_default();
                    return Ok(SyncedDetails {
                        signing_key: Some(journal.status(spec)),
                        handled_rotate_at: rotate_at.map(str::to_owned),
                        // A little later: what is due then is due for certain.
                        next: until.map(|until| left(until) + Duration::from_millis(100)),
                        ..SyncedDetails::default()
                    });
                }
            };
            if let Err(error) = self.write_and_publish(pass, &mut secret, &write, &id).await {
                return not_writable(error);
            }
        }
        Err(Error::unsteady("endpoint.get-secret"))
    }

    async fn read_key<H: Host>(&self, pass: &Pass<'_, H>, id: &str) -> Result<Sensitive, Error> {
        let key = pass.session.client.get_signing_key(self.application, id).await?;
        key.ok_or_else(|| Error::vanished("endpoint.get-secret"))
    }

    /// Writes the journal to the Secret, and publishes it when the Secret is a new one.
    async fn write_and_publish<H: Host>(
        &self,
        pass: &mut Pass<'_, H>,
        secret: &mut Option<SecretData>,
        journal: &Journal,
        id: &str,
    ) -> Result<(), HostError> {
        record_publication(pass).await?;
        let is_new = secret.is_none();
        *secret = Some(self.write(pass, secret.as_ref(), journal).await?);
        if is_new {
            let message = format!("the signing key of endpoint {id} is in Secret {}", self.to.name);
            pass.ctx.publish(pass.object, EventReason::SigningKeyWritten, message);
        }
        Ok(())
    }

    /// Writes the journal to the Secret. Returns the Secret as stored.
    async fn write<H: Host>(
        &self,
        pass: &mut Pass<'_, H>,
        present: Option<&SecretData>,
        journal: &Journal,
    ) -> Result<SecretData, HostError> {
        let to = self.to;
        let SecretChange { data, annotations, labels } =
            signing::content(present, journal, pass.endpoint, to);
        let write = SecretWrite {
            name: to.name.clone(),
            resource_version: present.map(|secret| secret.resource_version.clone()),
            own: present.is_none_or(|secret| !signing::is_owned(secret, pass.endpoint)),
            data,
            annotations,
            labels,
        };
        let written = pass.ctx.host.write_secret(pass.object, write).await?;
        pass.secrets.insert(to.name.clone(), Some(written.clone()));
        Ok(written)
    }
}

/// Records in status, before a key is written to a Secret for the first time, that there is one: if this process ends
/// before status is written, and the spec stops naming the Secret, [`former_secrets`](super::former_secrets) looks for it.
async fn record_publication<H: Host>(pass: &Pass<'_, H>) -> Result<(), HostError> {
    let stored = pass.ctx.registry.get(&pass.object.key());
    let Some(object) = stored.filter(|stored| stored.uid() == pass.object.uid()) else {
        return Err(HostError::Gone);
    };
    let Object::Endpoint(endpoint) = &object else { return Ok(()) };
    let before = endpoint.status.clone().unwrap_or_default();
    if before.signing_key.is_some() {
        return Ok(());
    }
    let status = WebhookEndpointStatus { signing_key: Some(Box::default()), ..before };
    status::write(pass.ctx, &object, Status::Endpoint(Box::new(status))).await?;
    Ok(())
}

/// Returns the value of `rotate-at`, unless status says that it was handled.
fn pending_rotate_at(endpoint: &WebhookEndpoint) -> Option<&str> {
    let handled = endpoint.status.as_ref().and_then(|status| status.last_handled_rotate_at.as_deref());
    annotation(&endpoint.metadata, ROTATE_AT_ANNOTATION)
        .filter(|asked| asked.len() <= 4096 && Some(*asked) != handled)
}

/// Svix accepts no other key yet; any other error stays one.
fn rotation_limited(error: crate::svix::Error) -> Result<ReadyState, Error> {
    match &error.kind {
        ErrorKind::Refused { status: 400, detail, .. } => Ok(ReadyState::Waiting(ReconcileError::new(
            Reason::RotationLimited,
            format!("Svix accepts no other signing key yet: {detail} It is tried again"),
        ))),
        _ => Err(error.into()),
    }
}

/// A Secret that cannot be written: what waits for a person is reported, any other failure stays one.
fn not_writable(error: HostError) -> Result<SyncedDetails, Error> {
    let (reason, message, next) = match error {
        HostError::Forbidden(message) => (Reason::SecretNotReadable, message, Some(PERMISSION_RETRY)),
        HostError::Refused(message) => (Reason::InvalidSpec, message, None),
        error => return Err(error.into()),
    };
    Ok(SyncedDetails { next, ..SyncedDetails::stalled(ReconcileError::new(reason, message)) })
}
