//! Schema evolution: may a new schema produce a payload that the old one refused?
//!
//! [`compare`] decides it for two versions of a schema: safe with a proof, breaking with a payload, or not decided with the
//! places that were in the way. It is pure: no clock, no I/O, and bounded work whatever the schemas are.
//!
//! 1. `read/` reads both schemas into one [`model`], in which what asserts the same is the same, and opens closed objects
//!    where the level says so.
//! 2. `solve/` looks for a value that one side matches and the other does not. That there is none is a proof.
//! 3. `witness.rs` makes the value small. It counts only if the compiled validators of both sides agree.
//! 4. `places.rs` finds the rules that refuse it.

mod decimal;
mod evaluate;
mod formats;
mod model;
mod places;
mod read;
mod size;
mod solve;
mod verdict;
mod version;
mod widen;
mod witness;

use super::{document::Document, draft::draft, patterns::Patterns};
use model::Model;
use read::{Mode, Source};
use solve::{Outcome, Solver};
pub use verdict::{Breaking, Change, Level, Obstruction, Rule, Side, Verdict};
pub use version::Version;
pub use widen::{CannotWiden, widen};

/// Compares two versions of a schema.
#[must_use]
pub fn compare(old: &Version<'_>, new: &Version<'_>, level: Level) -> Verdict {
    // Anybody who may change a schema can have two compared, so the work is bounded before it begins.
    if size::is_large(old.schema) || size::is_large(new.schema) {
        return Verdict::NotDecided { places: vec![Obstruction::Steps] };
    }
    match level {
        Level::ConsumerSafe | Level::Strict => compare_one(old, new, level),
        Level::Backward => match compare_one(old, new, level) {
            Verdict::Empty => Verdict::Empty,
            verdict => verdict,
        },
        Level::Full => match compare_one(old, new, Level::ConsumerSafe) {
            Verdict::Safe => compare_one(old, new, Level::Backward),
            Verdict::NotDecided { places } => match compare_one(old, new, Level::Backward) {
                Verdict::Safe => Verdict::NotDecided { places },
                verdict => verdict,
            },
            verdict => verdict,
        },
    }
}

fn compare_one(old: &Version<'_>, new: &Version<'_>, level: Level) -> Verdict {
    let not_decided = || Verdict::NotDecided { places: vec![Obstruction::Combination] };
    // A version is compiled, so none of these fails.
    let (Ok(old_draft), Ok(new_draft)) = (draft(old.schema), draft(new.schema)) else { return not_decided() };
    let (Ok(old_document), Ok(new_document)) =
        (Document::read(old.schema, old_draft), Document::read(new.schema, new_draft))
    else {
        return not_decided();
    };
    let (Ok(old_patterns), Ok(new_patterns)) = (Patterns::of(&old_document), Patterns::of(&new_document))
    else {
        return not_decided();
    };
    let old_source =
        Source { document: &old_document, patterns: &old_patterns, format_assertion: old.format_assertion };
    let new_source =
        Source { document: &new_document, patterns: &new_patterns, format_assertion: new.format_assertion };
    let mode = if level == Level::ConsumerSafe { Mode::Opened } else { Mode::Written };
    let mut model = Model::default();
    let read = read::read((old_source, mode), (new_source, Mode::Written), &mut model);
    let [old_root, new_root] = read.roots.map(|root| read.nodes[root]);
    let mut solver = Solver::new(&mut model);
    if matches!(solver.solve(&[(new_root, true)]), Outcome::Empty) {
        return Verdict::Empty;
    }
    let (inner, outer, refused_by) = match level {
        Level::Backward => ((old, old_root), (new, new_root), Side::New),
        _ => ((new, new_root), (old, old_root), Side::Old),
    };
    solver.refill();
    let goals = [(inner.1, true), (outer.1, false)];
    let outcome = solver.solve(&goals);
    if matches!(outcome, Outcome::Empty) {
        return Verdict::Safe;
    }
    let mut witness =
        witness::Search { solver: &mut solver, permits: inner.0, refuses: outer.0, refusing: outer.1 };
    if let Some(found) = outcome.any_value()
        && witness.is_witness(found)
    {
        let small = witness.shrink(found.as_ref().clone());
        let changes = places::changes(&read, &mut solver, [old.schema, new.schema], refused_by, &small);
        return Verdict::Breaking(Box::new(Breaking { witness: small, refused_by, changes }));
    }
    let mut places = places::obstructions(&read, &solver);
    if places.is_empty() {
        places.push(Obstruction::Combination);
    }
    Verdict::NotDecided { places }
}

#[cfg(test)]
mod tests;
