//! A change of a schema that is being assessed: what is still to be compared, and what follows from what was.
//!
//! The comparisons are made by the caller, one version and one level at a time, so that others have turns in between.
//!
//! 1. [`Change::begin`] says whether there is anything to compare.
//! 2. [`Change::last`] is compared, where there is such a version.
//! 3. While [`Change::needs_kept`], each kept version is compared ([`Change::kept`]).
//! 4. [`Change::end`] says what follows.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    api::{ALLOW_BREAKING_ANNOTATION, CompatibilityAction, CompatibilityAgainst, WebhookEventType},
    plan::revision::{Compared, Pair, Published},
    schema::evolution::{Obstruction, Verdict},
};

use super::{Assessment, Policy, Schema, allowed, approval, breaks, digest, kept::KeptVersions, not_decided};

/// Most comparisons of one change that may use up their steps; the rest is not decided then.
const MOST_EXHAUSTED: usize = 4;

/// Assesses the change from one declaration to another. `old` and `new` are their schemas; a declaration without one permits any
/// payload.
#[must_use]
pub fn assess_declared(
    (before, old): (&WebhookEventType, &Value),
    (object, new): (&WebhookEventType, Option<&Value>),
    kept: &KeptVersions,
    policies: &[Policy],
) -> Assessment {
    let change = Change::declared((before, old), (object, new), policies);
    change.map_or(Assessment::Compatible, |change| change.assess(kept))
}

/// Assesses a change of a schema, as [`Change::begin`] takes it. The work is bounded whatever the schemas are, and takes too
/// long for a thread that serves others.
#[must_use]
pub fn assess_all(
    last: Option<Schema<'_>>,
    kept: &KeptVersions,
    new: Schema<'_>,
    policies: &[Policy],
    allowed: Option<&str>,
) -> Assessment {
    let change = Change::begin(last, new, policies, allowed);
    change.map_or(Assessment::Compatible, |change| change.assess(kept))
}

/// A change that is being assessed. The schemas stay text: their trees exist only while they are compared.
#[derive(Debug)]
pub struct Change {
    policies: Vec<Policy>,
    last: Option<Arc<Published>>,
    new: Arc<Published>,
    /// The digest of the change.
    digest: String,
    allowed: Option<String>,
    /// How many comparisons used up their steps.
    exhausted: usize,
    /// Whether a comparison took long. Then the others most likely do, too.
    pub takes_long: bool,
    /// Why the change may not be written.
    refusal: Option<String>,
    /// The first of what is to be reported.
    warning: Option<String>,
    /// The new schema is invalid, which is refused elsewhere, with a better message.
    is_invalid: bool,
}

impl Change {
    /// Begins to assess a change. `last` is the schema that it replaces; `None`: there is none. `allowed` is the value of
    /// [`ALLOW_BREAKING_ANNOTATION`]: it permits the change from `last` as a whole, also where it breaks an earlier version.
    /// `None`: nothing is to be compared, and the change is compatible.
    #[must_use]
    pub fn begin(
        last: Option<Schema<'_>>,
        new: Schema<'_>,
        policies: &[Policy],
        allowed: Option<&str>,
    ) -> Option<Self> {
        if policies.is_empty() || last == Some(new) {
            return None;
        }
        let published = |schema: Schema<'_>| {
            let Schema { value, format_assertion } = schema;
            Arc::new(Published { schema: value.to_string(), format_assertion })
        };
        Some(Self {
            policies: policies.to_vec(),
            digest: digest(last.map_or(&Value::Null, |last| last.value), new.value),
            last: last.map(published),
            new: published(new),
            allowed: allowed.map(str::to_owned),
            exhausted: 0,
            takes_long: false,
            refusal: None,
            warning: None,
            is_invalid: false,
        })
    }

    /// Begins to assess the change from one declaration to another, as [`assess_declared`].
    #[must_use]
    pub fn declared(
        (before, old): (&WebhookEventType, &Value),
        (object, new): (&WebhookEventType, Option<&Value>),
        policies: &[Policy],
    ) -> Option<Self> {
        let any = Value::Object(Map::new());
        let old = Schema { value: old, format_assertion: before.spec.format_assertion() };
        let new = Schema { value: new.unwrap_or(&any), format_assertion: object.spec.format_assertion() };
        Self::begin(Some(old), new, policies, allowed(object))
    }

    /// The digest of the change.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The comparison with the schema that is replaced, if there is one.
    #[must_use]
    pub fn last(&self) -> Option<Step> {
        let old = self.last.clone()?;
        let pair = Pair { old, new: self.new.clone(), known: Vec::new() };
        Some(Step { pair, revision: None, policies: self.policies.clone() })
    }

    /// Whether kept versions are to be compared (still).
    #[must_use]
    pub fn needs_kept(&self) -> bool {
        self.is_open() && self.policies.iter().any(|policy| policy.against == CompatibilityAgainst::All)
    }

    /// The comparison with the kept version of a revision.
    #[must_use]
    pub fn kept(&self, revision: i64, old: Published) -> Step {
        let known = [&self.new].into_iter().chain(&self.last).cloned().collect();
        let pair = Pair { old: old.into(), new: self.new.clone(), known };
        let of_all = self.policies.iter().filter(|policy| policy.against == CompatibilityAgainst::All);
        Step { pair, revision: Some(revision), policies: of_all.copied().collect() }
    }

    /// Takes what came of a comparison by one of a step's policies. Returns whether its other policies are to be
    /// compared, too.
    pub fn record(&mut self, revision: Option<i64>, policy: Policy, compared: Compared) -> bool {
        let message = match compared {
            Compared::Verdict(Verdict::Safe) => return true,
            Compared::Verdict(Verdict::NotDecided { places }) => {
                self.exhausted += usize::from(places.contains(&Obstruction::Steps));
                self.warn(|| not_decided(policy.level, revision, &places));
                return true;
            }
            Compared::Verdict(Verdict::Breaking(breaking)) => breaks(policy.level, revision, &breaking),
            Compared::Verdict(Verdict::Empty) => "the new schema permits no payload at all".to_owned(),
            Compared::Known => return false,
            Compared::Unreadable => {
                let old = named(revision);
                self.warn(|| format!("not decided whether the schema breaks {old}, which cannot be read"));
                return false;
            }
            Compared::UnusableOld(error) => {
                let old = named(revision);
                self.warn(|| {
                    format!(
                        "not decided whether the change of the schema breaks receivers: {old} cannot be used: {error}"
                    )
                });
                return false;
            }
            Compared::UnusableNew => {
                self.is_invalid = true;
                return false;
            }
        };
        match (policy.action, approval(self.allowed.as_deref(), &self.digest)) {
            (CompatibilityAction::Warn, _) => self.warn(|| message),
            (CompatibilityAction::Enforce, Some(reason)) => {
                let message = format!("{message}; {ALLOW_BREAKING_ANNOTATION} permits it: {reason}");
                self.warn(|| message);
            }
            (CompatibilityAction::Enforce, None) => {
                self.refusal = Some(format!(
                    "{message}. Change the schema, or permit this one change with the annotation \
                     {ALLOW_BREAKING_ANNOTATION}: \"{} <reason>\"",
                    self.digest
                ));
                return false;
            }
        }
        true
    }

    /// Takes why some kept versions cannot be compared with.
    pub fn missing(&mut self, missing: &[String]) {
        if !missing.is_empty() {
            self.warn(|| {
                let missing = missing.join("; ");
                format!("not decided whether the schema breaks every version that is kept: {missing}")
            });
        }
    }

    /// Returns what follows from all comparisons.
    #[must_use]
    pub fn end(self) -> Assessment {
        match (self.is_invalid, self.refusal, self.warning) {
            (true, ..) | (false, None, None) => Assessment::Compatible,
            (false, Some(refusal), _) => Assessment::Refuse(refusal),
            (false, None, Some(warning)) => Assessment::Warn(warning),
        }
    }

    /// Makes all comparisons, one after the other, and returns what follows from them.
    #[must_use]
    pub fn assess(mut self, kept: &KeptVersions) -> Assessment {
        self.compare_all(kept);
        self.end()
    }

    /// Makes all comparisons, one after the other.
    pub fn compare_all(&mut self, kept: &KeptVersions) {
        if let Some(step) = self.last() {
            self.compare(&step);
        }
        for (revision, version) in &kept.versions {
            if !self.needs_kept() {
                break;
            }
            let step = self.kept(*revision, version.clone());
            self.compare(&step);
        }
        if self.needs_kept() {
            self.missing(&kept.missing);
        }
    }

    fn compare(&mut self, step: &Step) {
        for policy in &step.policies {
            if !self.record(step.revision, *policy, step.pair.compare(policy.level)) {
                break;
            }
        }
    }

    /// Whether anything can still follow from a comparison.
    fn is_open(&self) -> bool {
        self.refusal.is_none() && !self.is_invalid && self.exhausted < MOST_EXHAUSTED
    }

    fn warn(&mut self, warning: impl FnOnce() -> String) {
        self.warning.get_or_insert_with(warning);
    }
}

/// The comparison with one version, by some policies.
#[derive(Debug)]
pub struct Step {
    /// What is compared.
    pub pair: Pair,
    /// The revision that the old version is; `None`: it is the one that is replaced.
    pub revision: Option<i64>,
    /// The policies, each of which asks for a comparison at its level.
    pub policies: Vec<Policy>,
}

/// The name of an old version.
fn named(revision: Option<i64>) -> String {
    revision.map_or("the old schema".to_owned(), |number| format!("revision {number}"))
}
