//! The verdicts of `jsonschema::canonical`, which decides whether one schema covers another in a different way.

use jsonschema::canonical::{Containment, options};
use serde_json::Value;

use crate::schema::{
    draft::draft,
    evolution::{Verdict, with_stack},
};

/// Whether the old schema permits all that the new one permits; `None` where that is not decided.
pub fn covers(schemas: &[Value; 2], format_assertion: bool) -> Option<bool> {
    let schemas = schemas.clone();
    let decide = move || {
        let [old, new] = schemas.map(|schema| {
            let options = options().offline().with_draft(draft(&schema).ok()?);
            options.should_validate_formats(format_assertion).canonicalize(&schema).ok()
        });
        match old?.covers(&new?).ok()? {
            Containment::Yes => Some(true),
            Containment::No => Some(false),
            Containment::Unknown => None,
        }
    };
    // Some pairs take more stack than the thread of a test has.
    std::panic::catch_unwind(|| with_stack(decide)).ok().flatten().flatten()
}

/// Finds a verdict of ours that contradicts one of the other's.
pub fn contradiction(schemas: &[Value; 2], format_assertion: bool, verdict: &Verdict) -> Option<String> {
    let covers = covers(schemas, format_assertion)?;
    match (verdict, covers) {
        (Verdict::Safe | Verdict::Empty, false) => Some("ours: safe; canonical: not covered".to_owned()),
        (Verdict::Breaking(breaking), true) => {
            Some(format!("ours: breaking by {}; canonical: covered", breaking.witness))
        }
        (Verdict::NotDecided { .. }, covers) => {
            println!("only canonical decides ({covers}): {} {}", schemas[0], schemas[1]);
            None
        }
        _ => None,
    }
}
