//! The result of a check: the findings, and what was read.

use std::collections::HashSet;

use serde::Serialize;

use crate::manifests::{Loaded, Located, ObjectId};

use super::finding::{Finding, Keyed, Rule, Severity, id_of};

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The findings, by position.
    pub findings: Vec<Finding>,
    /// The objects of our kinds without a mistake that hides them, each with its file.
    pub objects: Vec<(ObjectId, String)>,
    /// The totals.
    pub totals: Totals,
    /// What a reader should know of the check as a whole.
    pub notes: Vec<String>,
}

/// What was read, and what was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Files, and other inputs.
    pub files: usize,
    /// Objects that were checked: those of our kinds, and ConfigMaps, Secrets and Namespaces.
    pub objects: usize,
    /// Those of our kinds among them.
    pub resources: usize,
    /// Payload files that were checked.
    pub payloads: usize,
    /// Objects of other kinds, which were left out.
    pub left_out: usize,
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Warnings that were accepted, and are not in the findings.
    pub accepted: usize,
}

impl Report {
    pub(super) fn new(loaded: &Loaded, payloads: usize, findings: Vec<Finding>, accepted: usize) -> Self {
        let broken: HashSet<_> =
            loaded.problems.iter().filter_map(|problem| problem.object.as_ref()).collect();
        let is_of_kubernetes = |kind: &str| ["ConfigMap", "Secret", "Namespace"].contains(&kind);
        let broken_resources = broken.iter().filter(|id| !is_of_kubernetes(&id.kind)).count();
        let resources = loaded.connections.len()
            + loaded.event_types.len()
            + loaded.endpoints.len()
            + loaded.events.len()
            + broken_resources;
        let others = loaded.config_maps.len() + loaded.secrets.len() + loaded.namespaces.len();
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        let totals = Totals {
            files: loaded.files,
            objects: resources + others + broken.len() - broken_resources,
            resources,
            payloads,
            left_out: loaded.left_out,
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            accepted,
        };
        let mut objects = Vec::with_capacity(resources);
        add(&loaded.connections, &mut objects);
        add(&loaded.event_types, &mut objects);
        add(&loaded.endpoints, &mut objects);
        add(&loaded.events, &mut objects);
        Self { findings, objects, totals, notes: Vec::new() }
    }

    /// Whether a schema changes as its compatibility level forbids.
    #[must_use]
    pub fn is_incompatible(&self) -> bool {
        let is_forbidden =
            |finding: &Finding| finding.rule == Rule::Compatibility && finding.severity == Severity::Error;
        self.findings.iter().any(is_forbidden)
    }

    /// Whether there is an error, or with `strict` a warning.
    #[must_use]
    pub fn has_findings(&self, strict: bool) -> bool {
        self.totals.errors > 0 || (strict && self.totals.warnings > 0)
    }
}

fn add<T: Keyed>(all: &[Located<T>], objects: &mut Vec<(ObjectId, String)>) {
    objects.extend(all.iter().map(|located| (id_of(&located.object.key()), located.origin.file.to_string())));
}
