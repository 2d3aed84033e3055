//! Whether a change of a schema may be written: the policies that apply to it, and what to report about it.
//!
//! The comparison itself is [`evolution::compare`]. What is not decided is never refused: a change that cannot go out costs
//! more than a warning.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{
    api::{
        ALLOW_BREAKING_ANNOTATION, Compatibility, CompatibilityAction, CompatibilityLevel, JsonPointer,
        Reason, SvixConnectionSpec, WebhookEventType, annotation,
    },
    schema::evolution::{self, Breaking, Change, Level, Obstruction, Rule, Side, Verdict, Version},
};

use super::{ReconcileError, digest::Digest};

/// Most changes and places that a message lists.
const MOST: usize = 3;

/// Longest payload in a message, in characters.
const LONGEST_PAYLOAD: usize = 200;

/// Characters of the digest of a change.
const DIGEST: usize = 12;

/// One policy that applies to a change of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What the change must not do.
    pub level: Level,
    /// What happens when it does.
    pub action: CompatibilityAction,
}

/// Returns the policies that apply to a change: the event type's own, and the connection's. A change must satisfy each, so
/// an event type can be stricter than its connection and never less strict.
#[must_use]
pub fn policies(object: &WebhookEventType, connection: Option<&SvixConnectionSpec>) -> Vec<Policy> {
    let own = object.spec.compatibility.clone().unwrap_or_default();
    let floor = connection.and_then(|connection| connection.compatibility.as_ref());
    let mut policies: Vec<Policy> = Vec::new();
    for policy in [Some(&own), floor].into_iter().flatten().filter_map(policy) {
        match policies.iter_mut().find(|known| known.level == policy.level) {
            Some(known) => known.action = known.action.max(policy.action),
            None => policies.push(policy),
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
    Some(Policy { level, action: compatibility.action() })
}

/// One side of a change.
#[derive(Clone, Copy, Debug)]
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

/// Assesses a change of a schema. `allowed` is the value of [`ALLOW_BREAKING_ANNOTATION`]. The work is bounded whatever the
/// schemas are, and takes too long for a thread that serves others.
#[must_use]
pub fn assess(old: Schema<'_>, new: Schema<'_>, policies: &[Policy], allowed: Option<&str>) -> Assessment {
    if policies.is_empty() || (old.value == new.value && old.format_assertion == new.format_assertion) {
        return Assessment::Compatible;
    }
    let new_version = match Version::new(new.value, new.format_assertion) {
        Ok(version) => version,
        // What is invalid is refused elsewhere, with a better message.
        Err(_) => return Assessment::Compatible,
    };
    let old_version = match Version::new(old.value, old.format_assertion) {
        Ok(version) => version,
        Err(error) => {
            return Assessment::Warn(format!(
                "not decided whether the change of the schema breaks receivers: the old schema cannot be used: {error}"
            ));
        }
    };
    let mut warning = None;
    for policy in policies {
        let message = match evolution::compare(&old_version, &new_version, policy.level) {
            Verdict::Safe => continue,
            Verdict::NotDecided { places } => {
                warning.get_or_insert_with(|| not_decided(policy.level, &places));
                continue;
            }
            Verdict::Breaking(breaking) => breaks(policy.level, &breaking),
            Verdict::Empty => "the new schema permits no payload at all".to_owned(),
        };
        let digest = digest(old.value, new.value);
        match (policy.action, approval(allowed, &digest)) {
            (CompatibilityAction::Warn, _) => {
                warning.get_or_insert(message);
            }
            (CompatibilityAction::Enforce, Some(reason)) => {
                warning.get_or_insert(format!("{message}; {ALLOW_BREAKING_ANNOTATION} permits it: {reason}"));
            }
            (CompatibilityAction::Enforce, None) => {
                return Assessment::Refuse(format!(
                    "{message}. Change the schema, or permit this one change with the annotation \
                     {ALLOW_BREAKING_ANNOTATION}: \"{digest} <reason>\""
                ));
            }
        }
    }
    warning.map_or(Assessment::Compatible, Assessment::Warn)
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

fn breaks(level: Level, breaking: &Breaking) -> String {
    let Breaking { witness, refused_by, changes } = breaking;
    let effect = match refused_by {
        Side::Old => "permits a payload that the schema before refused",
        Side::New => "refuses a payload that the schema before permitted",
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

fn not_decided(level: Level, places: &[Obstruction]) -> String {
    let places: Vec<_> = places
        .iter()
        .take(MOST)
        .map(|place| match place {
            Obstruction::Steps => "the schemas are too large or too intricate".to_owned(),
            Obstruction::Keyword { side, pointer } => format!("{} of the {side} schema", plain(pointer)),
            Obstruction::Combination => "the combination of the rules".to_owned(),
        })
        .collect();
    format!(
        "not decided whether the schema breaks compatibility ({level}); in the way: {}",
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
        if c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            plain.extend(c.escape_unicode());
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests;
