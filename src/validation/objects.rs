//! Runs the rules of the admission webhook on each object, on all processors.

use std::{num::NonZero, thread};

use crate::{
    admission::{
        Known,
        judge::{self, Findings},
    },
    engine::{Kind, ObjectKey},
    manifests::{Loaded, Located},
    schema::Effort,
};

use super::finding::{Keyed, Rule, Severity, Unplaced};

/// Checks all objects.
pub(super) fn check(loaded: &Loaded, known: &Known) -> Vec<Unplaced> {
    // The connections of a folder without one are elsewhere.
    let knows_connections = !loaded.connections.is_empty() && !loaded.may_lack(Kind::Connection.as_str());
    let context = Context { known, knows_connections };
    let mut findings = context.all(&loaded.event_types, |object| {
        (judge::event_type(object, None, known, &Effort::full()), object.connection_name())
    });
    findings.extend(
        context.all(&loaded.endpoints, |object| (judge::endpoint(object, known), object.connection_name())),
    );
    findings.extend(context.all(&loaded.events, |object| {
        (judge::event(object, known, &Effort::full()), object.connection_name())
    }));
    findings
}

struct Context<'a> {
    known: &'a Known,
    knows_connections: bool,
}

impl Context<'_> {
    /// Checks all objects of one kind. `rules` returns the findings about an object, and the name of its connection.
    fn all<T: Keyed + Sync>(
        &self,
        objects: &[Located<T>],
        rules: impl Fn(&T) -> (Findings, &str) + Sync,
    ) -> Vec<Unplaced> {
        let check = |located: &Located<T>| {
            let object = &located.object;
            let (findings, connection) = rules(object);
            self.unplaced(&object.key(), findings, connection)
        };
        on_all_processors(objects, check)
    }

    fn unplaced(&self, key: &ObjectKey, findings: Findings, connection: &str) -> Vec<Unplaced> {
        let Findings { problems, more, warnings, violated: _, comparison: _ } = findings;
        let no_connection = self
            .knows_connections
            .then(|| judge::connection_warning(self.known, connection, true))
            .flatten()
            .map(|warning| (Severity::Warning, Rule::Reference, warning));
        let errors = problems.into_iter().chain(more);
        let errors = errors.map(|problem| (Severity::Error, Rule::Admission, problem));
        let warnings = warnings.into_iter().map(|warning| (Severity::Warning, Rule::Admission, warning));
        errors
            .chain(no_connection)
            .chain(warnings)
            .map(|(severity, rule, problem)| Unplaced {
                key: key.clone(),
                severity,
                rule,
                pointer: problem.field,
                message: problem.message,
            })
            .collect()
    }
}

/// Applies `check` to each item. Schemas are compiled here, which takes most of the time of a check.
pub(super) fn on_all_processors<T: Sync, U: Send>(
    items: &[T],
    check: impl Fn(&T) -> Vec<U> + Sync,
) -> Vec<U> {
    /// Fewer are not worth a thread.
    const SMALL: usize = 64;
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    if items.len() <= SMALL || processors == 1 {
        return items.iter().flat_map(check).collect();
    }
    let size = items.len().div_ceil(processors);
    let check = &check;
    thread::scope(|scope| {
        let threads: Vec<_> = items
            .chunks(size)
            .map(|chunk| scope.spawn(move || chunk.iter().flat_map(check).collect::<Vec<_>>()))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
