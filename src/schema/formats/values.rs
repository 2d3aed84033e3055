//! Identifiers, pointers, encoded bytes, and the integers of OpenAPI.

use base64::{
    Engine as _, alphabet,
    engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig},
};
use jsonschema::{
    Keyword, ValidationError,
    json::{JsonNumber as _, Node as _},
    paths::Location,
};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::schema::instance::{Instance, Metered};

/// RFC 9562: five groups of hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// RFC 6901.
pub(super) fn is_json_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/')) && has_escapes_of_pointers(text)
}

/// In a pointer, `~` stands before `0` or `1` alone.
fn has_escapes_of_pointers(text: &str) -> bool {
    text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

/// RFC 6901, section 6.
pub(super) fn is_json_pointer_fragment(text: &str) -> bool {
    let Some(pointer) = text.strip_prefix('#') else { return false };
    referencing::UriRef::parse(text).is_ok() && is_json_pointer(pointer)
}

/// The draft of relative JSON pointers: a number without leading zeros, then a pointer or `#`.
pub(super) fn is_relative_json_pointer(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let is_number = number == "0" || (!number.is_empty() && !number.starts_with('0'));
    is_number && (rest == "#" || is_json_pointer(rest))
}

/// RFC 4648 with padding. It lets a decoder refuse bits behind the last byte; this one does not.
pub(super) fn is_base64(text: &str) -> bool {
    const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
    BASE64.decode(text).is_ok()
}

/// JSON, of which no tree is made.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The keyword that takes the place of `format: int32` and `format: int64`: formats of jsonschema are of strings alone.
pub(in crate::schema) const INTEGER_KEYWORD: &str = "x-svix-operator-integer";

/// The number of bits of an integer format.
pub(in crate::schema) fn integer_size(format: &str) -> Option<u8> {
    match format {
        "int32" => Some(32),
        "int64" => Some(64),
        _ => None,
    }
}

/// Makes the keyword.
pub(in crate::schema) fn integer_keyword<'a>(
    _: &'a Map<String, Value>,
    bits: &'a Value,
    _: Location,
) -> Result<Box<dyn for<'i> Keyword<'i, Metered>>, ValidationError<'a>> {
    Ok(Box::new(Integer { is_32: bits == &Value::from(32) }))
}

struct Integer {
    is_32: bool,
}

impl<'i> Keyword<'i, Metered> for Integer {
    fn validate(&self, instance: Instance<'i>) -> Result<(), ValidationError<'i>> {
        match Keyword::is_valid(self, instance) {
            true => Ok(()),
            false if self.is_32 => Err(ValidationError::custom("an integer of 32 bits (format int32)")),
            false => Err(ValidationError::custom("an integer of 64 bits (format int64)")),
        }
    }

    fn is_valid(&self, instance: Instance<'i>) -> bool {
        let Some(number) = instance.as_number() else { return true };
        let integer = match number.as_i64() {
            Some(integer) => Some(integer),
            // Beyond 64 bits, or written with a point or an exponent.
            None => {
                number.decimal().and_then(|decimal| decimal.to_i128()).and_then(|it| i64::try_from(it).ok())
            }
        };
        integer.is_some_and(|integer| !self.is_32 || i32::try_from(integer).is_ok())
    }
}
