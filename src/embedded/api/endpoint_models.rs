//! The request bodies that describe an endpoint, and the response that shows one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::embedded::api::extract::{named, nullable};
use crate::embedded::api::validation::{Check, EndpointUrl, Metadata, Problems};
use crate::embedded::store::endpoint::{Endpoint, EndpointSettings};
use crate::embedded::store::error::StoreResult;
use crate::embedded::store::ids;
use crate::embedded::store::secret::Secret;

const EMPTY_TYPES: &str = "eventTypes can't be empty, it must have at least one item.";
const CHANNELS: &str = "Channels must have at least 1 and at most 10 items, or be set to null.";
const MAX_CHANNELS: usize = 10;
const SCHEME: &str = "Endpoint URL schemes must be http or https";
const RATE: &str = "Endpoint rate limits must be at least one if set";
const THROTTLE: &str = "Endpoint throttle rate must be at least one if set";
const PATCHED_RATE: &str = "Endpoint rate limits must be at least 1 if set";
const VERSION: &str = "Endpoint versions must be at least one if set";

/// The body of PUT. POST has the secret in addition, which PUT ignores as any unknown field.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input {
    #[serde(default)]
    pub(super) description: String,
    pub(super) rate_limit: Option<u16>,
    pub(super) throttle_rate: Option<u16>,
    pub(super) uid: Option<String>,
    pub(super) url: EndpointUrl,
    pub(super) version: Option<u16>,
    #[serde(default)]
    pub(super) disabled: bool,
    #[serde(alias = "filterTypes")]
    pub(super) event_types: Option<BTreeSet<String>>,
    pub(super) channels: Option<BTreeSet<String>>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

/// The body of POST.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    #[serde(default)]
    pub(super) description: String,
    pub(super) rate_limit: Option<u16>,
    pub(super) throttle_rate: Option<u16>,
    pub(super) uid: Option<String>,
    pub(super) url: EndpointUrl,
    pub(super) version: Option<u16>,
    #[serde(default)]
    pub(super) disabled: bool,
    #[serde(alias = "filterTypes")]
    pub(super) event_types: Option<BTreeSet<String>>,
    pub(super) channels: Option<BTreeSet<String>>,
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) secret: Option<Secret>,
}

impl Create {
    /// Returns the body of a PUT, and the secret.
    pub(super) fn split(self) -> (Input, Option<Secret>) {
        let Self {
            description,
            rate_limit,
            throttle_rate,
            uid,
            url,
            version,
            disabled,
            event_types,
            channels,
            metadata,
            secret,
        } = self;
        let input = Input {
            description,
            rate_limit,
            throttle_rate,
            uid,
            url,
            version,
            disabled,
            event_types,
            channels,
            metadata,
        };
        (input, secret)
    }
}

impl Input {
    /// Returns the fields to store, unless the database of the real server cannot store them.
    pub(super) fn settings(self) -> StoreResult<EndpointSettings> {
        let Self {
            description,
            rate_limit,
            throttle_rate,
            uid,
            url,
            version,
            disabled,
            event_types,
            channels,
            metadata,
        } = self;
        Ok(EndpointSettings {
            uid,
            url: url.0.into(),
            description,
            version: version.unwrap_or(1),
            throttle_rate: throttle_rate.or(rate_limit),
            disabled,
            event_types,
            channels,
            metadata: metadata.storable()?,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Patch {
    #[serde(default, deserialize_with = "named")]
    pub(super) description: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) rate_limit: Option<Option<u16>>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) throttle_rate: Option<Option<u16>>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) uid: Option<Option<String>>,
    #[serde(default, deserialize_with = "named")]
    pub(super) url: Option<EndpointUrl>,
    #[serde(default, deserialize_with = "named")]
    pub(super) version: Option<u16>,
    #[serde(default, deserialize_with = "named")]
    pub(super) disabled: Option<bool>,
    #[serde(default, alias = "filterTypes", deserialize_with = "nullable")]
    pub(super) event_types: Option<Option<BTreeSet<String>>>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) channels: Option<Option<BTreeSet<String>>>,
    #[serde(default, deserialize_with = "named")]
    pub(super) metadata: Option<Metadata>,
}

/// The fields that POST, PUT and PATCH check alike.
struct Common<'a> {
    description: Option<&'a str>,
    uid: Option<&'a str>,
    url: Option<&'a EndpointUrl>,
    version: Option<u16>,
    event_types: Option<&'a BTreeSet<String>>,
    channels: Option<&'a BTreeSet<String>>,
}

impl Common<'_> {
    fn check(&self, problems: &mut Problems) {
        problems.text("description", self.description.unwrap_or_default());
        problems.uid("uid", self.uid, ids::ENDPOINT);
        if self.url.is_some_and(|url| !matches!(url.0.scheme(), "http" | "https")) {
            problems.add(&["url"], SCHEME);
        }
        problems.at_least_one("version", self.version, VERSION);
        problems.names("event_types", self.event_types, usize::MAX, EMPTY_TYPES);
        problems.names("channels", self.channels, MAX_CHANNELS, CHANNELS);
    }
}

macro_rules! check_whole {
    ($self:ident, $problems:ident) => {
        Common {
            description: Some(&$self.description),
            uid: $self.uid.as_deref(),
            url: Some(&$self.url),
            version: $self.version,
            event_types: $self.event_types.as_ref(),
            channels: $self.channels.as_ref(),
        }
        .check($problems);
        $problems.at_least_one("rate_limit", $self.rate_limit, RATE);
        $problems.at_least_one("throttle_rate", $self.throttle_rate, THROTTLE);
    };
}

impl Check for Input {
    fn check(&self, problems: &mut Problems) {
        check_whole!(self, problems);
    }
}

impl Check for Create {
    fn check(&self, problems: &mut Problems) {
        check_whole!(self, problems);
        problems.secret(self.secret.as_ref());
    }
}

impl Check for Patch {
    fn check(&self, problems: &mut Problems) {
        Common {
            description: self.description.as_deref(),
            uid: self.uid.as_ref().and_then(Option::as_deref),
            url: self.url.as_ref(),
            version: self.version,
            event_types: self.event_types.as_ref().and_then(Option::as_ref),
            channels: self.channels.as_ref().and_then(Option::as_ref),
        }
        .check(problems);
        problems.at_least_one("rate_limit", self.rate_limit.flatten(), PATCHED_RATE);
        problems.at_least_one("throttle_rate", self.throttle_rate.flatten(), PATCHED_RATE);
    }
}

/// The fields of an endpoint that every response contains.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    description: String,
    rate_limit: Option<u16>,
    throttle_rate: Option<u16>,
    uid: Option<String>,
    url: String,
    version: u16,
    disabled: bool,
    event_types: Option<BTreeSet<String>>,
    filter_types: Option<BTreeSet<String>>,
    channels: Option<BTreeSet<String>>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// An endpoint as the API shows it. The event types appear under both of their names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Out {
    #[serde(flatten)]
    common: Shown,
    id: String,
    metadata: BTreeMap<String, String>,
}

impl From<&Endpoint> for Shown {
    fn from(endpoint: &Endpoint) -> Self {
        let settings = &endpoint.settings;
        Self {
            description: settings.description.clone(),
            rate_limit: settings.throttle_rate,
            throttle_rate: settings.throttle_rate,
            uid: settings.uid.clone(),
            url: settings.url.clone(),
            version: settings.version,
            disabled: settings.disabled,
            event_types: settings.event_types.clone(),
            filter_types: settings.event_types.clone(),
            channels: settings.channels.clone(),
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        }
    }
}

impl From<&Endpoint> for Out {
    fn from(endpoint: &Endpoint) -> Self {
        let metadata = endpoint.settings.metadata.clone();
        Self { common: endpoint.into(), id: endpoint.id.clone(), metadata }
    }
}
