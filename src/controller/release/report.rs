//! The result of a release, for people and for programs.

use serde_json::{Value, json};

use crate::{
    controller::errors::KubernetesError,
    engine::{Kind, ObjectKey},
};

/// The result for one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The finalizer is removed, and the object exists.
    Released,
    /// The finalizer is removed, and the object, which was being deleted, does not exist any more.
    Deleted,
    /// The finalizer is removed, but these finalizers of others still block the deletion of the object.
    DeletionBlocked(Vec<String>),
    /// A release would remove the finalizer.
    WouldBeReleased,
    /// The object does not have our finalizer.
    NoFinalizer,
    /// The object was deleted meanwhile.
    Gone,
    /// There is no object of this name.
    NotFound,
    /// The finalizer could not be removed, for this reason.
    Failed(String),
}

impl State {
    /// Returns the state in one word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Released | Self::DeletionBlocked(_) => "Released",
            Self::Deleted => "Deleted",
            Self::WouldBeReleased => "WouldBeReleased",
            Self::NoFinalizer => "NotHeld",
            Self::Gone => "Gone",
            Self::NotFound => "NotFound",
            Self::Failed(_) => "Failed",
        }
    }

    /// Whether what was asked for is not done.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::NotFound)
    }

    /// Whether the finalizer was removed.
    #[must_use]
    pub fn is_release(&self) -> bool {
        matches!(self, Self::Released | Self::DeletionBlocked(_) | Self::Deleted)
    }

    /// Returns details beyond the word.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match self {
            Self::DeletionBlocked(others) => {
                Some(format!("its deletion still waits for {}", others.join(", ")))
            }
            Self::Failed(why) => Some(why.clone()),
            _ => None,
        }
    }
}

/// An object and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The object.
    pub key: ObjectKey,
    /// Its result.
    pub state: State,
}

/// A table with columns of fixed widths.
pub struct Table {
    kind: usize,
    namespace: usize,
    name: usize,
}

impl Table {
    /// Returns a table whose columns are wide enough for these objects.
    #[must_use]
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a ObjectKey>) -> Self {
        let mut table = Self { kind: "KIND".len(), namespace: "NAMESPACE".len(), name: "NAME".len() };
        for key in keys {
            table.kind = table.kind.max(key.kind.as_str().len());
            table.namespace = table.namespace.max(key.namespace.len());
            table.name = table.name.max(key.name.len());
        }
        table
    }

    /// Returns the first line.
    #[must_use]
    pub fn header(&self) -> String {
        self.columns("KIND", "NAMESPACE", "NAME", "STATE")
    }

    /// Returns the line of one object.
    #[must_use]
    pub fn line(&self, row: &Row) -> String {
        let Row { key, state } = row;
        let word = state.as_str();
        let text = state.message().map_or_else(|| word.to_owned(), |message| format!("{word}: {message}"));
        // A message of the API server may have several lines.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.columns(key.kind.as_str(), &key.namespace, &key.name, &text)
    }

    fn columns(&self, kind: &str, namespace: &str, name: &str, state: &str) -> String {
        let Self { kind: a, namespace: b, name: c } = self;
        format!("{kind:a$}   {namespace:b$}   {name:c$}   {state}")
    }
}

/// Returns the result of a release as one JSON document.
#[must_use]
pub fn json(rows: &[Row], missing: &[Kind], unlisted: &[(Kind, KubernetesError)], dry_run: bool) -> Value {
    let object = |row: &Row| {
        let Row { key, state } = row;
        let mut object = json!({
            "kind": key.kind.as_str(), "namespace": &*key.namespace, "name": &*key.name, "state": state.as_str(),
        });
        if let Some(message) = state.message() {
            object["message"] = message.into();
        }
        object
    };
    json!({
        "dryRun": dry_run,
        "released": rows.iter().filter(|row| row.state.is_release()).count(),
        "failed": rows.iter().filter(|row| row.state.is_failure()).count(),
        "missingKinds": missing.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        "unlisted": unlisted
            .iter()
            .map(|(kind, error)| json!({"kind": kind.as_str(), "message": error.to_string()}))
            .collect::<Vec<_>>(),
        "objects": rows.iter().map(object).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_aligned_columns_and_one_line_per_object() {
        let key = ObjectKey::new(Kind::Endpoint, "team-a-production", "x");
        let row = |state| Row { key: key.clone(), state };
        let table = Table::of([&key]);
        assert_eq!(table.header(), "KIND              NAMESPACE           NAME   STATE");
        assert_eq!(
            table.line(&row(State::Failed("one\ntwo".to_owned()))),
            "WebhookEndpoint   team-a-production   x      Failed: one two"
        );
        let connection = Row { key: ObjectKey::connection("default"), state: State::Released };
        assert!(table.line(&connection).ends_with("   default   Released"));
        assert_eq!(
            table.line(&row(State::DeletionBlocked(vec!["a.example/b".to_owned()]))),
            "WebhookEndpoint   team-a-production   x      Released: its deletion still waits for a.example/b"
        );
    }

    #[test]
    fn the_json_document_has_what_the_table_has() {
        let row = Row { key: ObjectKey::connection("default"), state: State::Failed("no".to_owned()) };
        let document = json(&[row], &[Kind::Endpoint], &[], true);
        assert_eq!(
            document,
            json!({
                "dryRun": true, "released": 0, "failed": 1, "missingKinds": ["WebhookEndpoint"], "unlisted": [],
                "objects": [{
                    "kind": "SvixConnection", "namespace": "", "name": "default", "state": "Failed", "message": "no",
                }],
            })
        );
    }
}
