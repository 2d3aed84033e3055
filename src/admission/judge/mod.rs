//! Validation of objects: one file for each kind.

mod endpoint;
mod event;
mod event_type;
mod receivers;

use std::fmt::Display;

use crate::{
    api::{JsonPointer, PayloadPolicy, Violation},
    plan::{
        access::{self, Declares},
        compatibility::{Assessment, Change},
        ids, suggest,
    },
};

use super::{Known, messages::Problem};

pub use endpoint::endpoint;
pub use event::event;
pub use event_type::event_type;
pub use receivers::deletion;

/// The findings about one object.
#[derive(Debug, Default)]
pub struct Findings {
    /// The errors that it is refused for.
    pub problems: Vec<Problem>,
    /// The number of errors beyond those, and their place.
    pub more: Option<Problem>,
    /// Warnings, whether it is admitted or refused.
    pub warnings: Vec<Problem>,
    /// The policy for the payload, where it does not match its schema.
    pub violated: Option<PayloadPolicy>,
    /// The comparison of two schemas that is still to be made, with [`Comparison::change`]. There are no problems then.
    pub comparison: Option<Box<Comparison>>,
}

/// The comparison of the schema of an object with the one before, and where its result goes.
#[derive(Debug)]
pub struct Comparison {
    /// What is compared.
    pub change: Change,
    /// The field of the new schema.
    field: JsonPointer,
    /// The endpoints that receive the events.
    receivers: Option<Problem>,
    /// How many warnings come before one about the change.
    place: usize,
}

impl Findings {
    /// Adds what follows from a comparison.
    pub fn compared(&mut self, comparison: Comparison) {
        let Comparison { change, field, receivers, place } = comparison;
        match change.end() {
            Assessment::Compatible => {}
            Assessment::Warn(message) => {
                let found = [Problem::new(field, message)].into_iter().chain(receivers);
                let place = place.min(self.warnings.len());
                self.warnings.splice(place..place, found);
            }
            Assessment::Refuse(message) => {
                self.problem(field, message);
                self.problems.extend(receivers);
            }
        }
    }

    fn problem(&mut self, field: impl Into<JsonPointer>, message: impl Display) {
        self.problems.push(Problem::new(field, message));
    }

    /// Adds the violations of the CRD's rules, which an API server without CEL does not check.
    fn violations(&mut self, violations: Vec<Violation>) {
        violations.into_iter().for_each(|Violation { field, rule }| self.problem(field, rule));
    }

    /// Checks the characters of a uid; the rules of the CRD cover its prefix.
    fn uid(&mut self, field: &'static str, uid: Option<&String>) {
        if uid.is_some_and(|uid| !ids::is_name(uid)) {
            self.problem(
                field,
                "expected letters, digits, `-`, `_` and `.`, not starting with app_, ep_ or msg_",
            );
        }
    }
}

/// The warning for an object in a namespace that no operator watches. It is stored nevertheless: the list of namespaces may
/// change with the next upgrade.
#[must_use]
pub fn unwatched(known: &Known, namespace: Option<&str>) -> Option<Problem> {
    let (watched, namespace) = (known.namespaces.as_ref()?, namespace?);
    (!watched.contains(namespace)).then(|| {
        let message = format!(
            "no operator of this release watches namespace {namespace:?}; nothing will come of this object"
        );
        Problem::new(JsonPointer::ROOT, message)
    })
}

/// The warning about the connection that an object names: it does not exist, or is being deleted. The latter concerns new
/// objects alone, since the connection stays until the others are deleted.
#[must_use]
pub fn connection_warning(known: &Known, connection: &str, is_new: bool) -> Option<Problem> {
    let warning = |message| Problem::new("/spec/connectionRef", message);
    let directory = &known.directory;
    if directory.connection(connection).is_none() {
        let names = directory.connections();
        let meant = suggest::closest(connection, names.iter().map(String::as_str));
        let meant = meant.map(|meant| format!(" (did you mean {meant:?}?)")).unwrap_or_default();
        return Some(warning(format!(
            "there is no SvixConnection {connection:?}{meant}; this object waits for it"
        )));
    }
    (is_new && directory.is_going(connection))
        .then(|| warning(format!("SvixConnection {connection:?} is being deleted; name another connection")))
}

/// The warning for an object that the connection's `access` does not permit. The object is stored nevertheless, since
/// rules and labels change without it: the operator reports it in status. Where the connection or the namespace's labels
/// are not known (yet), there is no warning.
fn not_permitted(
    known: &Known,
    connection: &str,
    namespace: Option<&str>,
    object: &impl Declares,
) -> Option<Problem> {
    let connection = known.directory.connection(connection)?;
    let (namespace, labels) = (namespace?, known.directory.namespace(namespace?)?);
    let denied = access::check(object, namespace, Some(&connection), Some(&labels)).err()?;
    Some(Problem::new(JsonPointer::ROOT, format!("{}: {denied}", denied.reason.as_str())))
}

/// Checks a list of channels.
fn channels(channels: Option<&[String]>, most: usize, findings: &mut Findings) {
    /// Longest channel, in characters, as the CRDs have it.
    const LONGEST: usize = 2048;
    let field = JsonPointer::from_static("/spec/channels");
    let Some(channels) = channels else { return };
    if channels.is_empty() || channels.len() > most {
        let found = channels.len();
        findings.problem(field.clone(), format!("found {found} channels, expected 1 to {most}"));
    }
    for (index, channel) in channels.iter().enumerate().take(most) {
        let length = channel.chars().count();
        if length == 0 || length > LONGEST {
            findings
                .problem(field.index(index), format!("found {length} characters, expected 1 to {LONGEST}"));
        }
    }
}
