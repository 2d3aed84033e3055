//! Whether a change of a schema may be written: the policies that apply to it, and what to report about it.
//!
//! The comparison itself is [`evolution::compare`]. What is not decided is never refused: a change that cannot go out costs
//! more than a warning.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::{
    api::{
        ALLOW_BREAKING_ANNOTATION, Compatibility, CompatibilityAction, CompatibilityAgainst,
        CompatibilityLevel, JsonPointer, Reason, SvixConnectionSpec, WebhookEventType, annotation,
    },
    schema::evolution::{self, Breaking, Change, Level, Obstruction, Rule, Side, Verdict, Version},
};

use super::{ReconcileError, digest::Digest, printable::controls_terminal};

mod kept;
#[cfg(test)]
mod tests;

pub use kept::{KeptVersions, RevisionReader};

/// Most changes and places that a message lists.
const MOST: usize = 3;

/// Longest payload in a message, in characters.
const LONGEST_PAYLOAD: usize = 200;

/// Most comparisons of one change that may use up their steps; the rest is not decided then.
const MOST_EXHAUSTED: usize = 4;

/// Characters of the digest of a change.
const DIGEST: usize = 12;

/// One policy that applies to a change of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What the change must not do.
    pub level: Level,
    /// What happens when it does.
    pub action: CompatibilityAction,
    /// Which versions the new schema is compared with.
    pub against: CompatibilityAgainst,
}

impl Policy {
    /// Whether what satisfies this policy always satisfies the other one, too.
    fn includes(self, other: Self) -> bool {
        self.level == other.level && self.action >= other.action && self.against >= other.against
    }
}

/// Returns the policies that apply to a change: the event type's own, and the connection's. A change must satisfy each, so
/// an event type can be stricter than its connection and never less strict.
#[must_use]
pub fn policies(object: &WebhookEventType, connection: Option<&SvixConnectionSpec>) -> Vec<Policy> {
    let own = object.spec.compatibility.clone().unwrap_or_default();
    let floor = connection.and_then(|connection| connection.compatibility.as_ref());
    let mut policies: Vec<Policy> = Vec::new();
    for policy in [Some(&own), floor].into_iter().flatten().filter_map(policy) {
        if !policies.iter().any(|known| known.includes(policy)) {
            policies.retain(|known| !policy.includes(*known));
            policies.push(policy);
        }
    }
    // Refusals first.
    policies.sort_by_key(|policy| std::cmp::Reverse(policy.action));
    policies
}

fn policy(compatibility: &Compatibility) -> Option<Policy> {
    let level = match compatibility.level() {
        CompatibilityLevel::ConsumerSafe => Level::ConsumerSafe,
        CompatibilityLevel::Strict => Level::Strict,
        CompatibilityLevel::Backward => Level::Backward,
        CompatibilityLevel::Full => Level::Full,
        CompatibilityLevel::None => return None,
    };
    Some(Policy { level, action: compatibility.action(), against: compatibility.against() })
}

/// One side of a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schema<'a> {
    /// The schema.
    pub value: &'a Value,
    /// Whether formats and content encodings are enforced.
    pub format_assertion: bool,
}

/// What follows from a change of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assessment {
    /// It breaks nothing.
    Compatible,
    /// It may be written, and this is to be reported.
    Warn(String),
    /// It may not be written.
    Refuse(String),
}

/// The levels that policies are about.
#[must_use]
pub fn levels(policies: &[Policy]) -> Vec<Level> {
    let mut levels = Vec::new();
    for policy in policies {
        if !levels.contains(&policy.level) {
            levels.push(policy.level);
        }
    }
    levels
}

/// Whether a policy asks for the versions that are kept.
#[must_use]
pub fn needs_history(policies: &[Policy]) -> bool {
    policies.iter().any(|policy| policy.against == CompatibilityAgainst::All)
}

/// Says that event types whose policies ask for the versions that are kept were compared with the last one only, since there
/// is no history where they were compared.
#[must_use]
pub fn last_only(event_types: usize) -> String {
    let what = match event_types {
        1 => "1 schema with compatibility.against: All is".to_owned(),
        count => format!("{count} schemas with compatibility.against: All are"),
    };
    format!(
        "{what} compared with the last version only, since only a cluster keeps earlier ones; `svix-operator diff --against \
         cluster` compares with all that are kept"
    )
}

/// Assesses the change from one declaration to another. `old` and `new` are their schemas; a declaration without one permits any
/// payload.
#[must_use]
pub fn assess_declared(
    (before, old): (&WebhookEventType, &Value),
    (object, new): (&WebhookEventType, Option<&Value>),
    kept: &KeptVersions,
    policies: &[Policy],
) -> Assessment {
    let any = Value::Object(Map::new());
    let old = Schema { value: old, format_assertion: before.spec.format_assertion() };
    let new = Schema { value: new.unwrap_or(&any), format_assertion: object.spec.format_assertion() };
    assess_all(Some(old), kept, new, policies, allowed(object))
}

/// Assesses a change of a schema. `last` is the schema that it replaces; `None`: there is none. `allowed` is the value of
/// [`ALLOW_BREAKING_ANNOTATION`]: it permits the change from `last` as a whole, also where it breaks an earlier version.
/// The work is bounded whatever the schemas are, and takes too long for a thread that serves others.
#[must_use]
pub fn assess_all(
    last: Option<Schema<'_>>,
    kept: &KeptVersions,
    new: Schema<'_>,
    policies: &[Policy],
    allowed: Option<&str>,
) -> Assessment {
    if policies.is_empty() || last == Some(new) {
        return Assessment::Compatible;
    }
    let new_version = match Version::new(new.value, new.format_assertion) {
        Ok(version) => version,
        // What is invalid is refused elsewhere, with a better message.
        Err(_) => return Assessment::Compatible,
    };
    let digest = digest(last.map_or(&Value::Null, |last| last.value), new.value);
    let mut review = Review { new: &new_version, digest, allowed, exhausted: 0, warning: None };
    if let Some(last) = last
        && let Err(refusal) = review.compare(last, None, policies)
    {
        return Assessment::Refuse(refusal);
    }
    let of_all: Vec<_> =
        policies.iter().copied().filter(|policy| policy.against == CompatibilityAgainst::All).collect();
    if !of_all.is_empty() {
        for (number, version) in &kept.versions {
            let Ok(value) = serde_json::from_str(&version.schema) else {
                review.warn(|| {
                    format!("not decided whether the schema breaks revision {number}, which cannot be read")
                });
                continue;
            };
            let old = Schema { value: &value, format_assertion: version.format_assertion };
            if old == new || Some(old) == last {
                continue;
            }
            if let Err(refusal) = review.compare(old, Some(*number), &of_all) {
                return Assessment::Refuse(refusal);
            }
        }
        if !kept.missing.is_empty() {
            review.warn(|| {
                let missing = kept.missing.join("; ");
                format!("not decided whether the schema breaks every version that is kept: {missing}")
            });
        }
    }
    review.warning.map_or(Assessment::Compatible, Assessment::Warn)
}

/// A change that is being assessed.
struct Review<'a> {
    new: &'a Version<'a>,
    /// The digest of the change.
    digest: String,
    allowed: Option<&'a str>,
    /// How many comparisons used up their steps.
    exhausted: usize,
    /// The first of what is to be reported.
    warning: Option<String>,
}

impl Review<'_> {
    /// Compares with one version: the revision with this number, or what is replaced. Returns the refusal, if it breaks
    /// what is enforced.
    fn compare(&mut self, old: Schema<'_>, revision: Option<i64>, policies: &[Policy]) -> Result<(), String> {
        if self.exhausted >= MOST_EXHAUSTED {
            self.warn(|| {
                "not decided whether the schema breaks compatibility: the schemas are too large".to_owned()
            });
            return Ok(());
        }
        let old_version = match Version::new(old.value, old.format_assertion) {
            Ok(version) => version,
            Err(error) => {
                let old = revision.map_or("the old schema".to_owned(), |number| format!("revision {number}"));
                self.warn(|| {
                    format!(
                        "not decided whether the change of the schema breaks receivers: {old} cannot be used: {error}"
                    )
                });
                return Ok(());
            }
        };
        for policy in policies {
            let message = match evolution::compare(&old_version, self.new, policy.level) {
                Verdict::Safe => continue,
                Verdict::NotDecided { places } => {
                    self.exhausted += usize::from(places.contains(&Obstruction::Steps));
                    self.warn(|| not_decided(policy.level, revision, &places));
                    continue;
                }
                Verdict::Breaking(breaking) => breaks(policy.level, revision, &breaking),
                Verdict::Empty => "the new schema permits no payload at all".to_owned(),
            };
            match (policy.action, approval(self.allowed, &self.digest)) {
                (CompatibilityAction::Warn, _) => self.warn(|| message),
                (CompatibilityAction::Enforce, Some(reason)) => {
                    self.warn(|| format!("{message}; {ALLOW_BREAKING_ANNOTATION} permits it: {reason}"));
                }
                (CompatibilityAction::Enforce, None) => {
                    return Err(format!(
                        "{message}. Change the schema, or permit this one change with the annotation \
                         {ALLOW_BREAKING_ANNOTATION}: \"{} <reason>\"",
                        self.digest
                    ));
                }
            }
        }
        Ok(())
    }

    fn warn(&mut self, warning: impl FnOnce() -> String) {
        self.warning.get_or_insert_with(warning);
    }
}

/// The annotation that lets one change through.
#[must_use]
pub fn allowed(object: &WebhookEventType) -> Option<&str> {
    annotation(&object.metadata, ALLOW_BREAKING_ANNOTATION)
}

/// The error for a change that is refused.
#[must_use]
pub fn refusal(field: &JsonPointer, message: &str) -> ReconcileError {
    ReconcileError::at(Reason::BreakingChange, field.clone(), message)
}

/// The digest of a change: of both schemas by their values, however they are written.
#[must_use]
pub fn digest(old: &Value, new: &Value) -> String {
    let both = format!("{} {}", Digest::of_json(old), Digest::of_json(new));
    Digest::of_text(&both).to_string().chars().take(DIGEST).collect()
}

/// The reason in the annotation, if it permits the change with this digest.
fn approval<'a>(allowed: Option<&'a str>, digest: &str) -> Option<&'a str> {
    let (found, reason) = allowed?.trim().split_once(char::is_whitespace)?;
    (found == digest).then(|| reason.trim())
}

fn breaks(level: Level, revision: Option<i64>, breaking: &Breaking) -> String {
    let Breaking { witness, refused_by, changes } = breaking;
    let before = revision.map_or("the schema before".to_owned(), |number| format!("its revision {number}"));
    let effect = match refused_by {
        Side::Old => format!("permits a payload that {before} refused"),
        Side::New => format!("refuses a payload that {before} permitted"),
    };
    let mut message = format!("the schema breaks compatibility ({level}): it {effect}: {}", shown(witness));
    for (index, change) in changes.iter().take(MOST).enumerate() {
        message.push_str(if index == 0 { "; " } else { ", " });
        describe(change, &mut message);
    }
    if changes.len() > MOST {
        let _ = write!(message, " and {} more", changes.len() - MOST);
    }
    message
}

/// Writing to a string does not fail.
fn describe(Change { payload, old, new }: &Change, message: &mut String) {
    let place = if payload.is_empty() { "/" } else { payload };
    let rule = |rule: &Option<Rule>| match rule {
        Some(Rule { pointer, keyword, value }) => {
            format!("{} (at {})", plain(&format!("{keyword}: {value}")), plain(pointer))
        }
        None => "no rule".to_owned(),
    };
    let _ = write!(message, "at {} {} was {}", plain(place), rule(new), rule(old));
}

fn not_decided(level: Level, revision: Option<i64>, places: &[Obstruction]) -> String {
    let places: Vec<_> = places
        .iter()
        .take(MOST)
        .map(|place| match place {
            Obstruction::Steps => "the schemas are too large or too intricate".to_owned(),
            Obstruction::Keyword { side, pointer } => format!("{} of the {side} schema", plain(pointer)),
            Obstruction::Combination => "the combination of the rules".to_owned(),
        })
        .collect();
    let with = revision.map(|number| format!(" with its revision {number}")).unwrap_or_default();
    format!(
        "not decided whether the schema breaks compatibility{with} ({level}); in the way: {}",
        places.join(", ")
    )
}

/// A payload as a message shows it.
fn shown(payload: &Value) -> String {
    let text = plain(&payload.to_string());
    match text.char_indices().nth(LONGEST_PAYLOAD) {
        None => text,
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Text without characters that a terminal interprets.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if controls_terminal(c) || matches!(c, '\u{200b}'..='\u{200d}') {
            plain.extend(c.escape_unicode());
        } else {
            plain.push(c);
        }
    }
    plain
}
