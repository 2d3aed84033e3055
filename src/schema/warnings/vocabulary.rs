//! The keywords of JSON Schema by draft, and what was probably meant by one that none has.

use jsonschema::Draft;

/// A keyword that changes what a schema accepts.
pub(super) struct Keyword {
    pub name: &'static str,
    pub first: Draft,
    pub last: Draft,
    /// What to write in a draft that does not have it, if there is something.
    pub instead: Option<&'static str>,
}

const fn keyword(
    name: &'static str,
    (first, last): (Draft, Draft),
    instead: Option<&'static str>,
) -> Keyword {
    Keyword { name, first, last, instead }
}

const EVERY: (Draft, Draft) = (Draft::Draft4, Draft::Draft202012);
const FROM_6: (Draft, Draft) = (Draft::Draft6, Draft::Draft202012);
const FROM_7: (Draft, Draft) = (Draft::Draft7, Draft::Draft202012);
const FROM_2019: (Draft, Draft) = (Draft::Draft201909, Draft::Draft202012);
const ONLY_2019: (Draft, Draft) = (Draft::Draft201909, Draft::Draft201909);
const FROM_2020: (Draft, Draft) = (Draft::Draft202012, Draft::Draft202012);

pub(super) const KEYWORDS: [Keyword; 53] = [
    keyword("$ref", EVERY, None),
    keyword("type", EVERY, None),
    keyword("enum", EVERY, None),
    keyword("multipleOf", EVERY, None),
    keyword("maximum", EVERY, None),
    keyword("exclusiveMaximum", EVERY, None),
    keyword("minimum", EVERY, None),
    keyword("exclusiveMinimum", EVERY, None),
    keyword("maxLength", EVERY, None),
    keyword("minLength", EVERY, None),
    keyword("pattern", EVERY, None),
    keyword("items", EVERY, None),
    keyword("maxItems", EVERY, None),
    keyword("minItems", EVERY, None),
    keyword("uniqueItems", EVERY, None),
    keyword("maxProperties", EVERY, None),
    keyword("minProperties", EVERY, None),
    keyword("required", EVERY, None),
    keyword("properties", EVERY, None),
    keyword("patternProperties", EVERY, None),
    keyword("additionalProperties", EVERY, None),
    keyword("dependencies", EVERY, None),
    keyword("allOf", EVERY, None),
    keyword("anyOf", EVERY, None),
    keyword("oneOf", EVERY, None),
    keyword("not", EVERY, None),
    keyword("definitions", EVERY, None),
    keyword("format", EVERY, None),
    // These two name parts in every draft here.
    keyword("$defs", EVERY, None),
    keyword("$anchor", EVERY, None),
    keyword("additionalItems", (Draft::Draft4, Draft::Draft201909), Some("items together with prefixItems")),
    keyword("$id", EVERY, None),
    keyword("const", FROM_6, Some("an enum of one value")),
    keyword("contains", FROM_6, None),
    keyword("propertyNames", FROM_6, None),
    keyword("contentEncoding", FROM_6, None),
    keyword("contentMediaType", FROM_6, None),
    keyword("if", FROM_7, None),
    keyword("then", FROM_7, None),
    keyword("else", FROM_7, None),
    keyword("dependentRequired", FROM_2019, Some("dependencies")),
    keyword("dependentSchemas", FROM_2019, Some("dependencies")),
    keyword("maxContains", FROM_2019, None),
    keyword("minContains", FROM_2019, None),
    keyword("unevaluatedItems", FROM_2019, None),
    keyword("unevaluatedProperties", FROM_2019, None),
    keyword("$recursiveRef", ONLY_2019, Some("$dynamicRef")),
    keyword("$recursiveAnchor", ONLY_2019, Some("$dynamicAnchor")),
    keyword("prefixItems", FROM_2020, Some("items with a list")),
    keyword("$dynamicRef", FROM_2020, None),
    keyword("$dynamicAnchor", FROM_2020, None),
    keyword("$schema", EVERY, None),
    keyword("contentSchema", EVERY, None),
];

/// Keywords of drafts before the fourth, and what took their place.
const FORMER: [(&str, &str); 3] = [("divisibleBy", "multipleOf"), ("extends", "allOf"), ("disallow", "not")];

/// Annotations, and names that tools use and that are near a keyword by chance.
const SILENT: [&str; 21] = [
    "title",
    "description",
    "default",
    "examples",
    "example",
    "$comment",
    "readOnly",
    "writeOnly",
    "deprecated",
    "$vocabulary",
    "nullable",
    "discriminator",
    "xml",
    "externalDocs",
    "cost",
    "note",
    "form",
    "schema",
    "container",
    "content",
    "id",
];

/// A keyword by its name.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// What took the place of a keyword of an earlier draft.
pub(super) fn successor(name: &str) -> Option<&'static str> {
    FORMER.iter().find(|(former, _)| *former == name).map(|(_, successor)| *successor)
}

/// The keyword that was probably meant by a name that is none.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let is_custom = name.starts_with("x-") || name.contains([':', '.', '/', '@']) || name.len() > 64;
    if is_custom || SILENT.contains(&name) {
        return None;
    }
    if name == "property" {
        return Some("properties");
    }
    let plain = plain(name);
    let names = || KEYWORDS.iter().map(|keyword| keyword.name);
    names().find(|keyword| self::plain(keyword) == plain).or_else(|| {
        let near =
            names().filter(|keyword| keyword.starts_with(|c| name.starts_with(c))).filter_map(|keyword| {
                let most = match keyword.len() {
                    0..=3 => 0,
                    4..=8 => 1,
                    9..=12 => 2,
                    _ => 3,
                };
                let distance = strsim::osa_distance(&self::plain(keyword), &plain);
                (distance <= most).then_some((distance, keyword))
            });
        near.min().map(|(_, keyword)| keyword)
    })
}

/// A name without what only its spelling has.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '$' | '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// A draft as people call it.
pub(super) fn draft_name(draft: Draft) -> &'static str {
    match draft {
        Draft::Draft4 => "Draft 4",
        Draft::Draft6 => "Draft 6",
        Draft::Draft7 => "Draft 7",
        Draft::Draft201909 => "2019-09",
        _ => "2020-12",
    }
}

/// The address of a draft.
pub(super) fn draft_address(draft: Draft) -> &'static str {
    match draft {
        Draft::Draft4 => "http://json-schema.org/draft-04/schema#",
        Draft::Draft6 => "http://json-schema.org/draft-06/schema#",
        Draft::Draft7 => "http://json-schema.org/draft-07/schema#",
        Draft::Draft201909 => "https://json-schema.org/draft/2019-09/schema",
        _ => "https://json-schema.org/draft/2020-12/schema",
    }
}
