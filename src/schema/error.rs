//! Why a schema cannot be used.

use super::violation::Violation;

/// A schema that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidSchema {
    /// Too large, too deep, too many parts, or too much work.
    Limit {
        /// Where, as a JSON Pointer; empty: the whole schema.
        pointer: String,
        /// What is beyond which bound.
        message: String,
    },
    /// A reference leaves the document.
    RemoteReference {
        /// Where it stands, as a JSON Pointer.
        pointer: String,
        /// The keyword that refers: `$ref`, `$dynamicRef` or `$recursiveRef`.
        keyword: String,
        /// What it refers to.
        target: String,
    },
    /// Not a valid JSON Schema.
    Invalid {
        /// Where, as a JSON Pointer; empty: the whole schema.
        pointer: String,
        /// What is wrong.
        message: String,
    },
}

impl InvalidSchema {
    /// Returns the error as a place in the schema and the message about it. The pointer is empty for the whole schema.
    #[must_use]
    pub fn violation(&self) -> Violation {
        match self {
            Self::Limit { pointer, message } | Self::Invalid { pointer, message } => {
                Violation { pointer: pointer.clone(), message: message.clone() }
            }
            Self::RemoteReference { pointer, keyword, target } => Violation {
                pointer: format!("{pointer}/{keyword}"),
                message: format!(
                    "found {target}, which is not in this schema, and nothing outside is read; put the schema that \
                     it names under `$defs` or `definitions`, with that address as its `$id`"
                ),
            },
        }
    }
}

impl std::fmt::Display for InvalidSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let violation = self.violation();
        match self {
            Self::Limit { .. } if violation.pointer.is_empty() => f.write_str(&violation.message),
            _ => violation.fmt(f),
        }
    }
}

impl std::error::Error for InvalidSchema {}

/// Returns the error for a bound that the whole schema exceeds.
pub(super) fn beyond(message: impl Into<String>) -> InvalidSchema {
    InvalidSchema::Limit { pointer: String::new(), message: message.into() }
}
