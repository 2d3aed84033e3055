//! The signing key of an endpoint: taken from a Secret, or written to one, and replaced when it is time.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{ROTATE_AT_ANNOTATION, Reason, SigningSecret, ToSecret, WebhookEndpoint, annotation},
    engine::{
        Engine, EventReason, EventRecord, Host, HostError, Object, SecretWrite, connection::Live,
        event_type::unsteady, reconcile::Failed,
    },
    plan::{
        ReconcileError,
        secrets::{SecretData, Sensitive},
        signing::{self, Journal, Schedule, Step},
        status::ReadyState,
    },
    svix::{Error, ErrorKind},
};

use super::unlisted::{Kept, Listed, PERMISSION_RETRY};

/// More turns than a rotation takes; then the object is looked at anew.
const MAX_TURNS: usize = 10;
/// How long to wait when Svix takes no other key yet.
const ROTATION_RETRY: Duration = Duration::from_secs(600);

impl<S: Host> Engine<S> {
    /// A `rotate-at` on an endpoint whose key is not written to a Secret: nobody would hear of the new key.
    pub(super) fn nothing_to_rotate(&self, object: &Object, endpoint: &WebhookEndpoint) -> Option<String> {
        let asked = rotate_at(endpoint)?;
        let to_secret =
            endpoint.spec.signing_secret.as_ref().is_some_and(|signing| signing.to_secret.is_some());
        if to_secret {
            return None;
        }
        let message = format!(
            "{ROTATE_AT_ANNOTATION} needs spec.signingSecret.toSecret: the new key must be written somewhere. To replace a \
             key that comes from a Secret, change the Secret"
        );
        tracing::warn!(object = %object.key(), "{message}");
        let reason = Reason::InvalidSpec.as_str();
        self.host.publish_event(object, EventRecord { warning: true, reason, message });
        Some(asked.to_owned())
    }

    pub(super) async fn keep_key(
        &self,
        object: &Object,
        live: &Live,
        listed: &mut Listed<'_>,
        signing: &SigningSecret,
        settled: bool,
    ) -> Result<Kept, Failed> {
        match (&listed.wanted.signing_key, &signing.to_secret) {
            (Some(wanted), _) => {
                let wanted = wanted.clone();
                let grace = signing.grace_period().unwrap_or_default();
                let rotate_at = self.nothing_to_rotate(object, listed.endpoint);
                let trouble = if listed.wrote_key || settled {
                    None
                } else {
                    self.use_key(object, live, listed, &wanted, grace).await?
                };
                let next = trouble.as_ref().map(|_| ROTATION_RETRY);
                Ok(Kept { rotate_at, trouble, next, ..Kept::default() })
            }
            (None, Some(to)) => self.publish_key(object, live, listed, signing, to, settled).await,
            (None, None) => Ok(Kept::default()),
        }
    }

    /// Has Svix use a key that comes from a Secret. Answers what stands in the way.
    async fn use_key(
        &self,
        object: &Object,
        live: &Live,
        listed: &mut Listed<'_>,
        wanted: &Sensitive,
        grace: Duration,
    ) -> Result<Option<ReadyState>, Failed> {
        let application = listed.wanted.application.as_str();
        let id = listed.observed.id.clone();
        if live.client.get_signing_key(application, &id).await? == Some(signing::as_shown(wanted)) {
            return Ok(None);
        }
        if let Err(error) = live.client.rotate_signing_key(application, &id, wanted, grace).await {
            return limited(error).map(Some);
        }
        self.reread(live, listed).await?;
        let message = format!(
            "endpoint {id} uses the key in the Secret; the one before stays valid for {} seconds",
            grace.as_secs()
        );
        self.did(object, EventReason::SigningKeyChanged, message);
        Ok(None)
    }

    /// Keeps the key of Svix in a Secret, and replaces it when it is time.
    async fn publish_key(
        &self,
        object: &Object,
        live: &Live,
        listed: &mut Listed<'_>,
        spec: &SigningSecret,
        to: &ToSecret,
        settled: bool,
    ) -> Result<Kept, Failed> {
        let endpoint = listed.endpoint;
        let application = listed.wanted.application.clone();
        let id = listed.observed.id.clone();
        let rotate_at = rotate_at(endpoint);
        let schedule = Schedule {
            rotate_after: spec.rotate_after(),
            grace: spec.grace_period().unwrap_or_default(),
            rotate_at,
        };
        let mut secret = listed.secrets.get(&to.name).cloned().flatten();
        if let Some(secret) = &secret
            && let Err(refusal) = signing::check_ours(secret, endpoint, "/spec/signingSecret/toSecret/name")
        {
            return Ok(Kept { trouble: Some(ReadyState::Stalled(refusal)), ..Kept::default() });
        }
        let was_kept = listed.held.is_some_and(|held| held.verified.is_some());
        // Unread while nothing says that it is another one.
        let mut in_svix: Option<Sensitive> = None;
        for _ in 0..MAX_TURNS {
            let journal = secret.as_ref().map(|secret| Journal::read(secret, to.key()));
            let now = Timestamp::now();
            let assumed = journal.as_ref().and_then(|journal| journal.current.clone());
            let present = match (&in_svix, settled, assumed) {
                (Some(key), ..) => key.clone(),
                (None, true, Some(assumed))
                    if matches!(signing::plan(journal.as_ref(), &assumed, schedule, now), Step::Keep(_)) =>
                {
                    assumed
                }
                _ => {
                    let Some(key) = live.client.get_signing_key(&application, &id).await? else {
                        return Err(Failed::Svix(Error {
                            operation: "endpoint.get-secret",
                            kind: ErrorKind::NotFound,
                        }));
                    };
                    in_svix.insert(key).clone()
                }
            };
            let write = match signing::plan(journal.as_ref(), &present, schedule, now) {
                // The Secret was lost: what is asked for now was not done with the one that is gone.
                Step::Write(journal) if secret.is_none() && was_kept => {
                    Journal { rotated_for: None, ..journal }
                }
                Step::Write(journal) => journal,
                Step::Prepare(rotating_for) => {
                    let next = Some(signing::new_key(rand::random()));
                    Journal { next, rotating_for, ..journal.unwrap_or_default() }
                }
                Step::Rotate(key) => {
                    match live.client.rotate_signing_key(&application, &id, &key, schedule.grace).await {
                        Ok(()) => self.reread(live, listed).await?,
                        Err(error) => {
                            let trouble = Some(limited(error)?);
                            return Ok(Kept { trouble, next: Some(ROTATION_RETRY), ..Kept::default() });
                        }
                    }
                    let message = format!("endpoint {id} has a new signing key");
                    self.did(object, EventReason::SigningKeyRotated, message);
                    // What Svix says now decides.
                    in_svix = live.client.get_signing_key(&application, &id).await?;
                    if in_svix.is_none() {
                        return Err(Failed::Svix(unsteady("endpoint.get-secret")));
                    }
                    continue;
                }
                Step::Refuse(refusal) => {
                    return Ok(Kept { trouble: Some(ReadyState::Stalled(refusal)), ..Kept::default() });
                }
                Step::Keep(until) => {
                    let Some(journal) = journal else { continue };
                    if let Some(secret) = secret
                        .as_ref()
                        .filter(|secret| lacks_labels(secret, to) || !signing::is_owned(secret, endpoint))
                    {
                        let write = secret_write(endpoint, to, Some(secret), &journal);
                        if let Err(failed) = self.write_secret(object, listed, &to.name, write).await {
                            return unwritable(failed);
                        }
                    }
                    let left =
                        |until: Timestamp| Duration::try_from(until.duration_since(now)).unwrap_or_default();
                    return Ok(Kept {
                        signing_key: Some(journal.status(spec)),
                        rotate_at: rotate_at.map(str::to_owned),
                        // A little later: what is due then is due for certain.
                        next: until.map(|until| left(until) + Duration::from_millis(100)),
                        ..Kept::default()
                    });
                }
            };
            let is_new = secret.is_none();
            let write = secret_write(endpoint, to, secret.as_ref(), &write);
            match self.write_secret(object, listed, &to.name, write).await {
                Ok(written) => secret = Some(written),
                Err(failed) => return unwritable(failed),
            }
            if is_new {
                let message = format!("the signing key of endpoint {id} is in Secret {}", to.name);
                self.did(object, EventReason::SigningKeyWritten, message);
            }
        }
        Err(Failed::Svix(unsteady("endpoint.get-secret")))
    }

    async fn write_secret(
        &self,
        object: &Object,
        listed: &mut Listed<'_>,
        name: &str,
        write: SecretWrite,
    ) -> Result<SecretData, Failed> {
        let written = self.host.write_secret(object, write).await?;
        listed.secrets.insert(name.to_owned(), Some(written.clone()));
        Ok(written)
    }
}

/// A value of `rotate-at` that status does not say was handled.
fn rotate_at(endpoint: &WebhookEndpoint) -> Option<&str> {
    let handled = endpoint.status.as_ref().and_then(|status| status.last_handled_rotate_at.as_deref());
    annotation(&endpoint.metadata, ROTATE_AT_ANNOTATION)
        .filter(|asked| asked.len() <= 4096 && Some(*asked) != handled)
}

fn lacks_labels(secret: &SecretData, to: &ToSecret) -> bool {
    to.labels.iter().flatten().any(|(key, value)| secret.labels.get(key) != Some(value))
}

fn secret_write(
    endpoint: &WebhookEndpoint,
    to: &ToSecret,
    present: Option<&SecretData>,
    journal: &Journal,
) -> SecretWrite {
    let name = endpoint.metadata.name.as_deref().unwrap_or_default();
    SecretWrite {
        name: to.name.clone(),
        resource_version: present.map(|secret| secret.resource_version.clone()),
        own: present.is_none_or(|secret| !signing::is_owned(secret, endpoint)),
        data: journal.data(to.key()),
        annotations: journal.annotations(name),
        labels: to.labels.clone().unwrap_or_default(),
    }
}

/// Svix takes no other key yet; any other error stays one.
fn limited(error: Error) -> Result<ReadyState, Failed> {
    match &error.kind {
        ErrorKind::Refused { status: 400, detail } => Ok(ReadyState::Waiting(ReconcileError::new(
            Reason::RotationLimited,
            format!("Svix takes no other signing key yet: {detail} It is tried again"),
        ))),
        _ => Err(error.into()),
    }
}

/// A Secret that cannot be written: what waits for a person is told, any other failure stays one.
fn unwritable(failed: Failed) -> Result<Kept, Failed> {
    let (reason, message, next) = match failed {
        Failed::Host(HostError::Forbidden(message)) => {
            (Reason::SecretNotReadable, message, Some(PERMISSION_RETRY))
        }
        Failed::Host(HostError::Refused(message)) => (Reason::InvalidSpec, message, None),
        failed => return Err(failed),
    };
    let trouble = Some(ReadyState::Stalled(ReconcileError::new(reason, message)));
    Ok(Kept { trouble, next, ..Kept::default() })
}
