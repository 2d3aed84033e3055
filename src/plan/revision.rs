//! The published versions of an event type's schema: what is kept of them, under which number, and which are removed.
//!
//! They are kept as Kubernetes keeps the histories of its own controllers: as revisions with a growing number. A schema
//! that is published again gets a new number and no second revision.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::schema::evolution::Level;

use super::digest::Digest;

mod compare;

pub use compare::{Compared, Pair, worst};

/// The label of a revision with the uid of its event type.
pub const EVENT_TYPE_UID_LABEL: &str = "svix-operator.dev/event-type-uid";

/// Largest schema that is kept, in bytes of JSON. etcd stores objects of up to 1.5 MiB.
pub const MAX_SCHEMA: usize = 1024 * 1024;

/// Most bytes of JSON that a new schema is compared with at once, all revisions together.
pub const MAX_COMPARED: usize = 4 * 1024 * 1024;

/// Longest name of an object.
const LONGEST_NAME: usize = 253;

/// Characters of the hash in a revision's name.
const HASH: usize = 10;

/// A version of a schema as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The schema with its examples, as JSON.
    pub schema: String,
    /// Whether formats and content encodings were enforced.
    pub format_assertion: bool,
}

/// A revision, without its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The name of the object that it is kept in.
    pub name: String,
    /// Its number: of two revisions, the one with the larger number was published later.
    pub number: i64,
    /// The digest of what was published, as of [`content_digest`].
    pub digest: String,
    /// When it was published last; `None`: that is not known.
    pub published_at: Option<Timestamp>,
    /// How it compares with the revision before.
    pub comparison: Comparison,
    /// Whether its schema is kept; else it is too large, and there is only its digest.
    pub has_schema: bool,
}

/// How a revision compares with the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The verdict.
    pub result: ComparisonResult,
    /// The level that the verdict is about; `None`: nothing was compared.
    pub level: Option<Level>,
}

/// The verdict on a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString, strum::IntoStaticStr)]
pub enum ComparisonResult {
    /// There was no revision before.
    First,
    /// It breaks nothing.
    Safe,
    /// It breaks compatibility.
    Breaking,
    /// It permits no payload at all.
    Empty,
    /// Neither a proof nor a payload was found.
    NotDecided,
    /// It was not compared: the level is `None`, or the schema before is not kept.
    NotCompared,
}

impl Comparison {
    /// Nothing was compared.
    #[must_use]
    pub fn without_level(result: ComparisonResult) -> Self {
        Self { result, level: None }
    }
}

/// What to do about the history of an event type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPlan {
    /// What to write.
    pub step: HistoryStep,
    /// The number of the present version; `None`: none is kept.
    pub number: Option<i64>,
    /// The revisions to delete afterwards, by name.
    pub obsolete: Vec<String>,
    /// How many revisions there are then.
    pub kept: usize,
}

/// What to write to the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryStep {
    /// Nothing: the present version is the last revision, or none is to be kept.
    Nothing,
    /// Create a revision.
    Create,
    /// Give the revision with this name, which has the same content, the new number.
    Renumber(String),
}

/// Sorts revisions by their numbers, the last one at the end.
pub fn sort(revisions: &mut [Revision]) {
    revisions.sort_by(order);
}

/// Compares revisions by when they were published. Two that have one number, which only somebody else can give them, are
/// compared by their times and names.
#[must_use]
pub fn order(one: &Revision, other: &Revision) -> Ordering {
    (one.number, one.published_at, &one.name).cmp(&(other.number, other.published_at, &other.name))
}

/// Plans the history after something with this digest was published. `known` are the revisions in their order.
#[must_use]
pub fn plan(known: &[Revision], digest: &str, limit: usize) -> HistoryPlan {
    if limit == 0 {
        let obsolete = known.iter().map(|revision| revision.name.clone()).collect();
        return HistoryPlan { step: HistoryStep::Nothing, number: None, obsolete, kept: 0 };
    }
    let last = known.last();
    let next = last.map_or(1, |last| last.number.saturating_add(1));
    let same = known.iter().rev().find(|revision| revision.digest == digest);
    let (step, number) = match same {
        Some(same) if last.is_some_and(|last| last.name == same.name) => (HistoryStep::Nothing, same.number),
        Some(same) => (HistoryStep::Renumber(same.name.clone()), next),
        None => (HistoryStep::Create, next),
    };
    let present = same.map(|same| same.name.as_str());
    let others: Vec<_> = known.iter().filter(|revision| Some(revision.name.as_str()) != present).collect();
    let surplus = others.len().saturating_sub(limit - 1);
    let obsolete = others.iter().take(surplus).map(|revision| revision.name.clone()).collect();
    HistoryPlan { step, number: Some(number), obsolete, kept: others.len() - surplus + 1 }
}

/// Returns the digest of what is published. It is made from the digest of the schema, so equal values have the same one.
#[must_use]
pub fn content_digest(schema: Digest, format_assertion: bool) -> String {
    Digest::of_text(&format!("{schema} formatAssertion={format_assertion}")).to_string()
}

/// Returns the name of the revision with this content: the object's name and a hash of its uid and the content.
#[must_use]
pub fn name(object: &str, uid: &str, digest: &str) -> String {
    let hash = Digest::of_text(&format!("{uid} {digest}")).to_string();
    let prefix: String = object.chars().take(LONGEST_NAME - HASH - 1).collect();
    // A part of a name ends with a letter or a digit.
    format!("{}-{}", prefix.trim_end_matches(['-', '.']), &hash[..HASH])
}

#[cfg(test)]
mod tests;
