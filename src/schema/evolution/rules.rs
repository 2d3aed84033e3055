//! The rules of a schema as its author wrote them, for keywords of the model.

use serde_json::Value;

use super::{
    model::Keyword,
    read::{RawId, Read},
    verdict::Rule,
};
use crate::schema::{pointer::push_part, text::short};

/// The names that a keyword of the model has in schemas, likely ones first.
pub(super) fn names(keyword: &Keyword) -> &'static [&'static str] {
    match keyword {
        Keyword::Never => &["not"],
        Keyword::Types(_) => &["type"],
        Keyword::Enum(_) => &["enum", "const"],
        Keyword::AllOf(_) => &["allOf", "$ref"],
        Keyword::AnyOf(_) => &["anyOf", "oneOf", "unevaluatedProperties", "unevaluatedItems"],
        Keyword::AtMostOne(_) => &["oneOf"],
        Keyword::Not(_) => &["not"],
        Keyword::If { .. } => &["if"],
        Keyword::Minimum { .. } => &["minimum", "exclusiveMinimum", "format"],
        Keyword::Maximum { .. } => &["maximum", "exclusiveMaximum", "format"],
        Keyword::MultipleOf(_) => &["multipleOf", "format"],
        Keyword::MinLength(_) => &["minLength"],
        Keyword::MaxLength(_) => &["maxLength"],
        Keyword::Pattern(_) => &["pattern"],
        Keyword::Facet(_) => &["format", "contentEncoding", "contentMediaType"],
        Keyword::MinItems(_) => &["minItems"],
        Keyword::MaxItems(_) => &["maxItems"],
        Keyword::UniqueItems => &["uniqueItems"],
        Keyword::Items { .. } => &["items", "prefixItems", "additionalItems"],
        Keyword::Contains { .. } => &["contains", "minContains", "maxContains"],
        Keyword::MinProperties(_) => &["minProperties"],
        Keyword::MaxProperties(_) => &["maxProperties"],
        Keyword::Required(_) => &["required"],
        Keyword::Properties(_) => &["properties", "patternProperties", "additionalProperties"],
        Keyword::PropertyNames(_) => &["propertyNames"],
        Keyword::Dependent { .. } => &["dependencies", "dependentRequired", "dependentSchemas"],
        Keyword::Other { .. } => &[],
    }
}

/// The rule of a raw node that has one of some names.
pub(super) fn rule(read: &Read, schema: &Value, raw: RawId, names: &[&str]) -> Option<Rule> {
    let mut pointer = read.raw[raw].pointer.to_string();
    let map = schema.pointer(&pointer)?.as_object()?;
    let (keyword, value) = names.iter().find_map(|name| Some((*name, map.get(*name)?)))?;
    push_part(&mut pointer, keyword);
    Some(Rule { pointer, keyword: keyword.to_owned(), value: short(value) })
}

/// The rule of a raw node for a member.
pub(super) fn member_rule(read: &Read, schema: &Value, raw: RawId, name: &str) -> Option<Rule> {
    let mut pointer = read.raw[raw].pointer.to_string();
    push_part(&mut pointer, "properties");
    push_part(&mut pointer, name);
    let value = short(schema.pointer(&pointer)?);
    Some(Rule { pointer, keyword: "properties".to_owned(), value })
}
