//! What a revision is in its `ControllerRevision`: annotations, and data that stays text.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::plan::revision::{Comparison, ComparisonResult, MAX_SCHEMA, Published, Revision};

/// The annotations of a revision. The data has the schema and `formatAssertion`.
const DIGEST_ANNOTATION: &str = "svix-operator.dev/schema-digest";
pub(super) const PUBLISHED_AT_ANNOTATION: &str = "svix-operator.dev/published-at";
pub(super) const VERDICT_ANNOTATION: &str = "svix-operator.dev/compatibility";
pub(super) const LEVEL_ANNOTATION: &str = "svix-operator.dev/compatibility-level";
/// Says that a schema is too large to be kept.
const NOT_KEPT_ANNOTATION: &str = "svix-operator.dev/schema-not-kept";

/// A revision, as it is read without its data.
#[derive(Clone, Deserialize)]
pub(super) struct Stored<D> {
    pub metadata: ObjectMeta,
    pub revision: i64,
    #[serde(default = "Option::default")]
    pub data: Option<D>,
}

/// A page of a list.
#[derive(Deserialize)]
#[serde(bound = "D: DeserializeOwned")]
pub(super) struct Page<D> {
    #[serde(default)]
    pub metadata: PageMetadata,
    pub items: Vec<Stored<D>>,
}

#[derive(Default, Deserialize)]
pub(super) struct PageMetadata {
    #[serde(rename = "continue")]
    pub token: Option<String>,
}

/// The data of a revision.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data {
    pub format_assertion: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Data {
    pub fn read(raw: &RawValue) -> Option<Published> {
        let Self { format_assertion, schema, digest: _ } = serde_json::from_str(raw.get()).ok()?;
        Some(Published { schema: schema?.get().to_owned(), format_assertion })
    }
}

/// Reads a revision; what is not understood of it counts as not known.
pub(super) fn revision<D>(stored: &Stored<D>) -> Revision {
    let annotations = stored.metadata.annotations.as_ref();
    let annotation = |name| annotations.and_then(|all: &BTreeMap<String, String>| all.get(name));
    let result = annotation(VERDICT_ANNOTATION).and_then(|verdict| verdict.parse().ok());
    let time = |text: &String| text.parse::<Timestamp>().ok();
    Revision {
        name: stored.metadata.name.clone().unwrap_or_default(),
        number: stored.revision,
        digest: annotation(DIGEST_ANNOTATION).cloned().unwrap_or_default(),
        published_at: annotation(PUBLISHED_AT_ANNOTATION).and_then(time),
        comparison: Comparison {
            result: result.unwrap_or(ComparisonResult::NotCompared),
            level: annotation(LEVEL_ANNOTATION).and_then(|level| level.parse().ok()),
        },
        has_schema: annotation(NOT_KEPT_ANNOTATION).is_none(),
    }
}

/// The annotations of a revision; all of them change when it is published again.
pub(super) fn annotations(revision: &Revision) -> BTreeMap<String, String> {
    // No `..`: a new part must be thought of here.
    let Revision { name: _, number: _, digest, published_at, comparison, has_schema } = revision;
    let Comparison { result, level } = comparison;
    let not_kept = || format!("the schema is larger than {MAX_SCHEMA} bytes; only its digest is kept");
    let entries = [
        (DIGEST_ANNOTATION, Some(digest.clone())),
        (PUBLISHED_AT_ANNOTATION, published_at.map(|time| time.to_string())),
        (VERDICT_ANNOTATION, Some(result.to_string())),
        (LEVEL_ANNOTATION, level.map(|level| level.to_string())),
        (NOT_KEPT_ANNOTATION, (!has_schema).then(not_kept)),
    ];
    entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
