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

mod budget;
mod constants;
mod decimal;
mod evaluate;
mod formats;
mod keyword;
mod model;
mod places;
mod read;
mod rules;
mod solve;
mod types;
mod verdict;
mod version;
mod widen;
mod witness;

pub use budget::Work;
use budget::{Budget, Budgets};
use model::{Model, NodeId};
use read::{Mode, Read};
use solve::{Outcome, Solver};
pub use verdict::{Breaking, Change, Level, Obstruction, Rule, Side, Verdict};
pub use version::Version;
pub use widen::{CannotWiden, widen};

/// Bytes of stack of a comparison. Only what is used of it takes memory.
const STACK: usize = 64 * 1024 * 1024;

/// Compares two versions of a schema. Anybody who may change a schema can have two compared, so the work is bounded.
#[must_use]
pub fn compare(old: &Version<'_>, new: &Version<'_>, level: Level) -> Verdict {
    compare_within(old, new, level, Work::Full).unwrap_or_else(not_compared)
}

/// As [`compare`], within so much work. `None`: it takes more; a verdict is the one of [`Work::Full`] always.
#[must_use]
pub fn compare_within(old: &Version<'_>, new: &Version<'_>, level: Level, work: Work) -> Option<Verdict> {
    if old.is_too_large() || new.is_too_large() {
        return Some(not_compared());
    }
    with_stack(|| compare_counted(old, new, level, work).0).unwrap_or_else(|| Some(not_compared()))
}

/// The verdict where it takes too much to compare the schemas, or there is no thread left.
#[must_use]
pub fn not_compared() -> Verdict {
    Verdict::NotDecided { places: vec![Obstruction::Steps] }
}

/// Runs what may recurse deeply on a thread that has enough stack for all nesting within the bounds. `None`: there is no
/// thread.
fn with_stack<T: Send>(run: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("schema-comparison".to_owned()).stack_size(STACK);
        match thread.spawn_scoped(scope, run).ok()?.join() {
            Ok(result) => Some(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The work of a comparison.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Steps of the solver.
    steps: u64,
    /// Steps of the validators that judge payloads.
    judged: u64,
}

/// Compares two versions of a schema, and returns the work that it took, too.
fn compare_counted(
    old: &Version<'_>,
    new: &Version<'_>,
    level: Level,
    work: Work,
) -> (Option<Verdict>, Counts) {
    let (mut verdict, mut counts) = (None, Counts::default());
    for part in level.parts() {
        let budgets = Budgets::of(work, old.further_memory() + new.further_memory());
        let of_part = compare_one(old, new, *part, &budgets, &mut counts);
        if budgets.are_too_small() {
            return (None, counts);
        }
        let all = Verdict::of_parts(verdict, of_part);
        if all.is_final() {
            return (Some(all), counts);
        }
        verdict = Some(all);
    }
    (verdict, counts)
}

/// What is compared: whether one side permits a payload that the other refuses. Each is a version, and its root in the model.
struct Question<'v> {
    permits: (&'v Version<'v>, NodeId),
    refuses: (&'v Version<'v>, NodeId),
    refused_by: Side,
    /// Whether the closed objects of the side that refuses were opened.
    is_opened: bool,
}

fn compare_one(
    old: &Version<'_>,
    new: &Version<'_>,
    level: Level,
    budgets: &Budgets,
    counts: &mut Counts,
) -> Verdict {
    let (old_source, new_source) = (old.source(), new.source());
    let is_opened = level == Level::ConsumerSafe && read::has_closed(old_source.document);
    let mode = if is_opened { Mode::Opened } else { Mode::Written };
    let mut model = Model::default();
    let read = read::read((old_source, mode), (new_source, Mode::Written), &mut model, budgets);
    let [old_root, new_root] = read.roots.map(|root| read.nodes[root]);
    let mut solver = Solver::new(&mut model, budgets);
    let (permits, refuses, refused_by) = match level {
        Level::Backward => ((old, old_root), (new, new_root), Side::New),
        _ => ((new, new_root), (old, old_root), Side::Old),
    };
    let question = Question { permits, refuses, refused_by, is_opened };
    // The same schema is safe also where it has what is not modelled.
    let is_same = old.schema == new.schema && old.format_assertion == new.format_assertion;
    let verdict = match is_same {
        true => Verdict::Safe,
        false => difference(&read, &mut solver, &question, budgets.judging(), counts),
    };
    // A payload that the new schema permits shows that there is one; making another takes time.
    if matches!(verdict, Verdict::Breaking(_)) && refused_by == Side::Old {
        return verdict;
    }
    solver.refill();
    let payload = solver.solve(&[(new_root, true)]);
    counts.steps += solver.budget.spent();
    if matches!(payload, Outcome::Empty) { Verdict::Empty } else { verdict }
}

/// Compares what one side permits with what the other does. `judging`: the steps of the validators.
fn difference(
    read: &Read,
    solver: &mut Solver<'_>,
    question: &Question<'_>,
    judging: Budget,
    counts: &mut Counts,
) -> Verdict {
    let Question { permits, refuses, refused_by, is_opened } = *question;
    let outcome = solver.solve(&[(permits.1, true), (refuses.1, false)]);
    counts.steps += solver.budget.spent();
    if matches!(outcome, Outcome::Empty) {
        return Verdict::Safe;
    }
    let opened = is_opened.then_some(refuses.1);
    let mut search = witness::Search { solver, permits: permits.0, refuses: refuses.0, opened, judging };
    let mut found =
        outcome.any_value().map(|value| value.as_ref().clone()).filter(|it| search.is_witness(it));
    if found.is_none()
        && let Some(values) = search.solver.finite(permits.1)
    {
        // Few enough to try each, as long as the validators have steps left.
        found = values.iter().find(|value| search.is_witness(value)).cloned();
        if found.is_none() && values.iter().all(|value| search.is_permitted(refuses.0, value) == Some(true)) {
            counts.judged += search.judging.spent();
            return Verdict::Safe;
        }
    }
    let small = found.map(|found| search.shrink(found));
    counts.judged += search.judging.spent();
    let is_exceeded = search.judging.is_exceeded();
    if let Some(witness) = small {
        solver.refill();
        let schemas = match refused_by {
            Side::Old => [refuses.0.schema, permits.0.schema],
            Side::New => [permits.0.schema, refuses.0.schema],
        };
        let changes = places::changes(read, solver, schemas, refused_by, &witness);
        return Verdict::Breaking(Box::new(Breaking { witness, refused_by, changes }));
    }
    let mut places = places::obstructions(read, solver);
    if is_exceeded && !places.contains(&Obstruction::Steps) {
        places.insert(0, Obstruction::Steps);
    }
    if places.is_empty() {
        places.push(Obstruction::Combination);
    }
    Verdict::NotDecided { places }
}

#[cfg(test)]
mod tests;
