//! The signing secret of an endpoint: where its key comes from, where it goes to, and when it is replaced.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretKeyRef, SpecRule, Violation, duration, rule};

/// The key in a Secret that a signing key is written to when none is named.
pub const DEFAULT_SIGNING_KEY: &str = "signingKey";

/// The key that Svix signs the endpoint's events with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.fromSecret) != has(self.toSecret)")
    .message(SpecRule::SigningSource))]
#[x_kube(validation = Rule::new("!has(self.rotateAfter) || has(self.toSecret)")
    .message(SpecRule::RotateAfterNeedsToSecret))]
#[serde(rename_all = "camelCase")]
pub struct SigningSecret {
    /// Use the key in a Secret of the same namespace: `whsec_` and the base64 of 24 to 75 bytes; or, for signatures that
    /// receivers verify with a public key, `whsk_` and the base64 of an ed25519 key pair, the seed and then the public
    /// key, 64 bytes. A change of the Secret is followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_secret: Option<SecretKeyRef>,

    /// Write the key that Svix has to a Secret of the same namespace, for the receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_secret: Option<ToSecret>,

    /// How long a key is used before it is replaced, such as `720h`; at least one hour. Left out: forever.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    #[x_kube(validation = Rule::new("self != '' && duration(self) >= duration('1h') && duration(self) <= duration('87600h')").message(SpecRule::RotateAfter))]
    pub rotate_after: Option<String>,

    /// How long Svix signs with the previous key, too, after a rotation. At most `168h`. Default: `24h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    #[x_kube(validation = Rule::new("self != '' && duration(self) <= duration('168h')").message(SpecRule::GracePeriod))]
    pub grace_period: Option<String>,
}

/// The Secret that a signing key is written to. It is created, belongs to the endpoint and is deleted with it; a Secret
/// that belongs to somebody else is never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToSecret {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,

    /// Key in the Secret's data. During a rotation there are `<key>.next` and `<key>.previous` beside it.
    /// Default: `signingKey`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 240), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: Option<String>,

    /// Labels of the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 20), with = "Option<BTreeMap<String, LabelValue>>")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// A value.
#[derive(JsonSchema)]
#[schemars(inline)]
#[allow(dead_code)]
struct LabelValue(#[schemars(length(max = 63))] String);

impl ToSecret {
    /// The key in the Secret's data.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or(DEFAULT_SIGNING_KEY)
    }
}

/// The Secret that a signing key comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKeySource<'a> {
    /// The key comes from a Secret.
    From(&'a SecretKeyRef),
    /// The key of Svix is written to a Secret.
    To(&'a ToSecret),
}

impl SigningSecret {
    /// The rules of the CRD that this violates.
    pub(super) fn violations(&self) -> impl Iterator<Item = Violation> {
        let violations = [
            self.source().err().map(|rule| rule.at("/spec/signingSecret")),
            SpecRule::RotateAfterNeedsToSecret
                .check(self.rotate_after.is_none() || self.to_secret.is_some(), "/spec/signingSecret"),
            SpecRule::GracePeriod.check(self.grace_period().is_some(), "/spec/signingSecret/gracePeriod"),
            SpecRule::RotateAfter.check(
                self.rotate_after.is_none() || self.rotate_after().is_some(),
                "/spec/signingSecret/rotateAfter",
            ),
        ];
        violations.into_iter().flatten()
    }

    /// The Secret that the key comes from or goes to, which is one.
    pub fn source(&self) -> Result<SigningKeySource<'_>, SpecRule> {
        let from = self.from_secret.as_ref().map(SigningKeySource::From);
        rule::one_of(from, self.to_secret.as_ref().map(SigningKeySource::To), SpecRule::SigningSource)
    }

    /// How long a key is used. `None`: forever, or a text that no API server accepts.
    #[must_use]
    pub fn rotate_after(&self) -> Option<Duration> {
        let after = self.rotate_after.as_deref().and_then(duration::parse);
        after.filter(|after| (3600..=87_600 * 3600).contains(&after.as_secs()))
    }

    /// How long Svix signs with the previous key, too. `None`: a text that no API server accepts.
    #[must_use]
    pub fn grace_period(&self) -> Option<Duration> {
        let Some(text) = self.grace_period.as_deref() else { return Some(Duration::from_secs(86_400)) };
        duration::parse(text).filter(|grace| grace.as_secs() <= 168 * 3600)
    }
}

/// The status of a signing key that is written to a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyStatus {
    /// Since when the current key has been used, as far as it was observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 64), extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
    /// When it will be rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 64), extend("format" = "date-time"))]
    pub next_rotation: Option<Timestamp>,
    /// Until when Svix signs with the previous key, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 64), extend("format" = "date-time"))]
    pub previous_valid_until: Option<Timestamp>,
}
