//! Checks manifests without a cluster and without Svix: everything that an API server and the admission webhook would
//! refuse or warn of, with its position in the files.
//!
//! The way of a check:
//!
//! 1. [`manifests::load_all`] reads the files, and checks each object as an API server does.
//! 2. [`known`] makes what the admission webhook would know of a cluster from the objects that were read.
//! 3. [`objects`] runs the webhook's rules on each object, and [`references`] checks what objects refer to.
//! 4. [`compatibility`] compares schemas with those of earlier manifests.
//! 5. [`payloads`] checks payload files against event types.
//! 6. [`acceptance`] takes out the warnings that were accepted.
//! 7. The result is a [`Report`]; [`output`] formats it.
//!
//! What was not read is not known to be missing: a connection, a Secret or a ConfigMap may be in the cluster, or in another
//! repository. So an object that refers to such a one is not refused for it.

pub mod acceptance;
mod compatibility;
mod finding;
mod known;
mod objects;
pub mod output;
mod payloads;
mod references;
mod report;

use std::collections::HashSet;

use crate::manifests::{self, Input, Loaded, SourceMap};

use acceptance::Acceptances;
use finding::Unplaced;
pub use finding::{Finding, Rule, STANDARD_INPUT, Severity};
pub use payloads::{Payload, PayloadFile};
pub use report::{Report, Totals};

/// What to check.
#[derive(Debug, Default)]
pub struct Options {
    /// Payloads to check against an event type.
    pub payloads: Vec<PayloadFile>,
    /// The warnings that were accepted.
    pub acceptances: Acceptances,
    /// Earlier manifests, which changes of schemas are compared with.
    pub base: Option<Loaded>,
}

/// Checks the manifests in these inputs. Reads files, so it blocks.
#[must_use]
pub fn validate(inputs: &[Input], options: &Options) -> Report {
    let loaded = manifests::load_all(inputs);
    let texts = loaded.config_map_texts();
    let mut sources = SourceMap::new(&loaded).with_texts(inputs);
    let known = known::known(&loaded, &texts, options.payloads.iter().map(PayloadFile::event_type));
    let mut findings: Vec<Finding> = loaded.problems.iter().cloned().map(Finding::error).collect();
    findings.extend(loaded.warnings.iter().cloned().map(Finding::warning));
    findings.extend(locate(&mut sources, objects::check(&loaded, &known)));
    findings.extend(locate(&mut sources, references::check(&loaded, &texts, &known)));
    let mut notes = Vec::new();
    if let Some(base) = &options.base {
        let (changes, last_only) = compatibility::check(&loaded, &texts, &known, base);
        findings.extend(locate(&mut sources, changes));
        notes.extend((last_only > 0).then(|| crate::plan::compatibility::last_only(last_only)));
    }
    findings.extend(options.payloads.iter().flat_map(|file| payloads::check(file, &known, &loaded)));
    findings.sort();
    // The rules of admission repeat some of those that the reading of manifests has.
    findings.dedup_by(|second, first| first.is_same(second));
    remove_warnings_of_errors(&mut findings);
    let accepted = options.acceptances.apply(&mut findings);
    Report { notes, ..Report::new(&loaded, options.payloads.len(), findings, accepted) }
}

/// Removes the warnings about fields that have an error: a field that is corrected is checked again.
fn remove_warnings_of_errors(findings: &mut Vec<Finding>) {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let fields: HashSet<_> =
        errors.filter_map(|error| Some((error.object.clone()?, error.pointer.clone()))).collect();
    findings.retain(|finding| {
        let is_field = !finding.pointer.is_root() && finding.severity == Severity::Warning;
        let object = finding.object.as_ref().filter(|_| is_field);
        object.is_none_or(|object| !fields.contains(&(object.clone(), finding.pointer.clone())))
    });
}

/// Returns the findings with their positions.
fn locate(sources: &mut SourceMap, findings: Vec<Unplaced>) -> impl Iterator<Item = Finding> {
    findings.into_iter().filter_map(|Unplaced { key, severity, rule, pointer, message }| {
        let position = sources.position(&key, &pointer)?;
        Some(Finding { position, object: Some(finding::id_of(&key)), pointer, severity, rule, message })
    })
}
