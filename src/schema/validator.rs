//! The validator of a document, as jsonschema makes it.

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use referencing::SPECIFICATIONS;
use serde_json::json;

use super::{
    InvalidSchema,
    document::Document,
    messages,
    patterns::{Patterns, ecma},
    rewrite::{self, Rewriter, Unit},
    shortened,
};

/// Checks a document by the meta-schemas of its drafts and compiles it.
pub(super) fn build(
    document: &Document<'_>,
    patterns: &Patterns,
    format_assertion: bool,
) -> Result<Validator, InvalidSchema> {
    let rewriter = Rewriter::new(document, patterns);
    for unit in rewriter.declared() {
        check(&unit, patterns)?;
    }
    let units = rewriter.judged();
    let Some(root) = units.first() else {
        return Err(InvalidSchema::Limit("expected a JSON Schema: an object".to_owned()));
    };
    // What is in a registry is not checked by a meta-schema again, which would refuse patterns that are not ECMA-262's.
    let registry = SPECIFICATIONS
        .extend(units.iter().map(|unit| (unit.uri.as_str(), unit.draft.create_resource_ref(&unit.value))))
        .and_then(|registry| registry.prepare())
        .map_err(|error| InvalidSchema::Limit(shortened(&error.to_string())))?;
    jsonschema::options()
        .with_draft(root.draft)
        .should_validate_formats(format_assertion)
        .with_format("regex", ecma::is_regex)
        // Linear time: a payload cannot make a pattern backtrack forever.
        .with_pattern_options(PatternOptions::regex())
        .offline()
        .with_registry(&registry)
        .with_base_uri("json-schema:///entry")
        .build(&json!({ "$ref": root.uri }))
        .map_err(|error| invalid(&error, "", patterns))
}

/// Checks a unit by the meta-schema of its draft.
fn check(unit: &Unit, patterns: &Patterns) -> Result<(), InvalidSchema> {
    let meta = match unit.draft {
        Draft::Draft4 => jsonschema::draft4::meta::validator(),
        Draft::Draft6 => jsonschema::draft6::meta::validator(),
        Draft::Draft7 => jsonschema::draft7::meta::validator(),
        Draft::Draft201909 => jsonschema::draft201909::meta::validator(),
        _ => jsonschema::draft202012::meta::validator(),
    };
    meta.validate(&unit.value).map_err(|error| invalid(&error, &unit.pointer, patterns))
}

fn invalid(error: &ValidationError<'_>, within: &str, patterns: &Patterns) -> InvalidSchema {
    let pointer = format!("{within}{}", rewrite::original_pointer(error.instance_path().as_str()));
    let message = match pointer.rsplit('/').next() {
        // The meta-schema's own words name no type.
        Some("type") => shortened(&format!(
            "found {}, expected array, boolean, integer, null, number, object or string, or a list of these",
            error.instance()
        )),
        _ => shortened(&messages::of_schema(error, patterns)),
    };
    InvalidSchema::Invalid { pointer: if pointer.is_empty() { "/".to_owned() } else { pointer }, message }
}
