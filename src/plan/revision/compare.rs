//! Compares two versions of a schema as they were published, one level at a time.

use std::sync::Arc;

use serde_json::Value;

use crate::schema::{
    self, Effort,
    evolution::{self, Level, Verdict, Version, Work},
};

use super::{Comparison, ComparisonResult, Published};

/// Two versions to compare. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The version that receivers know.
    pub old: Arc<Published>,
    /// The version that is to replace it.
    pub new: Arc<Published>,
    /// Versions for which a comparison with an old version that is equal is of no use, since it was made already or says
    /// nothing.
    pub known: Vec<Arc<Published>>,
}

/// What came of a comparison at one level.
#[derive(Clone, Debug, PartialEq)]
pub enum Compared {
    /// The verdict.
    Verdict(Verdict),
    /// The old version is one of [`Pair::known`].
    Known,
    /// The text of the old version cannot be read.
    Unreadable,
    /// The old version is no schema that can be used, and why.
    UnusableOld(String),
    /// The new one is not.
    UnusableNew,
}

impl Pair {
    /// Whether a brief comparison may be enough.
    #[must_use]
    pub fn is_small(&self) -> bool {
        let mut all = [&self.old, &self.new].into_iter().chain(&self.known);
        all.all(|version| version.schema.len() <= schema::SMALL_BYTES)
    }

    /// Compares with a few milliseconds of work. `None`: it takes more; otherwise what is returned is the same as of
    /// [`Self::compare`].
    #[must_use]
    pub fn compare_briefly(&self, level: Level) -> Option<Compared> {
        if self.is_small() { self.compare_within(level, &Effort::small(), Work::Brief) } else { None }
    }

    /// Compares. The work is bounded, and takes too long for a thread that serves others.
    #[must_use]
    pub fn compare(&self, level: Level) -> Compared {
        self.compare_within(level, &Effort::full(), Work::Full).unwrap_or_else(|| {
            // Full work is enough for all pairs.
            Compared::Verdict(evolution::not_compared())
        })
    }

    fn compare_within(&self, level: Level, effort: &Effort, work: Work) -> Option<Compared> {
        let Some(new) = read(&self.new) else { return Some(Compared::UnusableNew) };
        let new = Version::new_within(&new, self.new.format_assertion, effort);
        if effort.is_exceeded() {
            return None;
        }
        let Ok(new) = new else { return Some(Compared::UnusableNew) };
        if new.is_too_large() {
            // Another one that is compiled, too, would take more memory than a comparison may.
            return Some(Compared::Verdict(evolution::not_compared()));
        }
        let Some(old) = read(&self.old) else { return Some(Compared::Unreadable) };
        let is_known = self.known.iter().any(|known| {
            known.format_assertion == self.old.format_assertion && read(known).as_ref() == Some(&old)
        });
        if is_known {
            return Some(Compared::Known);
        }
        let old = Version::new_within(&old, self.old.format_assertion, effort);
        if effort.is_exceeded() {
            return None;
        }
        match old {
            Ok(old) => evolution::compare_within(&old, &new, level, work).map(Compared::Verdict),
            Err(error) => Some(Compared::UnusableOld(error.to_string())),
        }
    }
}

/// Reads the schema of a version. One whose tree takes too much memory is none that was published.
fn read(version: &Published) -> Option<Value> {
    schema::check_weight(&version.schema).ok()?;
    serde_json::from_str(&version.schema).ok()
}

/// Returns how a version compares with the one before, from what came of each level. Of several, the worst counts.
#[must_use]
pub fn worst(compared: impl IntoIterator<Item = (Level, Compared)>) -> Comparison {
    let not_compared = Comparison::without_level(ComparisonResult::NotCompared);
    let mut worst = None;
    for (level, compared) in compared {
        let result = match compared {
            Compared::Verdict(Verdict::Safe) => ComparisonResult::Safe,
            Compared::Verdict(Verdict::Breaking(_)) => ComparisonResult::Breaking,
            Compared::Verdict(Verdict::Empty) => ComparisonResult::Empty,
            Compared::Verdict(Verdict::NotDecided { .. }) => ComparisonResult::NotDecided,
            Compared::Known | Compared::Unreadable | Compared::UnusableOld(_) | Compared::UnusableNew => {
                return not_compared;
            }
        };
        // Of equals, the first one stays.
        if worst.is_none_or(|worst: Comparison| severity(result) > severity(worst.result)) {
            worst = Some(Comparison { result, level: Some(level) });
        }
    }
    worst.unwrap_or(not_compared)
}

fn severity(result: ComparisonResult) -> u8 {
    match result {
        ComparisonResult::First | ComparisonResult::NotCompared => 0,
        ComparisonResult::Safe => 1,
        ComparisonResult::NotDecided => 2,
        ComparisonResult::Breaking => 3,
        ComparisonResult::Empty => 4,
    }
}
