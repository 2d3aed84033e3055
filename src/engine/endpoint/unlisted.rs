//! What Svix's lists do not show of an endpoint: its headers and its signing key.
//!
//! They are read one by one, so they are read only when there is a reason: another spec, another version of a Secret
//! that they come from, or an `updatedAt` in Svix that is not the one that was left there. Header values that Svix
//! hides are then written once, since nobody can say whether they are right.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    api::{EndpointInSvix, Reason, SigningKeyStatus, Verified, WebhookEndpoint},
    engine::{
        Engine, Host, Object, ReferenceError,
        connection::Live,
        queue::Next,
        reconcile::{Failed, Outcome},
    },
    plan::{
        Difference, ReconcileError,
        endpoint::{Desired, Observed},
        headers,
        secrets::{Secrets, versions},
        signing,
        status::ReadyState,
    },
    svix::{Error, ErrorKind},
};

/// How long to wait for a permission that nobody tells of when it is given.
pub(super) const PERMISSION_RETRY: Duration = Duration::from_secs(60);

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
    pub trouble: Option<ReadyState>,
    /// When to look again.
    pub next: Option<Duration>,
}

impl<S: Host> Engine<S> {
    /// The Secrets that an endpoint speaks of.
    pub(super) async fn secrets_of(&self, endpoint: &WebhookEndpoint) -> Result<Secrets, Outcome> {
        let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
        let mut secrets = Secrets::new();
        for name in endpoint.spec.secret_names() {
            if secrets.contains_key(name) {
                continue;
            }
            match self.host.secret(namespace, name).await {
                Ok(secret) => {
                    secrets.insert(name.to_owned(), secret);
                }
                Err(ReferenceError::Forbidden(message)) => return Err(unreadable(message)),
                Err(error) => {
                    return Err(Outcome {
                        next: Next::Failed,
                        ..Outcome::waiting(ReconcileError::new(Reason::SecretNotFound, error.to_string()))
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

    /// Learns the `updatedAt` that a write left, which has no answer of its own.
    pub(super) async fn reread(&self, live: &Live, listed: &mut Listed<'_>) -> Result<(), Failed> {
        let application = listed.wanted.application.as_str();
        let Some(observed) = live.client.get_endpoint(application, &listed.observed.id).await? else {
            return Err(Failed::Svix(Error { operation: "endpoint.get", kind: ErrorKind::NotFound }));
        };
        live.mirror.put_endpoint(application, observed.clone());
        listed.observed = observed;
        Ok(())
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

/// The operator may not read a Secret.
fn unreadable(message: String) -> Outcome {
    Outcome {
        next: Next::Later(PERMISSION_RETRY),
        ..Outcome::stalled(ReconcileError::new(Reason::SecretNotReadable, message))
    }
}
