//! Whether a change of a schema may be written: the policies that apply to it, and what to report about it.
//!
//! The comparison itself is [`evolution::compare`]. What is not decided is never refused: a change that cannot go out costs
//! more than a warning.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{
    api::{
        ALLOW_BREAKING_ANNOTATION, Compatibility, CompatibilityAction, CompatibilityAgainst,
        CompatibilityLevel, JsonPointer, Reason, SvixConnectionSpec, WebhookEventType, annotation,
    },
    schema::evolution::{self, Breaking, Level, Obstruction, Rule, Side},
};

use super::{ReconcileError, digest::Digest, printable::controls_terminal};

mod assess;
mod kept;
#[cfg(test)]
mod tests;

pub use assess::{Change, Step, assess_all, assess_declared};
pub use kept::{KeptVersions, RevisionReader};

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
fn describe(evolution::Change { payload, old, new }: &evolution::Change, message: &mut String) {
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
