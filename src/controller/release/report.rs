//! What became of each object, for people and for programs.

use serde_json::{Value, json};

use crate::engine::{Kind, ObjectKey};

use super::Lot;

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The finalizer is off; the object stays.
    Released,
    /// The finalizer is off, and the object, which was being deleted, is gone by that.
    Deleted,
    /// The finalizer is off, but these finalizers of others still hold its deletion.
    StillHeld(Vec<String>),
    /// It would be released.
    WouldBeReleased,
    /// Our finalizer was not on it.
    NotHeld,
    /// It went away meanwhile.
    Gone,
    /// There is none of this name.
    NotFound,
    /// It could not be released, with the API server's words.
    Failed(String),
}

impl State {
    /// In one word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Released | Self::StillHeld(_) => "Released",
            Self::Deleted => "Deleted",
            Self::WouldBeReleased => "WouldBeReleased",
            Self::NotHeld => "NotHeld",
            Self::Gone => "Gone",
            Self::NotFound => "NotFound",
            Self::Failed(_) => "Failed",
        }
    }

    /// Whether the object is not as it was asked to be.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::NotFound)
    }

    /// Whether the finalizer was taken off.
    #[must_use]
    pub fn is_release(&self) -> bool {
        matches!(self, Self::Released | Self::StillHeld(_) | Self::Deleted)
    }

    /// What is to be said beyond the word.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        match self {
            Self::StillHeld(others) => Some(format!("its deletion still waits for {}", others.join(", "))),
            Self::Failed(why) => Some(why.clone()),
            _ => None,
        }
    }
}

/// One object, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The object.
    pub key: ObjectKey,
    /// What became of it.
    pub state: State,
}

/// The columns of a table, as wide as what will stand in them.
pub struct Table {
    kind: usize,
    namespace: usize,
    name: usize,
}

impl Table {
    /// A table for these objects.
    #[must_use]
    pub fn of(lot: &Lot) -> Self {
        let mut table = Self { kind: "KIND".len(), namespace: "NAMESPACE".len(), name: "NAME".len() };
        let keys = lot.held.iter().map(|held| &held.key).chain(lot.settled.iter().map(|row| &row.key));
        for key in keys {
            table.kind = table.kind.max(key.kind.as_str().len());
            table.namespace = table.namespace.max(key.namespace.len());
            table.name = table.name.max(key.name.len());
        }
        table
    }

    /// The first line.
    #[must_use]
    pub fn header(&self) -> String {
        self.columns("KIND", "NAMESPACE", "NAME", "STATE")
    }

    /// The line of one object.
    #[must_use]
    pub fn line(&self, row: &Row) -> String {
        let Row { key, state } = row;
        let word = state.as_str();
        let told = state.message().map_or_else(|| word.to_owned(), |message| format!("{word}: {message}"));
        // What an API server says may have several lines.
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        self.columns(key.kind.as_str(), &key.namespace, &key.name, &told)
    }

    fn columns(&self, kind: &str, namespace: &str, name: &str, state: &str) -> String {
        let Self { kind: a, namespace: b, name: c } = self;
        format!("{kind:a$}   {namespace:b$}   {name:c$}   {state}")
    }
}

/// Everything as one JSON document.
#[must_use]
pub fn json(rows: &[Row], missing: &[Kind], unlisted: &[(Kind, String)], dry_run: bool) -> Value {
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
            .map(|(kind, message)| json!({"kind": kind.as_str(), "message": message}))
            .collect::<Vec<_>>(),
        "objects": rows.iter().map(object).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_columns_in_line_and_one_line_for_each_object() {
        let key = ObjectKey { kind: Kind::Endpoint, namespace: "team-a-production".into(), name: "x".into() };
        let row = |state| Row { key: key.clone(), state };
        let lot = Lot { settled: vec![row(State::NotHeld)], ..Lot::default() };
        let table = Table::of(&lot);
        assert_eq!(table.header(), "KIND              NAMESPACE           NAME   STATE");
        assert_eq!(
            table.line(&row(State::Failed("one\ntwo".to_owned()))),
            "WebhookEndpoint   team-a-production   x      Failed: one two"
        );
        let connection = Row { key: ObjectKey::connection("default"), state: State::Released };
        assert!(table.line(&connection).ends_with("   default   Released"));
        assert_eq!(
            table.line(&row(State::StillHeld(vec!["a.example/b".to_owned()]))),
            "WebhookEndpoint   team-a-production   x      Released: its deletion still waits for a.example/b"
        );
    }

    #[test]
    fn programs_are_told_what_people_are() {
        let row = Row { key: ObjectKey::connection("default"), state: State::Failed("no".to_owned()) };
        let told = json(&[row], &[Kind::Endpoint], &[], true);
        assert_eq!(
            told,
            json!({
                "dryRun": true, "released": 0, "failed": 1, "missingKinds": ["WebhookEndpoint"], "unlisted": [],
                "objects": [{
                    "kind": "SvixConnection", "namespace": "", "name": "default", "state": "Failed", "message": "no",
                }],
            })
        );
    }
}
