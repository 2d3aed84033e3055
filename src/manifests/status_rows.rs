//! The rows of the report: from the status of objects, and from broken manifests.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt::Write as _,
};

use crate::{
    api::{Condition, ConditionStatus, ConditionType, DEFAULT_CONNECTION, JsonPointer, Reason},
    engine::{Kind, Object, ObjectKey},
};

use super::{
    connections::FolderConnections,
    desired_state::DesiredState,
    loaded::{Loaded, counted},
    problem::{Position, Problem},
    report::{Detail, FILE, Report, Row, State},
    source_map::SourceMap,
};

/// The most mistakes of one object or file that are listed.
const MAX_DETAILS: usize = 100;
/// The most objects that a message names.
const MAX_USERS: usize = 3;

/// Makes the rows of a folder: what the status of objects says, and what only the folder knows.
#[derive(Debug, Default)]
pub struct StatusRows {
    broken: Vec<Row>,
    sources: SourceMap,
    left_out: usize,
    adds_connection: bool,
    connections: FolderConnections,
    /// The names of the event types that are declared, by connection.
    declared: EventTypes,
    /// Those that only an earlier reading declared.
    undeclared: EventTypes,
}

/// Names of event types by connection.
type EventTypes = BTreeMap<String, BTreeSet<String>>;

impl StatusRows {
    /// Updates the rows with the content of the folder.
    pub fn set_loaded(&mut self, loaded: &Loaded) {
        self.broken = broken_rows(&loaded.problems);
        self.sources = SourceMap::new(loaded);
        self.left_out = loaded.left_out;
        self.connections = FolderConnections::new(loaded);
    }

    /// Updates the rows with the desired state of the folder.
    pub fn set_desired(&mut self, desired: &DesiredState) {
        self.adds_connection = desired.adds_connection;
        let mut declared = EventTypes::new();
        for object in &desired.objects {
            if let Object::EventType(it) = object {
                declared.entry(it.connection_name().to_owned()).or_default().insert(it.event_type_name());
            }
        }
        for (connection, names) in std::mem::replace(&mut self.declared, declared) {
            self.undeclared.entry(connection).or_default().extend(names);
        }
        for (connection, names) in &mut self.undeclared {
            let declared = self.declared.get(connection);
            names.retain(|name| !declared.is_some_and(|declared| declared.contains(name)));
        }
    }

    /// Replaces the keys of objects by copies that are shared.
    pub fn share_keys(&mut self, shared: impl Fn(&ObjectKey) -> ObjectKey) {
        self.sources.share_keys(shared);
    }

    /// Returns the report. `field` returns the field that the condition `Ready` of an object is about; `extend` adds to a
    /// row what is known of an object beside its status.
    pub fn report(
        &mut self,
        objects: &[Object],
        field: impl Fn(&ObjectKey) -> Option<JsonPointer>,
        extend: impl Fn(Row, &Object) -> Row,
    ) -> Report {
        let broken: HashSet<_> =
            self.broken.iter().map(|row| (&*row.kind, &*row.namespace, &*row.name)).collect();
        let intact = objects.iter().filter(|object| {
            let key = object.key();
            !broken.contains(&(key.kind.as_str(), &*key.namespace, &*key.name))
        });
        let intact: Vec<_> = intact.collect();
        let connections: HashSet<_> = objects
            .iter()
            .filter(|object| object.kind() == Kind::Connection)
            .map(Object::connection_name)
            .collect();
        let mut rows: Vec<Row> = intact
            .into_iter()
            .map(|object| {
                let key = self.sources.shared_key(object.key());
                let mut row = self.row(object, extend(row(object, &key, field(&key)), object));
                if row.reason == Reason::ConnectionNotFound.as_str()
                    && !connections.contains(object.connection_name())
                {
                    row.message = self.connections.missing(object.connection_name()).to_string().into();
                } else if object.kind() == Kind::Connection && object.is_deleting() {
                    row.message = removed_connection(object.name(), objects).into();
                }
                row
            })
            .collect();
        self.sources.close();
        rows.extend(self.broken.iter().cloned());
        Report::new(rows, self.left_out)
    }

    /// Adds to the row of an object what the folder knows of it.
    fn row(&mut self, object: &Object, mut row: Row) -> Row {
        let key = object.key();
        if self.adds_connection && key == ObjectKey::connection(DEFAULT_CONNECTION) {
            row.is_added = true;
            return row;
        }
        let origin = match &row.pointer {
            Some(pointer) => self.sources.field(&key, pointer),
            None => self.sources.object(&key).cloned(),
        };
        if let Some(origin) = origin {
            if row.state == State::Problem || row.pointer.is_some() {
                row.message = format!("{origin}: {}", row.message).into();
            }
            (row.file, row.line) = (Some(origin.file), line(origin.line));
        }
        if row.message.is_empty() {
            row.message = self.undeclared(object).into();
        }
        row
    }

    /// The message of an endpoint with event types that no file declares any more. They may still be in Svix, so the
    /// endpoint is in sync; with an empty Svix, it would wait for them.
    fn undeclared(&self, object: &Object) -> String {
        let Object::Endpoint(endpoint) = object else { return String::new() };
        let undeclared = self.undeclared.get(endpoint.connection_name());
        let names = endpoint.spec.event_types.iter().map(String::as_str);
        let names: Vec<_> =
            names.filter(|name| undeclared.is_some_and(|undeclared| undeclared.contains(*name))).collect();
        let (is, it) = if names.len() == 1 { ("is", "it") } else { ("are", "them") };
        match names.join(", ") {
            names if names.is_empty() => names,
            names => format!(
                "{names} {is} not declared any more, and this endpoint still names {it}: declare {it} again, or remove \
                 {it} from eventTypes"
            ),
        }
    }
}

/// Returns the row that the status of an object gives; `field` is what the condition `Ready` is about.
fn row(object: &Object, key: &ObjectKey, field: Option<JsonPointer>) -> Row {
    let ready = condition(object, ConditionType::Ready);
    let state = state(object);
    let (svix, difference) = match object {
        Object::Connection(connection) => {
            let url = connection.status.as_ref().and_then(|status| status.server_url.clone());
            (url.unwrap_or_default(), None)
        }
        Object::EventType(event_type) => {
            let status = event_type.status.as_ref();
            let remote = status.and_then(|status| status.svix.as_ref());
            (
                remote.map_or_else(String::new, |svix| svix.name.clone()),
                status.and_then(|status| status.difference.clone()),
            )
        }
        Object::Endpoint(endpoint) => {
            let status = endpoint.status.as_ref();
            let remote = status.and_then(|status| status.svix.as_ref());
            (
                remote.map_or_else(String::new, |svix| format!("{}/{}", svix.application, svix.id)),
                status.and_then(|status| status.difference.clone()),
            )
        }
        Object::Event(event) => {
            let id = event.status.as_ref().and_then(|status| status.message_id.clone());
            (id.unwrap_or_default(), None)
        }
    };
    let in_sync = condition(object, ConditionType::InSync);
    let (message, pointer) = match (state, ready, in_sync) {
        // The connection's own row has the reason; a server that is down is not reported once more for each object.
        (State::Waiting, Some(ready), _) if ready.reason == Reason::ConnectionNotReady.as_str() => {
            (format!("waits for SvixConnection {}", object.connection_name()).into(), None)
        }
        (State::Waiting | State::Problem, Some(ready), _) => (ready.message.clone(), field),
        (State::Differs, _, Some(in_sync)) => (in_sync.message.clone(), None),
        _ => (Cow::Borrowed(""), None),
    };
    Row {
        kind: key.kind.as_str().into(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        state,
        svix: svix.into(),
        reason: ready.map_or_else(Cow::default, |ready| ready.reason.clone()),
        message,
        pointer,
        difference: difference.filter(|_| state == State::Differs),
        ..Row::default()
    }
}

/// The number of a line as rows have it.
fn line(number: usize) -> Option<u32> {
    u32::try_from(number).ok()
}

fn condition(object: &Object, type_: ConditionType) -> Option<&Condition> {
    object.conditions().iter().find(|condition| condition.type_ == type_)
}

/// Returns the state of an object by its conditions.
#[must_use]
pub fn state(object: &Object) -> State {
    let differs = || {
        condition(object, ConditionType::InSync)
            .is_some_and(|condition| condition.status == ConditionStatus::False)
    };
    match object.ready() {
        None => State::Working,
        Some(true) if differs() => State::Differs,
        Some(true) => State::InSync,
        Some(false) if condition(object, ConditionType::Stalled).is_some() => State::Problem,
        Some(false) => State::Waiting,
    }
}

/// Returns the message of a connection that was removed from the folder and that objects still need.
fn removed_connection(name: &str, objects: &[Object]) -> String {
    let users: Vec<_> = objects
        .iter()
        .filter(|object| object.kind() != Kind::Connection && object.connection_name() == name)
        .map(Object::key)
        .collect();
    let listed: Vec<_> = users.iter().take(MAX_USERS).map(named).collect();
    let more = match users.len().saturating_sub(MAX_USERS) {
        0 => String::new(),
        more => format!(" and {}", counted(more, "more object")),
    };
    match listed.as_slice() {
        [] => "removed from the folder, and about to be released".to_owned(),
        listed => format!(
            "removed from the folder, and still used by {}{more}: it works on until they are removed, too, and cleaned up \
             in Svix. Remove them, or declare the connection again",
            listed.join(", ")
        ),
    }
}

/// An object as the rows name it.
fn named(key: &ObjectKey) -> String {
    format!("{} {}/{}", key.kind.as_str(), key.namespace, key.name)
}

/// Returns a row for each object with mistakes, and for each file that could not be read in full.
fn broken_rows(problems: &[Problem]) -> Vec<Row> {
    let mut rows: BTreeMap<_, Row> = BTreeMap::new();
    let mut left_out: BTreeMap<_, (usize, Position)> = BTreeMap::new();
    for problem in problems {
        let (kind, namespace, name) = match &problem.object {
            Some(object) => {
                (object.kind.clone(), object.namespace.clone().unwrap_or_default(), object.name.clone())
            }
            None => (FILE.to_owned(), String::new(), problem.position.file.clone()),
        };
        let id = (kind.clone(), namespace.clone(), name.clone());
        if rows.get(&id).is_some_and(|row| row.details.len() >= MAX_DETAILS) {
            left_out.entry(id).or_insert_with(|| (0, problem.position.clone())).0 += 1;
            continue;
        }
        let detail = Detail::from(problem);
        let row = rows.entry(id).or_insert_with(|| Row {
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
            state: State::Problem,
            reason: "InvalidManifest".into(),
            file: Some(detail.position.file.as_str().into()),
            line: detail.position.line.and_then(line),
            pointer: detail.pointer.clone(),
            ..Row::default()
        });
        let separator = if row.message.is_empty() { "" } else { "; " };
        let _ = write!(row.message.to_mut(), "{separator}{detail}");
        row.details.push(detail);
    }
    for (id, (count, position)) in left_out {
        let message = format!(
            "and {} from here on, which `svix-operator validate` lists",
            counted(count, "more mistake")
        );
        rows.entry(id).and_modify(|row| row.details.push(Detail { position, pointer: None, message }));
    }
    rows.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_of_a_file_without_end_are_counted() {
        let problem = |line| Problem {
            position: Position { file: "a.yaml".to_owned(), line: Some(line), column: None },
            object: None,
            pointer: JsonPointer::ROOT,
            message: "no kind".to_owned(),
        };
        let problems: Vec<_> = (1..=MAX_DETAILS + 50).map(problem).collect();

        let rows = broken_rows(&problems);

        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].details.len(), MAX_DETAILS + 1);
        let last = rows[0].details[MAX_DETAILS].to_string();
        assert!(last.contains("a.yaml:101") && last.contains("and 50 more mistakes from here on"), "{last}");
    }
}
