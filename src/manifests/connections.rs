//! Connections that a folder may declare and that cannot be used.
//!
//! A connection sets restrictions: how far its objects are managed, and who may declare what. So `dev` adds one only to a
//! folder in which nothing can be the manifest of a connection; otherwise the objects that would use it wait.

use std::fmt;

use serde_json::Value;

use crate::{api::DEFAULT_CONNECTION, engine::Kind};

use super::{
    loaded::{Loaded, counted},
    messages,
    problem::{Position, UnusableConnection},
};

/// The most places that a message names.
const MAX_PLACES: usize = 3;

/// A connection that objects use and that the folder does not declare in a usable manifest. Its message says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingConnection {
    /// Its name.
    pub name: String,
    /// The parts of the folder that can be its manifest.
    candidates: Vec<Position>,
    /// The names of the connections that the folder declares.
    others: Vec<String>,
}

/// Returns why a folder has no connection of this name; `None`: it declares one.
#[must_use]
pub fn missing_connection(loaded: &Loaded, name: &str) -> Option<MissingConnection> {
    let folder = FolderConnections::new(loaded);
    (!folder.declared.iter().any(|declared| declared == name)).then(|| folder.missing(name))
}

/// The connections that a folder declares, and those that it may declare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FolderConnections {
    declared: Vec<String>,
    unusable: Vec<UnusableConnection>,
}

impl FolderConnections {
    /// The connections of a folder.
    pub(super) fn new(loaded: &Loaded) -> Self {
        let names = loaded.connections.iter().filter_map(|located| located.object.metadata.name.clone());
        let mut declared: Vec<_> = names.collect();
        declared.sort();
        Self { declared, unusable: loaded.unusable_connections.clone() }
    }

    /// Whether nothing in the folder is or can be a connection, so that objects may use one that no file declares.
    pub(super) fn is_empty(&self) -> bool {
        self.declared.is_empty() && self.unusable.is_empty()
    }

    /// Whether there can be a connection beyond those that `is_known` names.
    pub(super) fn may_lack(&self, is_known: impl Fn(&str) -> bool) -> bool {
        self.unusable.iter().any(|unusable| !unusable.name.as_deref().is_some_and(&is_known))
    }

    /// Describes a connection that is not declared.
    pub(super) fn missing(&self, name: &str) -> MissingConnection {
        let candidates: Vec<Position> = self
            .unusable
            .iter()
            .filter(|unusable| unusable.name.as_deref().is_none_or(|candidate| candidate == name))
            .map(|unusable| unusable.position.clone())
            .collect();
        let mut others = self.declared.clone();
        others.extend(self.unusable.iter().filter_map(|unusable| unusable.name.clone()));
        others.retain(|other| other != name);
        others.sort();
        others.dedup();
        MissingConnection { name: name.to_owned(), candidates, others }
    }
}

impl fmt::Display for MissingConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        if !self.candidates.is_empty() {
            let places: Vec<_> = self.candidates.iter().take(MAX_PLACES).map(ToString::to_string).collect();
            let more = match self.candidates.len().saturating_sub(MAX_PLACES) {
                0 => String::new(),
                more => format!(" and {}", counted(more, "more place")),
            };
            return write!(
                f,
                "SvixConnection {name:?} has no usable manifest: correct {}{more}, where it can be declared",
                places.join(", ")
            );
        }
        write!(f, "no file declares SvixConnection {name:?}")?;
        if self.others.is_empty() {
            return f.write_str(": declare it, or name another one in spec.connectionRef");
        }
        match messages::closest(name, self.others.iter().map(String::as_str)) {
            Some(meant) => write!(f, "; there is {meant:?}, with a similar name"),
            None => write!(f, "; the folder declares {}", self.others.join(", ")),
        }?;
        write!(f, ": set spec.connectionRef.name in the objects, or name the connection {name:?}")?;
        if self.name == DEFAULT_CONNECTION {
            f.write_str(" (one is added only to a folder without connections)")?;
        }
        Ok(())
    }
}

/// Whether an object whose type is not known can be a connection with a mistake in its type.
pub(super) fn resembles_kind(kind: &str) -> bool {
    let kind = kind.to_lowercase();
    kind.contains("svixconnection") || messages::closest(&kind, [Kind::Connection.as_str()]).is_some()
}

/// Whether a document that is not an object can be the manifest of a connection.
pub(super) fn can_be_connection(value: &Value) -> bool {
    can_be_connection_text(&value.to_string())
}

/// Whether a text that cannot be read can be the manifest of a connection: it has a word of one, or our API group without
/// another of our kinds.
pub(super) fn can_be_connection_text(text: &str) -> bool {
    let words = || text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let is_of_connection =
        |word: &str| resembles_kind(word) || messages::closest(word, ["tokenSecretRef", "ownerId"]).is_some();
    let is_other_kind = |word: &str| {
        Kind::ALL.into_iter().any(|kind| kind != Kind::Connection && kind.as_str().eq_ignore_ascii_case(word))
    };
    words().any(is_of_connection)
        || (text.to_lowercase().contains("svix-operator") && !words().any(is_other_kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(file: &str) -> Position {
        Position { file: file.to_owned(), line: Some(3), column: None }
    }

    fn folder(declared: &[&str], unusable: &[(&str, Option<&str>)]) -> FolderConnections {
        FolderConnections {
            declared: declared.iter().map(ToString::to_string).collect(),
            unusable: unusable
                .iter()
                .map(|(file, name)| UnusableConnection {
                    position: position(file),
                    name: name.map(ToOwned::to_owned),
                })
                .collect(),
        }
    }

    #[test]
    fn a_missing_connection_names_what_to_correct() {
        let message = |folder: FolderConnections| folder.missing("default").to_string();
        for (folder, expected) in [
            (
                folder(&["prod"], &[("a.yaml", Some("default"))]),
                "SvixConnection \"default\" has no usable manifest: correct a.yaml:3, where it can be declared",
            ),
            (
                folder(&[], &[("a.yaml", None), ("b.yaml", Some("default")), ("c.yaml", Some("prod"))]),
                "SvixConnection \"default\" has no usable manifest: correct a.yaml:3, b.yaml:3, where it can be declared",
            ),
            (
                folder(&["prod"], &[("a.yaml", Some("staging"))]),
                "no file declares SvixConnection \"default\"; the folder declares prod, staging: set \
                 spec.connectionRef.name in the objects, or name the connection \"default\" (one is added only to a \
                 folder without connections)",
            ),
            (
                folder(&["defualt"], &[]),
                "no file declares SvixConnection \"default\"; there is \"defualt\", with a similar name: set \
                 spec.connectionRef.name in the objects, or name the connection \"default\" (one is added only to a \
                 folder without connections)",
            ),
        ] {
            assert_eq!(message(folder), expected);
        }
    }

    #[test]
    fn a_broken_document_can_be_a_connection_if_it_resembles_one() {
        for text in [
            "kind: SvixConnection\nspec: [",
            "kind: \"SvixConnection",
            "kind: svixconnection: x",
            "kind: SvixConection\n  - x",
            "spec:\n\ttokenSecretRef: {name: t}",
            "spec: {ownerid: [}",
            "apiVersion: svix-operator.dev/v1alpha1\nkind:\n: {",
        ] {
            assert!(can_be_connection_text(text), "{text}");
        }
        for text in [
            "kind: [",
            "a: b: c",
            "apiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEndpoint\nspec: {connectionRef: {name: [",
            "apiVersion: apps/v1\nkind: Deployment\nspec: [",
        ] {
            assert!(!can_be_connection_text(text), "{text}");
        }
    }
}
