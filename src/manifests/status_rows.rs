//! How objects and broken manifests stand, as rows of the table.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::{
    api::{Condition, ConditionStatus, ConditionType, DEFAULT_CONNECTION, Reason},
    engine::{Object, ObjectKey},
};

use super::{
    Declaration, Loaded, Problem,
    source_map::Places,
    table::{Detail, FILE, Report, Row, State},
};

/// A folder as it was read last, and what rows say of it that the objects themselves do not know.
#[derive(Debug, Default)]
pub struct View {
    broken: Vec<Row>,
    places: Places,
    left_out: usize,
    made_up: bool,
    /// What to say of the connection that was made up.
    advice: String,
    /// The names of the event types that are declared, by connection.
    declared: EventTypes,
    /// Those that were declared in an earlier reading only.
    gone: EventTypes,
}

/// Names of event types by connection.
type EventTypes = BTreeMap<String, BTreeSet<String>>;

impl View {
    /// Takes in a folder that was read.
    pub fn read(&mut self, loaded: &Loaded) {
        self.broken = broken_rows(&loaded.problems);
        self.places = Places::new(loaded);
        self.left_out = loaded.left_out;
    }

    /// Takes in what it declares.
    pub fn declared(&mut self, declaration: &Declaration) {
        self.made_up = declaration.made_up;
        self.advice = advice(declaration);
        let mut declared = EventTypes::new();
        for object in &declaration.objects {
            if let Object::EventType(it) = object {
                declared.entry(it.connection_name().to_owned()).or_default().insert(it.event_type_name());
            }
        }
        for (connection, names) in std::mem::replace(&mut self.declared, declared) {
            self.gone.entry(connection).or_default().extend(names);
        }
        for (connection, names) in &mut self.gone {
            let declared = self.declared.get(connection);
            names.retain(|name| !declared.is_some_and(|declared| declared.contains(name)));
        }
    }

    /// How everything stands; `adjusted` is what is known of an object beside its status.
    pub fn report(&mut self, objects: &[Object], adjusted: impl Fn(Row, &Object) -> Row) -> Report {
        let named: HashSet<_> =
            self.broken.iter().map(|row| (&*row.kind, &*row.namespace, &*row.name)).collect();
        let good = objects.iter().filter(|object| {
            let key = object.key();
            !named.contains(&(key.kind.as_str(), &*key.namespace, &*key.name))
        });
        let good: Vec<_> = good.collect();
        let mut rows: Vec<Row> =
            good.into_iter().map(|object| self.row(object, adjusted(row(object), object))).collect();
        self.places.close();
        rows.extend(self.broken.iter().cloned());
        Report::new(rows, self.left_out)
    }

    /// The row of an object, with what the folder has to say of it.
    fn row(&mut self, object: &Object, mut row: Row) -> Row {
        let key = object.key();
        if self.made_up && key == ObjectKey::connection(DEFAULT_CONNECTION) {
            row.made_up = true;
            if row.message.is_empty() {
                row.message.clone_from(&self.advice);
            }
            return row;
        }
        let pointer = pointer(&row.message).map(ToOwned::to_owned);
        let place = match &pointer {
            Some(pointer) => self.places.field(&key, pointer),
            None => self.places.object(&key).cloned(),
        };
        if let Some(place) = place {
            if row.state == State::Problem || pointer.is_some() {
                row.message = format!("{place}: {}", row.message);
            }
            (row.file, row.line) = (Some(place.file), Some(place.line));
        }
        row.pointer = pointer;
        if row.message.is_empty() {
            row.message = self.undeclared(object);
        }
        row
    }

    /// What to say of an endpoint that names event types which files declared before and do not any more. They may
    /// still be in Svix, so the endpoint is in step; beginning anew, it would wait for them.
    fn undeclared(&self, object: &Object) -> String {
        let Object::Endpoint(endpoint) = object else { return String::new() };
        let gone = self.gone.get(endpoint.connection_name());
        let names = endpoint.spec.event_types.iter().map(String::as_str);
        let gone: Vec<_> = names.filter(|name| gone.is_some_and(|gone| gone.contains(*name))).collect();
        let (is, it) = if gone.len() == 1 { ("is", "it") } else { ("are", "them") };
        match gone.join(", ") {
            names if names.is_empty() => names,
            names => format!(
                "{names} {is} not declared any more, and this endpoint still names {it}: declare {it} again, or take {it} \
                 off eventTypes"
            ),
        }
    }
}

/// What an object says itself.
fn row(object: &Object) -> Row {
    let key = object.key();
    let ready = condition(object, ConditionType::Ready);
    let state = state(object);
    let (svix, difference) = match object {
        Object::Connection(connection) => {
            let url = connection.status.as_ref().and_then(|status| status.server_url.clone());
            (url.unwrap_or_default(), None)
        }
        Object::EventType(event_type) => {
            let status = event_type.status.as_ref();
            let held = status.and_then(|status| status.svix.as_ref());
            (
                held.map_or_else(String::new, |svix| svix.name.clone()),
                status.and_then(|status| status.difference.clone()),
            )
        }
        Object::Endpoint(endpoint) => {
            let status = endpoint.status.as_ref();
            let held = status.and_then(|status| status.svix.as_ref());
            (
                held.map_or_else(String::new, |svix| format!("{}/{}", svix.application, svix.id)),
                status.and_then(|status| status.difference.clone()),
            )
        }
        Object::Event(event) => {
            let id = event.status.as_ref().and_then(|status| status.message_id.clone());
            (id.unwrap_or_default(), None)
        }
    };
    let in_sync = condition(object, ConditionType::InSync);
    Row {
        kind: key.kind.as_str().into(),
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        state,
        svix,
        reason: ready.map_or_else(String::new, |ready| ready.reason.clone()),
        message: match (state, ready, in_sync) {
            // The connection's own row says why; a server that is down would else be told of each object.
            (State::Waiting, Some(ready), _) if ready.reason == Reason::ConnectionNotReady.as_str() => {
                format!("waits for SvixConnection {}", object.connection_name())
            }
            (State::Waiting | State::Problem, Some(ready), _) => ready.message.clone(),
            (State::Differs, _, Some(in_sync)) => in_sync.message.clone(),
            _ => String::new(),
        },
        difference: difference.filter(|_| state == State::Differs),
        ..Row::default()
    }
}

fn condition(object: &Object, type_: ConditionType) -> Option<&Condition> {
    object.conditions().iter().find(|condition| condition.type_ == type_)
}

/// The state that an object's conditions say.
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

/// The field that a message of the engine speaks of: what it begins with, or what follows its first words.
fn pointer(message: &str) -> Option<&str> {
    // `the payload does not match the schema of …: /spec/payload/n: found …`
    let start = if message.starts_with("/spec") { 0 } else { message.find(": /spec")? + 2 };
    let message = message.get(start..)?;
    // `/spec/examples/0 ("first") does not match the schema: …`
    let end = [": ", " ("].into_iter().filter_map(|end| message.find(end)).min()?;
    message.get(..end)
}

/// What to say of the connection that was made up, when objects use it that were perhaps meant for another.
fn advice(declaration: &Declaration) -> String {
    let mut others = Vec::new();
    let mut used = false;
    for object in &declaration.objects {
        match object {
            Object::Connection(_) => {
                others.extend(Some(object.connection_name()).filter(|name| *name != DEFAULT_CONNECTION));
            }
            _ => used |= object.connection_name() == DEFAULT_CONNECTION,
        }
    }
    if !declaration.made_up || !used || others.is_empty() {
        return String::new();
    }
    format!(
        "no connection in the folder is named {DEFAULT_CONNECTION:?}, which objects without spec.connectionRef use; there \
         {} {}. Set spec.connectionRef.name in the objects, or name the connection {DEFAULT_CONNECTION:?}",
        if others.len() == 1 { "is" } else { "are" },
        others.join(", "),
    )
}

/// What files declare wrongly: a row for each object, and for each file that could not be read in full.
fn broken_rows(problems: &[Problem]) -> Vec<Row> {
    let mut rows: BTreeMap<_, Row> = BTreeMap::new();
    for problem in problems {
        let named = match &problem.object {
            Some(object) => {
                (object.kind.clone(), object.namespace.clone().unwrap_or_default(), object.name.clone())
            }
            None => (FILE.to_owned(), String::new(), problem.file.clone()),
        };
        let detail = Detail {
            file: problem.file.clone(),
            line: Some(problem.line).filter(|line| *line > 0),
            column: Some(problem.column).filter(|column| *column > 0),
            pointer: Some(problem.pointer.clone()).filter(|pointer| !pointer.is_empty()),
            message: problem.message.clone(),
        };
        let row = rows.entry(named.clone()).or_insert_with(|| Row {
            kind: named.0.into(),
            namespace: named.1,
            name: named.2,
            state: State::Problem,
            reason: "InvalidManifest".to_owned(),
            file: Some(detail.file.clone()),
            line: detail.line,
            pointer: detail.pointer.clone(),
            ..Row::default()
        });
        let separator = if row.message.is_empty() { "" } else { "; " };
        row.message = format!("{}{separator}{detail}", row.message);
        row.details.push(detail);
    }
    rows.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::pointer;

    #[test]
    fn the_field_of_a_message_is_found() {
        for (message, field) in [
            ("/spec/schema/type: found \"strin\", expected …", Some("/spec/schema/type")),
            ("/spec/examples/0 (\"x\") does not match the schema: /a: found 1", Some("/spec/examples/0")),
            (
                "the payload does not match: /spec/payload/a b: found 1; make another",
                Some("/spec/payload/a b"),
            ),
            ("/spec", None),
            ("/v1/app: not found", None),
            ("event type a.b is held by WebhookEventType/default/a, which declares it, too", None),
        ] {
            assert_eq!(pointer(message), field, "{message}");
        }
    }
}
