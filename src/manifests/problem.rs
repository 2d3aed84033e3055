//! What is wrong in a folder, and where.

use std::fmt;

use serde::Serialize;

/// Names an object that a file declares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ObjectId {
    /// Its kind.
    pub kind: String,
    /// Its namespace; `None` for a kind without namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// Where an object is declared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Origin {
    /// The file, as the folder's path and the path in it.
    pub file: String,
    /// The line on which it begins.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// An object and where it is declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared<T> {
    /// The object.
    pub object: T,
    /// Where it is declared.
    pub origin: Origin,
}

/// Something wrong, or worth a warning. It names fields and what is expected, and never shows the value of
/// a Secret or more of a URL than its scheme and host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file (or the folder).
    pub file: String,
    /// Line, from 1; 0: the file as a whole.
    pub line: usize,
    /// Column, from 1; 0: the line as a whole.
    pub column: usize,
    /// The object; `None`: which objects there would be is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
    /// JSON Pointer of the field in the object; empty: the object as a whole.
    pub pointer: String,
    /// What was found, what is expected, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().take_while(|number| *number > 0) {
            write!(f, ":{number}")?;
        }
        f.write_str(": ")?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.message)
    }
}
