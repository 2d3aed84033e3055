//! Says once that schemas were compared with the last version only although their policies name all: a Svix server, a commit
//! and a folder keep no earlier versions.

use std::collections::{BTreeMap, BTreeSet};

use crate::{api::WebhookEventType, engine::Object, plan::compatibility};

use super::model::{Change, Side};

/// Returns the note for these changes, if one of them is about a schema that is to be compared with all versions.
pub(super) fn note(changes: &[Change], objects: &[Object]) -> Option<String> {
    let connections: BTreeMap<String, _> = objects
        .iter()
        .filter_map(|object| match object {
            Object::Connection(connection) => Some((object.key().name.to_string(), &connection.spec)),
            _ => None,
        })
        .collect();
    let needs_history = |event_type: &WebhookEventType| {
        let connection = connections.get(event_type.connection_name()).copied();
        compatibility::needs_history(&compatibility::policies(event_type, connection))
    };
    let of_all: BTreeSet<String> = objects
        .iter()
        .filter_map(|object| match object {
            Object::EventType(event_type) if needs_history(event_type) => Some(Change::of(object).key()),
            _ => None,
        })
        .collect();
    let count = changes.iter().filter(|it| changes_schema(it) && of_all.contains(&it.key())).count();
    (count > 0).then(|| compatibility::last_only(count))
}

/// Whether a schema takes the place of another one. What is refused already was compared enough.
fn changes_schema(change: &Change) -> bool {
    let is_schema = |field: &str| field == "schema" || field.starts_with("schema/");
    change.action.is_change()
        && change.fields.iter().any(|field| is_schema(&field.field) && field.before != Side::Absent)
}
