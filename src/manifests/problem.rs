//! Mistakes in a folder of manifests, and their positions.

use std::{fmt, sync::Arc};

use serde::Serialize;

use crate::api::JsonPointer;

/// Names an object that a file declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Its kind.
    pub kind: String,
    /// Its namespace; `None` for a kind without namespaces.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// The file and line at which an object begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file: the path of the folder, and the path in it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// An object with its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Located<T> {
    /// The object.
    pub object: T,
    /// Its origin.
    pub origin: Origin,
}

/// Something that an API server would refuse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The field.
    pub pointer: JsonPointer,
    /// The mistake: what was found, what is expected, and what to do.
    pub message: String,
}

impl Violation {
    /// A violation in this field.
    pub(super) fn new(pointer: impl Into<JsonPointer>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

/// The position of a mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    /// The file, or the folder.
    pub file: String,
    /// The line, from 1; `None`: the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column, from 1; `None`: the line as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        [self.line, self.column].into_iter().map_while(|number| number).try_for_each(|it| write!(f, ":{it}"))
    }
}

/// A part of the folder that can be the manifest of a connection and cannot be used as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableConnection {
    /// The position of the mistake.
    pub position: Position,
    /// The name of the connection, if it is known.
    pub name: Option<String>,
}

/// A mistake, or something that deserves a warning. It names fields and what is expected, and never contains the value
/// of a Secret or more of a URL than its scheme and host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The position.
    pub position: Position,
    /// The object; `None`: it is not known which objects the file declares.
    pub object: Option<ObjectId>,
    /// The field of the object.
    pub pointer: JsonPointer,
    /// The mistake: what was found, what is expected, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.position)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if !self.pointer.is_root() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.message)
    }
}
