//! The validator of a document, as jsonschema makes it.

use jsonschema::{Draft, PatternOptions, ValidationError, Validator, meta::MetaValidator};
use referencing::SPECIFICATIONS;
use serde_json::json;

use super::{
    bounds,
    document::Document,
    error::{InvalidSchema, beyond},
    formats,
    instance::Metered,
    messages,
    patterns::{self, Patterns},
    rewrite::{self, Rewriter, Unit},
    size,
    text::shortened,
};

/// Most bytes of all references, as the validator gets them.
const MAX_REFERENCES: usize = 8 * 1024 * 1024;
/// Most values that are checked once more to find the place of an error.
const MAX_VALUES: usize = 500_000;

/// Checks a document by the meta-schemas of its drafts and compiles it.
pub(super) fn build(
    document: &Document<'_>,
    patterns: &Patterns,
    format_assertion: bool,
) -> Result<Validator<Metered>, InvalidSchema> {
    let rewriter = Rewriter::new(document, patterns, format_assertion);
    for Unit { draft, value, pointer, .. } in rewriter.declared() {
        let meta = meta_schema(draft);
        if let Err(error) = meta.validate(&value) {
            return Err(deepest_wrong(document, &rewriter, patterns)
                .unwrap_or_else(|| invalid(&error, &pointer, patterns)));
        }
    }
    if rewriter.has_longer_references(MAX_REFERENCES) {
        return Err(beyond(format!(
            "the references of the schema have more than {MAX_REFERENCES} bytes as JSON Pointers; use shorter keys, or \
             fewer references"
        )));
    }
    let units = rewriter.judged();
    let Some(root) = units.first() else {
        return Err(beyond("expected a JSON Schema: an object"));
    };
    // What is in a registry is not checked by a meta-schema again, which would refuse patterns that are not ECMA-262's.
    let registry = SPECIFICATIONS
        .extend(units.iter().map(|unit| (unit.uri.as_str(), unit.draft.create_resource_ref(&unit.value))))
        .and_then(|registry| registry.prepare())
        .map_err(|error| beyond(shortened(&error.to_string())))?;
    let drafts: Vec<Draft> = units.iter().map(|unit| unit.draft).collect();
    let mut options = formats::register(jsonschema::options_for::<Metered>(), &drafts)
        .with_keyword("pattern", patterns::factory(patterns.originals()));
    for name in bounds::KEYWORDS {
        options = options.with_keyword(name, bounds::keyword(name));
    }
    options
        .with_draft(root.draft)
        .should_validate_formats(format_assertion)
        // Linear time: a payload cannot make a pattern backtrack forever.
        .with_pattern_options(PatternOptions::regex().dfa_size_limit(patterns::TABLE))
        .offline()
        .with_registry(&registry)
        .with_base_uri("json-schema:///entry")
        .build(&json!({ "$ref": root.uri }))
        .map_err(|error| invalid(&error, "", patterns))
}

fn meta_schema(draft: Draft) -> MetaValidator<'static> {
    match draft {
        Draft::Draft4 => jsonschema::draft4::meta::validator(),
        Draft::Draft6 => jsonschema::draft6::meta::validator(),
        Draft::Draft7 => jsonschema::draft7::meta::validator(),
        Draft::Draft201909 => jsonschema::draft201909::meta::validator(),
        _ => jsonschema::draft202012::meta::validator(),
    }
}

/// What is wrong with the deepest subschema that is. Where a keyword takes a schema or a list of them, the meta-schema
/// says of what is around it that it is neither.
fn deepest_wrong(
    document: &Document<'_>,
    rewriter: &Rewriter<'_, '_>,
    patterns: &Patterns,
) -> Option<InvalidSchema> {
    let all = document.subschemas.iter().enumerate().filter(|(_, it)| document.is_inside(it));
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|(_, subschema)| std::cmp::Reverse(subschema.pointer.matches('/').count()));
    let mut values = 0;
    let all = all.into_iter().take_while(|(_, subschema)| {
        values += size::values(subschema.value);
        values < MAX_VALUES
    });
    let mut all = all;
    all.find_map(|(node, subschema)| {
        let part = rewriter.declared_part(node);
        let error = meta_schema(subschema.draft).validate(&part).err()?.to_owned();
        Some(invalid(&error, &subschema.pointer, patterns))
    })
}

fn invalid(error: &ValidationError<'_>, within: &str, patterns: &Patterns) -> InvalidSchema {
    let pointer = format!("{within}{}", rewrite::original_pointer(error.instance_path().as_str()));
    let message = match pointer.rsplit('/').next() {
        // The meta-schema's own words name no type.
        Some("type") => shortened(&format!(
            "found {}, expected array, boolean, integer, null, number, object or string, or a list of these",
            error.instance()
        )),
        Some("exclusiveMaximum" | "exclusiveMinimum") if error.instance().is_boolean() => format!(
            "found {}, expected a number; a boolean here is of Draft 4 and OpenAPI 3.0: give the bound itself, and remove \
             the other one",
            error.instance()
        ),
        _ => shortened(&messages::of_schema(error, patterns)),
    };
    InvalidSchema::Invalid { pointer, message }
}

#[cfg(test)]
mod tests;
