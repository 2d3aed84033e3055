//! Event types in other forms: read from OpenAPI documents and from folders of JSON Schemas, written as OpenAPI and
//! AsyncAPI documents.
//!
//! 1. [`text`] reads a file into a JSON value: JSON, or YAML 1.2, which OpenAPI prescribes.
//! 2. [`openapi::read`] and [`folder::read`] find the event types. [`bundle`] makes the schema of each a document of its
//!    own, with all that it references.
//! 3. [`manifest`] makes a WebhookEventType of each.
//!
//! [`openapi::write`] and [`asyncapi::write`] are the way back. What is written from event types and read again is equal to
//! them.

pub mod asyncapi;
mod bundle;
mod component;
pub mod declared;
mod documents;
pub mod folder;
mod manifest;
pub mod openapi;
pub mod text;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    api::JsonPointer,
    manifests::yaml::{Document, Mark},
};

pub use bundle::{BundleError, BundleErrorKind};
pub use manifest::{object_name, to_manifest};

/// An event type, as any of the forms describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventType {
    /// Its name in Svix.
    pub name: String,
    /// What it means.
    pub description: Option<String>,
    /// The group that Svix shows it in.
    pub group_name: Option<String>,
    /// The feature flags with which a consumer sees it.
    pub feature_flags: Vec<String>,
    /// Whether it is marked as deprecated.
    pub deprecated: bool,
    /// The JSON Schema of its payloads, without references to anything outside it. `None`: any payload is valid.
    pub schema: Option<Value>,
    /// Example payloads.
    pub examples: Vec<Example>,
}

/// An example payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its name, unique within the event type.
    pub name: String,
    /// The payload.
    pub value: Value,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// The event types, by name.
    pub event_types: Vec<EventType>,
    /// What was left out or changed.
    pub notes: Vec<Note>,
}

impl Import {
    fn note(&mut self, document: &str, pointer: JsonPointer, change: Change) {
        self.notes.push(Note { document: document.to_owned(), mark: None, pointer, change });
    }

    /// Adds line and column to the notes about these documents.
    #[must_use]
    pub fn located(mut self, documents: &BTreeMap<String, Document>) -> Self {
        for note in &mut self.notes {
            note.mark = documents.get(&note.document).map(|document| document.locate(&note.pointer));
        }
        self
    }

    /// Notes a schema that is left out, at the place of the mistake.
    fn note_left_out(&mut self, error: BundleError) {
        let (document, pointer) = (error.document.clone(), error.pointer.clone());
        self.note(&document, pointer, error.into());
    }

    /// How many event types could not be read.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.notes.iter().filter(|note| note.change.leaves_out_event_type()).count()
    }
}

/// Something that was left out or changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// The file.
    pub document: String,
    /// Line and column, if they are known.
    pub mark: Option<Mark>,
    /// The place in it.
    pub pointer: JsonPointer,
    /// What it is.
    pub change: Change,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { document, mark, pointer, change } = self;
        f.write_str(document)?;
        if let Some(mark) = mark {
            write!(f, ":{mark}")?;
        }
        if !pointer.is_root() {
            write!(f, ": {pointer}")?;
        }
        write!(f, ": {change}")
    }
}

/// What was left out or changed, and why.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Change {
    /// The name is not one that Svix accepts.
    #[error("the name {found:?} has characters that event types cannot have; the event type is named {name}")]
    Renamed {
        /// The name in the document.
        found: String,
        /// The name of the event type.
        name: String,
    },
    /// The name cannot be made one that Svix accepts.
    #[error("left out: found the name {0:?}, expected 1 to 256 letters, digits, `-`, `_` and `.`")]
    InvalidName(String),
    /// Another event type has the name.
    #[error(
        "left out: an event type {name} with another content is declared at {first}; give one of them another name"
    )]
    Duplicate {
        /// The name.
        name: String,
        /// The place of the other.
        first: JsonPointer,
    },
    /// The schema cannot be a document of its own.
    #[error("left out: {0}")]
    Schema(#[from] BundleError),
    /// The schema cannot be used here or in Svix.
    #[error("left out: the schema: {0}")]
    UnusableSchema(String),
    /// Only other media types than JSON are described.
    #[error("no JSON among {found}, so the event type has no schema; expected application/json")]
    NoJson {
        /// The media types that there are.
        found: String,
    },
    /// The operation has no request body.
    #[error("it has no requestBody, so the event type has no schema")]
    NoBody,
    /// A reference leads nowhere, or out of the document.
    #[error(
        "left out: the reference {0:?} leads to nothing in this document; only references within it are read"
    )]
    Reference(String),
    /// An example does not match the schema, or is no object.
    #[error("this example is left out: {0}")]
    Example(String),
    /// There are more examples than an event type can have.
    #[error("{0} examples, at most {MAX_EXAMPLES} can be declared; the rest is left out")]
    Examples(usize),
    /// A description is too long.
    #[error(
        "the description has {0} characters, at most {MAX_DESCRIPTION} can be declared; the rest is cut off"
    )]
    Description(usize),
    /// A field of an event type has a value that is not valid.
    #[error("left out: found {found}, expected {expected}")]
    Field {
        /// The value.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// What describes an event type is of another type than the format has there.
    #[error("left out: found {found}, expected {expected}")]
    Invalid {
        /// The value.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A webhook or callback has no operation.
    #[error("left out: found no operation, expected one such as post")]
    NoOperation,
    /// A file has definitions only.
    #[error("no event type: the file has definitions only")]
    DefinitionsOnly,
    /// A file is part of others.
    #[error(
        "no event type: {0} has a reference to this file; --include-referenced makes an event type of it, too"
    )]
    Referenced(String),
    /// A file cannot be read.
    #[error("left out: {0}")]
    Unreadable(String),
}

impl Change {
    /// Whether an event type is missing because of it.
    #[must_use]
    pub fn leaves_out_event_type(&self) -> bool {
        matches!(
            self,
            Self::InvalidName(_)
                | Self::Duplicate { .. }
                | Self::Schema(_)
                | Self::UnusableSchema(_)
                | Self::Reference(_)
                | Self::Invalid { .. }
                | Self::NoOperation
                | Self::Unreadable(_)
        )
    }
}

/// Most examples that a WebhookEventType declares.
const MAX_EXAMPLES: usize = 20;
/// Longest description that a WebhookEventType declares, in characters.
const MAX_DESCRIPTION: usize = 16_384;
