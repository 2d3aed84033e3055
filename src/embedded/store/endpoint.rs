//! An endpoint, as it is stored: which messages it receives, its secrets, and when it is disabled for failing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::embedded::store::attempt::Attempt;
use crate::embedded::store::clock::{next_update, now};
use crate::embedded::store::error::{StoreError, StoreResult};
use crate::embedded::store::ids;
use crate::embedded::store::secret::Secret;

/// How many earlier secrets may still sign.
const MAX_OLD_SECRETS: usize = 10;

#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) settings: EndpointSettings,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) secret: Secret,
    /// Earlier secrets that still sign, with the time at which each ends.
    pub(crate) old_secrets: Vec<(Secret, Timestamp)>,
    /// When the first message since the last success was given up on.
    pub(crate) failing_since: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) attempts: BTreeMap<String, Arc<Attempt>>,
}

/// The fields that POST and PUT set as a whole.
#[derive(Debug)]
pub(crate) struct EndpointSettings {
    pub(crate) uid: Option<String>,
    pub(crate) url: String,
    pub(crate) description: String,
    pub(crate) version: u16,
    pub(crate) throttle_rate: Option<u16>,
    pub(crate) disabled: bool,
    pub(crate) event_types: Option<BTreeSet<String>>,
    pub(crate) channels: Option<BTreeSet<String>>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Endpoint {
    pub(crate) fn new(settings: EndpointSettings, secret: Secret) -> Self {
        let at = now();
        Self {
            id: ids::new(ids::ENDPOINT, at),
            settings,
            headers: BTreeMap::new(),
            secret,
            old_secrets: Vec::new(),
            failing_since: None,
            created_at: at,
            updated_at: at,
            attempts: BTreeMap::new(),
        }
    }

    /// Whether the endpoint receives an event. An endpoint without channels receives every event of its types; one
    /// with channels receives only events that share one of them.
    pub(crate) fn receives(&self, event_type: &str, channels: Option<&BTreeSet<String>>) -> bool {
        let EndpointSettings { disabled, event_types, channels: own, .. } = &self.settings;
        !disabled
            && event_types.as_ref().is_none_or(|types| types.contains(event_type))
            && own.as_ref().is_none_or(|own| channels.is_some_and(|its| !own.is_disjoint(its)))
    }

    pub(crate) fn touch(&mut self) {
        self.updated_at = next_update(self.updated_at);
    }

    /// Returns every secret that signs at this moment, the current one first.
    pub(crate) fn signing_secrets(&self) -> Vec<Secret> {
        let at = now();
        let old = self.old_secrets.iter().filter(|(_, until)| *until > at).map(|(secret, _)| secret.clone());
        std::iter::once(self.secret.clone()).chain(old).collect()
    }

    /// Replaces the secret by `key`, or by a random one. The current secret signs for `grace_seconds` longer.
    pub(crate) fn rotate_secret(&mut self, key: Option<Secret>, grace_seconds: u32) -> StoreResult<()> {
        let at = now();
        let until = at.saturating_add(Duration::from_secs(grace_seconds.into())).unwrap_or(Timestamp::MAX);
        let live = |(_, until): &&(Secret, Timestamp)| *until > at;
        let mut old: Vec<_> = self.old_secrets.iter().filter(live).cloned().collect();
        if until > at {
            old.push((self.secret.clone(), until));
        }
        old.sort_by_key(|(_, until)| *until);
        if let Some((_, next_expiry)) = old.first()
            && old.len() > MAX_OLD_SECRETS
        {
            return Err(StoreError::TooManySecrets { limit: MAX_OLD_SECRETS, next_expiry: *next_expiry });
        }
        self.old_secrets = old;
        self.secret = key.unwrap_or_else(Secret::generate);
        self.touch();
        Ok(())
    }

    /// Records that a message was given up on. An endpoint that has failed for longer than `disable_after` is
    /// disabled.
    pub(crate) fn record_failed_message(&mut self, disable_after: Duration) {
        let at = now();
        match self.failing_since {
            None => self.failing_since = Some(at),
            Some(since) if at.duration_since(since).unsigned_abs() > disable_after => {
                self.settings.disabled = true;
                self.touch();
            }
            Some(_) => {}
        }
    }
}
