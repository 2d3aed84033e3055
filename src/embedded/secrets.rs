//! Signing secrets: their two kinds, how they read back, how they sign, how they are rotated.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::errors::{ApiError, ApiResult};
use super::extract::{Authorized, Body};
use super::limits::{Check, Problems};
use super::state::{Endpoint, Shared, moved, now};

const SHORTEST: usize = 24;
const LONGEST: usize = 75;
const DEFAULT_GRACE: u32 = 86_400;
const LONGEST_GRACE: u32 = 604_800;
/// How many earlier secrets may still sign.
const OLD_SECRETS: usize = 10;
/// An ed25519 secret is the seed and the public key.
const ED25519_LEN: usize = 64;

/// A secret that signs deliveries.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// `whsec_`: HMAC-SHA256.
    Symmetric(Vec<u8>),
    /// `whsk_`, which reads back as the public key, `whpk_`. It is stored; signing with it is not part of the
    /// embedded Svix.
    Asymmetric(Vec<u8>),
}

/// A secret does not appear in logs.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    pub(super) fn generate() -> Self {
        Self::Symmetric(rand::random::<[u8; SHORTEST]>().to_vec())
    }

    /// The text that the API shows.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Symmetric(key) => format!("whsec_{}", STANDARD.encode(key)),
            Self::Asymmetric(key) => format!("whpk_{}", STANDARD.encode(&key[ED25519_LEN / 2..])),
        }
    }

    /// `v1,<signature>`; none for a kind that this server cannot sign with.
    pub(super) fn sign(&self, message: &str, seconds: i64, payload: &str) -> Option<String> {
        match self {
            Self::Symmetric(key) => {
                let signer = svix::webhooks::Webhook::from_bytes(key.clone()).ok()?;
                signer.sign(message, seconds, payload.as_bytes()).ok()
            }
            Self::Asymmetric(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let decode = |text: &str| STANDARD.decode(text).map_err(de::Error::custom);
        if let Some(text) = text.strip_prefix("whsk_") {
            let key = decode(text)?;
            if key.len() != ED25519_LEN {
                return Err(de::Error::custom("invalid ed25519 key"));
            }
            Ok(Self::Asymmetric(key))
        } else if let Some(text) = text.strip_prefix("whsec_") {
            decode(text).map(Self::Symmetric)
        } else {
            Err(de::Error::custom("invalid prefix"))
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

impl Problems {
    pub(super) fn secret(&mut self, secret: Option<&Secret>) {
        if let Some(Secret::Symmetric(key)) = secret
            && !(SHORTEST..=LONGEST).contains(&key.len())
        {
            self.add(&["key", "__all__"], "secret length invalid");
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Out {
    key: Secret,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rotate {
    #[serde(default)]
    key: Option<Secret>,
    #[serde(default)]
    grace_period_seconds: Option<u32>,
}

impl Check for Rotate {
    fn check(&self, problems: &mut Problems) {
        problems.secret(self.key.as_ref());
        if self.grace_period_seconds.is_some_and(|seconds| seconds > LONGEST_GRACE) {
            problems.add(&["grace_period_seconds"], "Duration must be between 0 and 7 days");
        }
    }
}

impl Endpoint {
    /// Every secret that signs at this moment, the current one first.
    pub(super) fn signing_secrets(&self) -> Vec<Secret> {
        let at = now();
        let old = self.old_secrets.iter().filter(|(_, until)| *until > at).map(|(secret, _)| secret.clone());
        std::iter::once(self.secret.clone()).chain(old).collect()
    }

    fn rotate(&mut self, key: Option<Secret>, grace: u32) -> ApiResult<()> {
        let at = now();
        let until = at.saturating_add(Duration::from_secs(grace.into())).unwrap_or(Timestamp::MAX);
        let live = |(_, until): &&(Secret, Timestamp)| *until > at;
        let mut old: Vec<_> = self.old_secrets.iter().filter(live).cloned().collect();
        if until > at {
            old.push((self.secret.clone(), until));
        }
        old.sort_by_key(|(_, until)| *until);
        if let Some((_, next)) = old.first()
            && old.len() > OLD_SECRETS
        {
            let detail = format!(
                "You can only rotate a key {OLD_SECRETS} times; please wait for old keys to expire. Your next \
                 key expires at {next}."
            );
            return Err(ApiError::bad_request("limit_reached", detail));
        }
        self.old_secrets = old;
        self.secret = key.unwrap_or_else(Secret::generate);
        self.updated_at = moved(self.updated_at);
        Ok(())
    }
}

pub(super) async fn get(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
) -> ApiResult<Json<Out>> {
    let store = svix.store();
    Ok(Json(Out { key: store.application(&app)?.endpoint(&endpoint)?.secret.clone() }))
}

pub(super) async fn rotate(
    State(svix): State<Shared>,
    Path((app, endpoint)): Path<(String, String)>,
    _: Authorized,
    Body(Rotate { key, grace_period_seconds }): Body<Rotate>,
) -> ApiResult<StatusCode> {
    let mut store = svix.store();
    let endpoint = store.application_mut(&app)?.endpoint_mut(&endpoint)?;
    endpoint.rotate(key, grace_period_seconds.unwrap_or(DEFAULT_GRACE))?;
    Ok(StatusCode::NO_CONTENT)
}
