//! What Svix's lists do not show of an endpoint: its headers and its signing key.
//!
//! They are read one by one, so they are read only when there is a reason: another spec, another version of a Secret
//! that they come from, or an `updatedAt` in Svix that is not the one that was left there. Header values that Svix
//! hides are then written once, since nobody can say whether they are right.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{
        EndpointInSvix, ROTATE_AT_ANNOTATION, Reason, SigningKeyStatus, SigningSecret, ToSecret, Verified,
        WebhookEndpoint, annotation,
    },
    engine::{
        Engine, Happened, Key, Missing, Note, Object, SecretWrite, Shell, ShellError,
        connection::Live,
        event_type::unsteady,
        queue::Next,
        reconcile::{Failed, Outcome},
    },
    plan::{
        Difference, Refusal,
        endpoint::{Desired, Observed},
        headers,
        secrets::{SecretData, Secrets, Sensitive, versions},
        signing::{self, Journal, Schedule, Step},
        status::Verdict,
    },
    svix::{Error, ErrorKind},
};

/// More turns than a rotation takes; then the object is looked at anew.
const MAX_TURNS: usize = 10;
/// How long to wait when Svix takes no other key yet.
const ROTATION_RETRY: Duration = Duration::from_secs(600);
/// How long to wait for a permission that nobody tells of when it is given.
const PERMISSION_RETRY: Duration = Duration::from_secs(60);

/// Headers as this process wrote them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine) struct Written {
    digest: u64,
    /// `updatedAt` of the endpoint then.
    updated_at: i64,
}

/// An endpoint that Svix holds as declared, as far as lists show it.
pub(super) struct Listed<'a> {
    pub endpoint: &'a WebhookEndpoint,
    pub wanted: &'a Desired,
    /// What Svix holds now.
    pub observed: Observed,
    /// Its `updatedAt` before this look wrote anything.
    pub before: i64,
    /// Whether this look wrote the headers, and the key.
    pub wrote_headers: bool,
    pub wrote_key: bool,
    /// Whether this look took headers away that have to be written again.
    pub withheld_headers: bool,
    /// What status says was held before this look.
    pub held: Option<&'a EndpointInSvix>,
    /// The Secrets that the spec speaks of.
    pub secrets: Secrets,
}

/// What came of keeping headers and key right.
#[derive(Default)]
pub(super) struct Kept {
    pub verified: Option<Verified>,
    pub signing_key: Option<SigningKeyStatus>,
    /// The value of `rotate-at` that is handled by now.
    pub rotate_at: Option<String>,
    /// What stands in the way, with the endpoint in step otherwise.
    pub trouble: Option<Verdict>,
    /// When to look again.
    pub next: Option<Duration>,
}

impl<S: Shell> Engine<S> {
    /// The Secrets that an endpoint speaks of.
    pub(super) async fn secrets_of(&self, endpoint: &WebhookEndpoint) -> Result<Secrets, Outcome> {
        let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
        let mut secrets = Secrets::new();
        for name in endpoint.spec.secret_names() {
            if secrets.contains_key(name) {
                continue;
            }
            match self.shell.secret(namespace, name).await {
                Ok(secret) => {
                    secrets.insert(name.to_owned(), secret);
                }
                Err(Missing::Forbidden(message)) => return Err(unreadable(message)),
                Err(error) => {
                    return Err(Outcome {
                        next: Next::Failed,
                        ..Outcome::waiting(Refusal::new(Reason::SecretNotFound, error.to_string()))
                    });
                }
            }
        }
        Ok(secrets)
    }

    /// Makes Svix hold the headers and the key that are declared.
    pub(super) async fn keep_unlisted(
        &self,
        object: &Object,
        live: &Live,
        mut listed: Listed<'_>,
    ) -> Result<Kept, Failed> {
        let spec = &listed.endpoint.spec;
        let signing = spec.signing_secret.as_ref();
        if listed.wanted.headers.is_none() && signing.is_none() {
            return Ok(Kept {
                rotate_at: self.nothing_to_rotate(object, listed.endpoint),
                ..Kept::default()
            });
        }
        let recorded = listed.held.and_then(|held| held.verified.as_ref());
        let as_left = recorded.is_some_and(|verified| {
            verified.updated_at.parse::<Timestamp>().is_ok_and(|time| time.as_microsecond() == listed.before)
        });
        let same_secrets = recorded.is_some_and(|verified| verified.secrets == versions(&listed.secrets));
        let same_spec = listed.held.is_some_and(|held| held.generation == object.meta().generation);
        let settled =
            as_left && same_secrets && same_spec && !listed.withheld_headers && !self.forced(object);

        if listed.wanted.headers.is_some() {
            self.keep_headers(object, live, &mut listed, settled).await?;
        }
        let mut kept = Kept::default();
        if let Some(signing) = signing {
            kept = self.keep_key(object, live, &mut listed, signing, settled).await?;
        }
        if kept.trouble.is_none() {
            kept.verified = Some(Verified {
                updated_at: Timestamp::from_microsecond(listed.observed.updated_at)
                    .unwrap_or(Timestamp::UNIX_EPOCH)
                    .to_string(),
                secrets: versions(&listed.secrets),
            });
        }
        Ok(kept)
    }

    /// A `rotate-at` on an endpoint whose key is not written to a Secret: nobody would hear of the new key.
    fn nothing_to_rotate(&self, object: &Object, endpoint: &WebhookEndpoint) -> Option<String> {
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
        self.shell.tell(object, Note { warning: true, reason, message });
        Some(asked.to_owned())
    }

    /// Writes the headers, unless they are known to be right. `settled`: nothing says that they are not.
    async fn keep_headers(
        &self,
        object: &Object,
        live: &Live,
        listed: &mut Listed<'_>,
        settled: bool,
    ) -> Result<(), Failed> {
        let Some(wanted) = &listed.wanted.headers else { return Ok(()) };
        let key = object.key();
        let digest = self.digest(wanted);
        let ours = !listed.withheld_headers && self.wrote_these(&key, digest, listed.before);
        let right = listed.wrote_headers || settled || (ours && !self.forced(object));
        if !right {
            let application = listed.wanted.application.as_str();
            let id = listed.observed.id.clone();
            let found = live.client.get_headers(application, &id).await?;
            let comparison = headers::compare(wanted, &found.unwrap_or_default());
            if !comparison.differing.is_empty() || comparison.unknown {
                live.client.put_headers(application, &id, wanted).await?;
                self.reread(live, listed).await?;
                let names: Vec<_> = comparison.differing.iter().take(10).map(String::as_str).collect();
                let what = match names.len() {
                    0 => "values that Svix hides".to_owned(),
                    _ => names.join(", "),
                };
                let message = format!("endpoint {id}: {what}");
                self.did(object, Happened::HeadersWritten, message);
            }
        }
        let updated_at = listed.observed.updated_at;
        self.remember(&key, |memory| memory.headers = Some(Written { digest, updated_at }));
        Ok(())
    }

    /// Whether an endpoint has headers of this digest, as this process wrote them.
    fn wrote_these(&self, key: &Key, digest: u64, updated_at: i64) -> bool {
        let known = |written: &Written| written.digest == digest && written.updated_at == updated_at;
        self.remember(key, |memory| memory.headers.as_ref().is_some_and(known))
    }

    /// Takes away, before the address goes to another host, the headers that may not be meant for it. Until the new
    /// ones are written, a receiver may refuse a message for want of them; Svix sends that again.
    pub(super) async fn withhold_headers(
        &self,
        object: &Object,
        live: &Live,
        wanted: &Desired,
        observed: &Observed,
    ) -> Result<bool, Failed> {
        let Some(headers) = &wanted.headers else { return Ok(false) };
        if self.wrote_these(&object.key(), self.digest(headers), observed.updated_at) {
            return Ok(false);
        }
        let application = wanted.application.as_str();
        let found = live.client.get_headers(application, &observed.id).await?.unwrap_or_default();
        let Some(keep) = headers::for_both(headers, &found) else { return Ok(false) };
        live.client.put_headers(application, &observed.id, &keep).await?;
        Ok(true)
    }

    /// Learns the `updatedAt` that a write left, which has no answer of its own.
    async fn reread(&self, live: &Live, listed: &mut Listed<'_>) -> Result<(), Failed> {
        let application = listed.wanted.application.as_str();
        let Some(observed) = live.client.get_endpoint(application, &listed.observed.id).await? else {
            return Err(Failed::Svix(Error { operation: "endpoint.get", kind: ErrorKind::NotFound }));
        };
        live.mirror.put_endpoint(application, observed.clone());
        listed.observed = observed;
        Ok(())
    }

    async fn keep_key(
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
    ) -> Result<Option<Verdict>, Failed> {
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
        self.did(object, Happened::SigningKeyChanged, message);
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
            return Ok(Kept { trouble: Some(Verdict::Stalled(refusal)), ..Kept::default() });
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
                    self.did(object, Happened::SigningKeyRotated, message);
                    // What Svix says now decides.
                    in_svix = live.client.get_signing_key(&application, &id).await?;
                    if in_svix.is_none() {
                        return Err(Failed::Svix(unsteady("endpoint.get-secret")));
                    }
                    continue;
                }
                Step::Refuse(refusal) => {
                    return Ok(Kept { trouble: Some(Verdict::Stalled(refusal)), ..Kept::default() });
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
                self.did(object, Happened::SigningKeyWritten, message);
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
        let written = self.shell.write_secret(object, write).await?;
        listed.secrets.insert(name.to_owned(), Some(written.clone()));
        Ok(written)
    }

    /// How headers and key in Svix differ from what is declared, of an endpoint that is only compared.
    pub(super) async fn differences_unlisted(
        &self,
        live: &Live,
        wanted: &Desired,
        observed: &Observed,
    ) -> Result<Vec<Difference>, Failed> {
        let mut differences = Vec::new();
        let application = wanted.application.as_str();
        if let Some(headers) = &wanted.headers {
            let found = live.client.get_headers(application, &observed.id).await?.unwrap_or_default();
            let comparison = headers::compare(headers, &found);
            for name in comparison.differing {
                let has = |there: bool| if there { "a value (not shown)" } else { "none" }.to_owned();
                let in_svix =
                    found.shown.keys().chain(&found.hidden).any(|other| other.eq_ignore_ascii_case(&name));
                let declared = headers.keys().any(|other| other.eq_ignore_ascii_case(&name));
                let (found, expected) = match (in_svix, declared) {
                    (true, true) => ("another value (not shown)".to_owned(), "its own".to_owned()),
                    (in_svix, declared) => (has(in_svix), has(declared)),
                };
                differences.push(Difference {
                    field: "headers",
                    found: format!("{name}: {found}"),
                    expected: format!("{name}: {expected}"),
                });
            }
        }
        if let Some(key) = &wanted.signing_key
            && live.client.get_signing_key(application, &observed.id).await? != Some(signing::as_shown(key))
        {
            differences.push(Difference {
                field: "signingSecret",
                found: "another key (not shown)".to_owned(),
                expected: "the one in the Secret".to_owned(),
            });
        }
        Ok(differences)
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
fn limited(error: Error) -> Result<Verdict, Failed> {
    match &error.kind {
        ErrorKind::Refused { status: 400, detail } => Ok(Verdict::Waiting(Refusal::new(
            Reason::RotationLimited,
            format!("Svix takes no other signing key yet: {detail} It is tried again"),
        ))),
        _ => Err(error.into()),
    }
}

/// A Secret that cannot be written: what waits for a person is told, any other failure stays one.
fn unwritable(failed: Failed) -> Result<Kept, Failed> {
    let (reason, message, next) = match failed {
        Failed::Shell(ShellError::Forbidden(message)) => {
            (Reason::SecretNotReadable, message, Some(PERMISSION_RETRY))
        }
        Failed::Shell(ShellError::Refused(message)) => (Reason::InvalidSpec, message, None),
        failed => return Err(failed),
    };
    let trouble = Some(Verdict::Stalled(Refusal::new(reason, message)));
    Ok(Kept { trouble, next, ..Kept::default() })
}

/// The operator may not read a Secret.
fn unreadable(message: String) -> Outcome {
    Outcome {
        next: Next::Later(PERMISSION_RETRY),
        ..Outcome::stalled(Refusal::new(Reason::SecretNotReadable, message))
    }
}
