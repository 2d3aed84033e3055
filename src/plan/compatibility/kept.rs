//! The kept versions of a schema that a new one is compared with: which of them are read, in which order, and how many.

use super::super::revision::{self, MAX_COMPARED, Published, Revision};

/// The kept versions of a schema that a new one is compared with, where a policy says
/// [`CompatibilityAgainst::All`](crate::api::CompatibilityAgainst::All).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptVersions {
    /// The versions with the numbers of their revisions, the last one first. They stay text: only one at a time is read.
    pub versions: Vec<(i64, Published)>,
    /// Why others cannot be compared with, each a part of a sentence.
    pub missing: Vec<String>,
}

impl KeptVersions {
    /// None, since they cannot be read.
    #[must_use]
    pub fn unread(why: String) -> Self {
        Self { missing: vec![why], ..Self::default() }
    }

    /// Adds the version of a revision; `None`: its schema is not kept.
    pub fn add(&mut self, revision: i64, published: Option<Published>) {
        match published {
            Some(published) => self.versions.push((revision, published)),
            None => self.missing.push(format!("the schema of revision {revision} is not kept")),
        }
    }
}

/// Decides which revisions are read for a comparison with all that are kept: the last one first, until their schemas have
/// [`MAX_COMPARED`] bytes together. The caller reads them, each with a call:
///
/// 1. [`next_revision`](Self::next_revision) names the revision whose schema is read next.
/// 2. [`add`](Self::add) takes what was published as this revision.
/// 3. When there is no next one, [`into_kept`](Self::into_kept) or [`into_revisions`](Self::into_revisions) returns the result.
#[derive(Debug)]
pub struct RevisionReader {
    /// What was read, and revisions whose schema is not kept, the last one first.
    read: Vec<(Revision, Option<Published>)>,
    /// The revisions that were not reached, the last one at the end.
    rest: Vec<Revision>,
    /// The bytes of the schemas that were read.
    bytes: usize,
}

impl RevisionReader {
    /// Begins to read these revisions, which may be in any order.
    #[must_use]
    pub fn new(mut revisions: Vec<Revision>) -> Self {
        revision::sort(&mut revisions);
        Self { read: Vec::new(), rest: revisions, bytes: 0 }
    }

    /// Returns the revision whose schema is read next; `None`: no other is read.
    pub fn next_revision(&mut self) -> Option<&Revision> {
        while self.bytes < MAX_COMPARED && self.rest.last().is_some_and(|revision| !revision.has_schema) {
            self.add(None);
        }
        self.rest.last().filter(|_| self.bytes < MAX_COMPARED)
    }

    /// Adds what was published as the [next](Self::next_revision) revision; `None`: it was deleted meanwhile, or its schema is not kept.
    pub fn add(&mut self, published: Option<Published>) {
        let Some(revision) = self.rest.pop() else { return };
        self.bytes += published.as_ref().map_or(0, |published| published.schema.len());
        self.read.push((revision, published));
    }

    /// As [`add`](Self::add), for a caller that compares with one version before it reads the next: returns the version, which is not
    /// kept here, with the number of its revision.
    pub fn pass(&mut self, published: Option<Published>) -> Option<(i64, Published)> {
        let Some(published) = published else {
            self.add(None);
            return None;
        };
        let revision = self.rest.pop()?;
        self.bytes += published.schema.len();
        Some((revision.number, published))
    }

    /// Returns the versions that were read, and why others were not.
    #[must_use]
    pub fn into_kept(self) -> KeptVersions {
        let mut kept = KeptVersions::default();
        for (revision, published) in self.read {
            kept.add(revision.number, published);
        }
        if let Some(revision) = self.rest.last() {
            kept.missing.push(format!("revision {} and older ones are too large together", revision.number));
        }
        kept
    }

    /// Returns all revisions, the last one first, with what was read of them.
    #[must_use]
    pub fn into_revisions(self) -> Vec<(Revision, Option<Published>)> {
        let rest = self.rest.into_iter().rev().map(|revision| (revision, None));
        self.read.into_iter().chain(rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::revision::{Comparison, ComparisonResult};

    fn revision(number: i64) -> Revision {
        Revision {
            name: number.to_string(),
            number,
            digest: String::new(),
            published_at: None,
            comparison: Comparison::without_level(ComparisonResult::NotCompared),
            has_schema: true,
        }
    }

    fn of_bytes(bytes: usize) -> Option<Published> {
        Some(Published { schema: "x".repeat(bytes), format_assertion: true })
    }

    /// Reads these revisions, of which each has as many bytes as `bytes` says for its number. Also returns which were read.
    fn read(revisions: Vec<Revision>, bytes: impl Fn(i64) -> usize) -> (RevisionReader, Vec<i64>) {
        let mut reader = RevisionReader::new(revisions);
        let mut asked = Vec::new();
        while let Some(number) = reader.next_revision().map(|revision| revision.number) {
            asked.push(number);
            reader.add(of_bytes(bytes(number)));
        }
        (reader, asked)
    }

    #[test]
    fn the_last_revision_is_read_first() {
        let (reader, asked) = read(vec![revision(2), revision(7), revision(1)], |_| 1);

        assert_eq!(asked, [7, 2, 1]);
        let kept = reader.into_kept();
        assert_eq!(kept.versions.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [7, 2, 1]);
        assert_eq!(kept.missing, Vec::<String>::new());
    }

    #[test]
    fn a_schema_that_is_not_kept_is_not_read() {
        let without = Revision { has_schema: false, ..revision(2) };

        let (reader, asked) = read(vec![revision(1), without, revision(3)], |_| 1);

        assert_eq!(asked, [3, 1]);
        assert_eq!(reader.into_kept().missing, ["the schema of revision 2 is not kept"]);
    }

    #[test]
    fn versions_that_are_passed_on_count_as_read() {
        let mut reader = RevisionReader::new((1..=4).map(revision).collect());
        let bytes = |number| if number == 3 { MAX_COMPARED } else { 1 };

        let mut passed = Vec::new();
        while let Some(number) = reader.next_revision().map(|revision| revision.number) {
            let published = of_bytes(bytes(number)).filter(|_| number != 4);
            passed.extend(reader.pass(published).map(|(number, _)| number));
        }

        assert_eq!(passed, [3], "it reaches the bound");
        let kept = reader.into_kept();
        assert_eq!(kept.versions, []);
        assert_eq!(
            kept.missing,
            ["the schema of revision 4 is not kept", "revision 2 and older ones are too large together"]
        );
    }

    #[test]
    fn a_revision_that_was_deleted_meanwhile_is_missing() {
        let mut reader = RevisionReader::new(vec![revision(1)]);

        assert_eq!(reader.next_revision(), Some(&revision(1)));
        reader.add(None);

        assert_eq!(reader.next_revision(), None);
        assert_eq!(reader.into_kept().missing, ["the schema of revision 1 is not kept"]);
    }

    #[test]
    fn no_more_than_the_bound_is_read() {
        let revisions = || (1..=4).map(revision).collect();
        let bytes = |number| if number == 4 { MAX_COMPARED - 1 } else { 1 };

        let (reader, asked) = read(revisions(), bytes);
        assert_eq!(asked, [4, 3], "the second reaches the bound");
        let kept = reader.into_kept();
        assert_eq!(kept.versions.len(), 2);
        assert_eq!(kept.missing, ["revision 2 and older ones are too large together"]);

        let all = read(revisions(), bytes).0.into_revisions();
        let all: Vec<_> = all.iter().map(|(it, published)| (it.number, published.is_some())).collect();
        assert_eq!(all, [(4, true), (3, true), (2, false), (1, false)]);
    }
}
