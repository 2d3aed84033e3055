//! The rules for names, channels, metadata, headers and rates, each in one place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use axum::http::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, Serialize, de};
use url::Url;

use crate::embedded::api::errors::Problem;
use crate::embedded::store::error::StoreResult;
use crate::embedded::store::jsonb;
use crate::embedded::store::secret::Secret;

const NAME_MAX: usize = 256;
const METADATA_MAX: usize = 4096;
const HEADER_MAX: usize = 4096;
const SECRET_BYTES: RangeInclusive<usize> = 24..=75;
/// The last part of the location of a problem with a whole value.
const WHOLE: &str = "__all__";

const FORBIDDEN_HEADERS: [&str; 19] = [
    "age",
    "cache-control",
    "clear-site-data",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-type",
    "expires",
    "keep-alive",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "warning",
];
const FORBIDDEN_HEADER_PREFIXES: [&str; 9] =
    ["svix-", "x-amz-", "x-amzn-", "x-azure-", "x-fd-", "x-gfe", "x-goog-", "x-google", "x-svix-"];

/// Input that can be checked after it was read.
pub(super) trait Check {
    /// Adds each problem to `problems`.
    fn check(&self, problems: &mut Problems);
}

/// The problems of one input, with `body` or `query` before each location.
pub(super) struct Problems {
    root: &'static str,
    found: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(root: &'static str) -> Self {
        Self { root, found: Vec::new() }
    }

    pub(super) fn add(&mut self, field: &[&str], msg: &str) {
        let loc = std::iter::once(self.root).chain(field.iter().copied()).map(str::to_owned).collect();
        self.found.push(Problem { loc, msg: msg.to_owned(), kind: "value_error" });
    }

    pub(super) fn into_found(self) -> Vec<Problem> {
        self.found
    }

    /// An event type, a channel: letters, digits, `-`, `_` and `.`, 1 to 256 of them.
    pub(super) fn name(&mut self, field: &str, value: &str) {
        if let Err(msg) = name(value) {
            self.add(&[field, WHOLE], msg);
        }
    }

    /// A uid: a name that cannot be taken for an id.
    pub(super) fn uid(&mut self, field: &str, value: Option<&str>, id_prefix: &str) {
        let Some(value) = value else { return };
        self.name(field, value);
        if value.starts_with(id_prefix) {
            self.add(
                &[field, WHOLE],
                "Uids are not allowed to have the same prefix as the ID. Prefix with _?",
            );
        }
    }

    /// A list of names of at least one and at most `max`, or none at all.
    pub(super) fn names(&mut self, field: &str, values: Option<&BTreeSet<String>>, max: usize, msg: &str) {
        let Some(values) = values else { return };
        if values.is_empty() || values.len() > max {
            self.add(&[field], msg);
        } else if let Some(msg) = values.iter().find_map(|value| name(value).err()) {
            self.add(&[field, WHOLE], msg);
        }
    }

    pub(super) fn at_least_one(&mut self, field: &str, value: Option<u16>, msg: &str) {
        if value == Some(0) {
            self.add(&[field], msg);
        }
    }

    pub(super) fn secret(&mut self, secret: Option<&Secret>) {
        if let Some(Secret::Symmetric(key)) = secret
            && !SECRET_BYTES.contains(&key.len())
        {
            self.add(&["key", WHOLE], "secret length invalid");
        }
    }

    pub(super) fn text(&mut self, field: &str, value: &str) {
        if value.chars().any(|c| c <= '\u{8}') {
            self.add(&[field], "Control characters 0x00-0x08 not allowed.");
        }
    }
}

/// Applies the rule of [`Problems::name`]; the error is the server's message.
pub(super) fn name(value: &str) -> Result<(), &'static str> {
    if value.is_empty() {
        Err("String must be at least one character")
    } else if value.len() > NAME_MAX {
        Err("String too long")
    } else if !value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        Err("String must match the following pattern: [a-zA-Z0-9\\-_.].")
    } else {
        Ok(())
    }
}

/// Returns the server's message for each rule that a header's name breaks.
pub(super) fn header_name(key: &str) -> Vec<&'static str> {
    let key = key.to_lowercase();
    let mut broken = Vec::new();
    if HeaderName::try_from(key.as_str()).is_err() {
        broken.push("Invalid Header Name.");
    }
    if FORBIDDEN_HEADERS.contains(&key.as_str()) {
        broken.push("Header uses a forbidden key.");
    }
    if FORBIDDEN_HEADER_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        broken.push("Header starts with a forbidden prefix.");
    }
    broken
}

/// A whole set of headers, refused while it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Headers(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let headers = BTreeMap::<String, String>::deserialize(deserializer)?;
        for (key, value) in &headers {
            if let Some(msg) = header_name(key).first() {
                return Err(de::Error::custom(format_args!("{WHOLE}: {msg}")));
            }
            if HeaderValue::try_from(value).is_err() {
                return Err(de::Error::custom(format_args!("{WHOLE}: Invalid Header Value.")));
            }
            if value.len() > HEADER_MAX {
                return Err(de::Error::custom(format_args!("{WHOLE}: Maximum header length is 4096 bytes")));
            }
        }
        Ok(Self(headers))
    }
}

/// String to string, 4096 bytes of JSON; null is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Metadata(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let metadata = Option::<BTreeMap<String, String>>::deserialize(deserializer)?.unwrap_or_default();
        let size = serde_json::to_string(&metadata).map_err(de::Error::custom)?.len();
        if size > METADATA_MAX {
            return Err(de::Error::custom(format_args!(
                "metadata must be less than or equal to {METADATA_MAX} bytes"
            )));
        }
        Ok(Self(metadata))
    }
}

impl Metadata {
    /// Returns the metadata, unless the database of the real server cannot store it.
    pub(super) fn storable(self) -> StoreResult<BTreeMap<String, String>> {
        jsonb::check_metadata(&self.0)?;
        Ok(self.0)
    }
}

/// A feature flag, refused while it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FeatureFlag(pub(super) String);

impl<'de> Deserialize<'de> for FeatureFlag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let flag = String::deserialize(deserializer)?;
        name(&flag).map_err(|msg| de::Error::custom(format_args!("{WHOLE}: {msg}")))?;
        Ok(Self(flag))
    }
}

/// A URL, which is parsed as the server does, so that it reads back normalised (`https://a.example/`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EndpointUrl(pub(super) Url);

impl<'de> Deserialize<'de> for EndpointUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = Url::parse(&text);
        parsed.map(Self).map_err(|error| de::Error::custom(format_args!("{error}: {text:?}")))
    }
}
