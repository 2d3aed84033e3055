//! The formats that are enforced, in every draft: those of JSON Schema, and further ones of ajv-formats.
//!
//! jsonschema has the formats of each draft. Where a draft lacks one, and where jsonschema has none, the check is here.

mod time;
mod url;
mod values;

use std::sync::{Arc, LazyLock};

use jsonschema::{Draft, EmailOptions, Retrieve, ValidationOptions, Validator};
use serde_json::{Value, json};

use super::{
    document::{Document, Subschema},
    instance::Metered,
    patterns::ecma,
};
pub(super) use values::{INTEGER_KEYWORD, integer_keyword, integer_size};

/// A format that is known.
pub(super) struct Format {
    pub name: &'static str,
    check: Check,
}

/// How a format is checked.
#[derive(Clone, Copy)]
enum Check {
    /// By a function.
    By(fn(&str) -> bool),
    /// By jsonschema in the newest draft.
    Newest,
    /// Numbers, by a keyword of ours.
    Integer,
    /// Nothing is wrong: the format says how a value is to be shown or stored.
    Nothing,
}

const fn format(name: &'static str, check: Check) -> Format {
    Format { name, check }
}

/// All formats that are known.
pub(super) const FORMATS: [Format; 30] = [
    format("date-time", Check::Newest),
    format("date", Check::Newest),
    format("time", Check::Newest),
    format("duration", Check::By(time::is_duration)),
    format("email", Check::Newest),
    format("idn-email", Check::Newest),
    format("hostname", Check::Newest),
    format("idn-hostname", Check::Newest),
    format("ipv4", Check::Newest),
    format("ipv6", Check::Newest),
    format("uri", Check::Newest),
    format("uri-reference", Check::By(url::is_uri_reference)),
    format("iri", Check::By(url::is_iri)),
    format("iri-reference", Check::By(url::is_iri_reference)),
    format("uri-template", Check::Newest),
    format("uuid", Check::By(values::is_uuid)),
    format("json-pointer", Check::By(values::is_json_pointer)),
    format("relative-json-pointer", Check::By(values::is_relative_json_pointer)),
    format("regex", Check::By(ecma::is_regex)),
    // Of ajv-formats.
    format("url", Check::By(url::is_url)),
    format("iso-time", Check::By(time::is_iso_time)),
    format("iso-date-time", Check::By(time::is_iso_date_time)),
    format("json-pointer-uri-fragment", Check::By(values::is_json_pointer_fragment)),
    format("byte", Check::By(values::is_base64)),
    format("int32", Check::Integer),
    format("int64", Check::Integer),
    format("float", Check::Nothing),
    format("double", Check::Nothing),
    format("password", Check::Nothing),
    format("binary", Check::Nothing),
];

/// The most work that checking a text for a format or an encoding is in a schema, in sixteenths of a step for each byte.
pub(super) fn weight(document: &Document<'_>) -> u64 {
    let weight = |subschema: &Subschema<'_>| {
        let format = subschema.value.get("format").and_then(Value::as_str);
        let format = match format.and_then(|name| FORMATS.iter().find(|format| format.name == name)) {
            Some(Format { name: "idn-hostname" | "idn-email" | "regex", .. }) => 80,
            Some(_) => 16,
            None => 0,
        };
        let is_encoded =
            ["contentEncoding", "contentMediaType"].iter().any(|key| subschema.value.get(key).is_some());
        format.max(if is_encoded { 16 } else { 0 })
    };
    document.subschemas.iter().map(weight).max().unwrap_or_default()
}

/// Whether a format is known.
pub(super) fn is_known(name: &str) -> bool {
    FORMATS.iter().any(|format| format.name == name)
}

/// Whether a format is checked where formats are enforced, as a property of strings.
pub(super) fn is_enforced(name: &str) -> bool {
    FORMATS.iter().any(|format| format.name == name && matches!(format.check, Check::By(_) | Check::Newest))
}

/// The options of a validator of payloads.
pub(super) type Options<'i> = ValidationOptions<'i, Arc<dyn Retrieve>, Metered>;

/// Has a validator check the formats that it would not check by itself in one of the drafts.
pub(super) fn register<'i>(mut options: Options<'i>, drafts: &[Draft]) -> Options<'i> {
    options = options
        .with_email_options(EmailOptions::default().without_display_text())
        .with_content_media_type(JSON_MEDIA_TYPE, values::is_json)
        .with_keyword(INTEGER_KEYWORD, integer_keyword);
    for Format { name, check } in FORMATS {
        // A regular expression is what `ecma` reads, in every draft.
        let is_built_in = name != "regex" && drafts.iter().all(|draft| options.is_known_format(*draft, name));
        options = match check {
            _ if is_built_in => options,
            Check::By(check) => options.with_format(name, check),
            Check::Newest => match newest(name) {
                Some(validator) => options
                    .with_format(name, move |text: &str| validator.is_valid(&Value::String(text.to_owned()))),
                None => options,
            },
            Check::Integer | Check::Nothing => options,
        };
    }
    options
}

/// A validator of one format as the newest draft has it.
fn newest(name: &str) -> Option<&'static Validator> {
    static NEWEST: LazyLock<Vec<(&'static str, Validator)>> = LazyLock::new(|| {
        let names =
            FORMATS.iter().filter(|format| matches!(format.check, Check::Newest)).map(|format| format.name);
        let build = |name: &'static str| {
            let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
            options.build(&json!({ "format": name })).ok().map(|validator| (name, validator))
        };
        names.filter_map(build).collect()
    });
    NEWEST.iter().find(|(known, _)| *known == name).map(|(_, validator)| validator)
}

/// Content encodings that are enforced where formats are, in the drafts that have them as assertions.
pub(super) const ENCODINGS: [&str; 5] = ["base64", "base64url", "base32", "base32hex", "base16"];
/// Content encodings that change nothing.
pub(super) const IDENTITIES: [&str; 3] = ["7bit", "8bit", "binary"];
/// The media type that is enforced with them.
pub(super) const JSON_MEDIA_TYPE: &str = "application/json";

#[cfg(test)]
mod tests;
