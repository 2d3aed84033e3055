//! What is asked about two versions of a schema, and the verdicts.

use serde_json::Value;

/// What a change of a schema must not do.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, strum::Display, strum::EnumString, strum::VariantNames,
)]
pub enum Level {
    /// The new schema permits no payload that the old one refuses, where receivers ignore members that they do not know:
    /// closed objects of the old schema count as open.
    #[default]
    ConsumerSafe,
    /// The new schema permits no payload that the old one refuses.
    Strict,
    /// The new schema refuses no payload that the old one permits: stored events can be sent again.
    Backward,
    /// `ConsumerSafe` and `Backward`.
    Full,
}

impl Level {
    /// The levels of which this one consists, each of which is compared alone.
    #[must_use]
    pub fn parts(self) -> &'static [Self] {
        match self {
            Self::ConsumerSafe => &[Self::ConsumerSafe],
            Self::Strict => &[Self::Strict],
            Self::Backward => &[Self::Backward],
            Self::Full => &[Self::ConsumerSafe, Self::Backward],
        }
    }
}

/// One of the two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Side {
    /// The version that receivers know.
    Old,
    /// The version that is to replace it.
    New,
}

/// What a change of a schema does.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// No payload breaks: this is proved.
    Safe,
    /// A payload breaks.
    Breaking(Box<Breaking>),
    /// Neither a proof nor a payload was found.
    NotDecided {
        /// What was in the way: the keywords that are not modelled, with their places.
        places: Vec<Obstruction>,
    },
    /// The new schema permits no payload at all.
    Empty,
}

impl Verdict {
    /// Returns the verdict of several [parts](Level::parts) from the one of those before, if there were any, and of the next.
    #[must_use]
    pub fn of_parts(before: Option<Self>, next: Self) -> Self {
        match (before, next) {
            (Some(before @ Self::NotDecided { .. }), Self::Safe) => before,
            (_, next) => next,
        }
    }

    /// Whether it is the verdict of the whole level, whatever follows from its other parts.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Breaking(_) | Self::Empty)
    }
}

/// A payload that breaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Breaking {
    /// The payload.
    pub witness: Value,
    /// The side that refuses it; the other one permits it.
    pub refused_by: Side,
    /// The rules that refuse it, and what stands in their place on the other side.
    pub changes: Vec<Change>,
}

/// What kept a comparison from a decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstruction {
    /// The comparison takes more steps than it may.
    Steps,
    /// A keyword that the comparison does not model, or not exactly.
    Keyword {
        /// The side that has it.
        side: Side,
        /// Where it stands in the schema, as a JSON Pointer.
        pointer: String,
    },
    /// The combination of the rules, each of which is modelled.
    Combination,
}

/// A rule that refuses a payload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The place in the payload, as a JSON Pointer; empty for the whole payload.
    pub payload: String,
    /// The rule of the old schema; none if it has none for that place.
    pub old: Option<Rule>,
    /// The rule of the new schema; none if it has none for that place.
    pub new: Option<Rule>,
}

/// A keyword of a schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Where the keyword stands, as a JSON Pointer.
    pub pointer: String,
    /// The keyword.
    pub keyword: String,
    /// Its value as JSON, cut after a few characters.
    pub value: String,
}
