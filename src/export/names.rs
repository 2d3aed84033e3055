//! Names of objects in Kubernetes for names in Svix.
//!
//! Svix accepts letters of both cases, digits, `-`, `_` and `.`, up to 256 of them; Kubernetes accepts a DNS subdomain. A name
//! that is one stays as it is. Any other becomes `x--` and its characters: `-` stands for `_`, `z` and a letter for the upper-case
//! letter, and `x` and two hexadecimal digits for any other character that cannot stand there (also for `x`, `z` and `-` itself).
//! So no two names become the same, and [`original`] reads the name back. What would be longer than [`MAX_NAME`] is cut and
//! ends with a digest of the name, behind `h--`; the spec has the name in any case.

use std::fmt::Write as _;

use crate::plan::{digest::Digest, object_name::is_subdomain};

/// Longest name of an object that is made here. With the extension of a file it fits into the name of a file.
pub const MAX_NAME: usize = 240;

const ENCODED: &str = "x--";
const DIGESTED: &str = "h--";

/// Returns the name of an object for a name in Svix.
#[must_use]
pub fn object_name(name: &str) -> String {
    shortened(encode(name, Dots::Kept), name)
}

/// Returns the name of an object for an endpoint: that of its application, in which dots are encoded, a dot, and that of its
/// uid or id.
#[must_use]
pub fn endpoint_name(application: &str, endpoint: &str) -> String {
    let name = format!("{}.{}", encode(application, Dots::Encoded), encode(endpoint, Dots::Kept));
    // No name in Svix has a slash.
    shortened(name, &format!("{application}/{endpoint}"))
}

/// Returns the name in Svix that became this name of an object; `None`: it was cut, or was not made here.
#[must_use]
pub fn original(name: &str) -> Option<String> {
    let Some(encoded) = name.strip_prefix(ENCODED) else {
        return (!name.starts_with(DIGESTED)).then(|| name.to_owned());
    };
    let mut original = String::new();
    let mut characters = encoded.chars();
    while let Some(character) = characters.next() {
        original.push(match character {
            '-' => '_',
            'z' => characters.next()?.to_ascii_uppercase(),
            'x' => {
                let digits: String = characters.by_ref().take(2).collect();
                char::from(u8::from_str_radix(&digits, 16).ok()?)
            }
            other => other,
        });
    }
    Some(original)
}

/// What becomes of dots.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dots {
    Kept,
    Encoded,
}

fn encode(name: &str, dots: Dots) -> String {
    let is_as_it_is = is_subdomain(name)
        && !name.starts_with(ENCODED)
        && !name.starts_with(DIGESTED)
        && (dots == Dots::Kept || !name.contains('.'));
    if is_as_it_is {
        return name.to_owned();
    }
    let bytes = name.as_bytes();
    let mut encoded = ENCODED.to_owned();
    for (index, byte) in bytes.iter().enumerate() {
        let next = bytes.get(index + 1);
        match byte {
            b'a'..=b'w' | b'y' | b'0'..=b'9' => encoded.push(char::from(*byte)),
            b'A'..=b'Z' => {
                encoded.push('z');
                encoded.push(char::from(byte.to_ascii_lowercase()));
            }
            // A label neither begins nor ends with a hyphen.
            b'_' if next.is_some_and(|next| *next != b'.') && !encoded.ends_with('.') => encoded.push('-'),
            b'.' if dots == Dots::Kept
                && next.is_some_and(|next| *next != b'.')
                && !encoded.ends_with(['.', '-']) =>
            {
                encoded.push('.');
            }
            other => {
                let _ = write!(encoded, "x{other:02x}");
            }
        }
    }
    encoded
}

/// Cuts a name that is too long. `identity` is what the digest is of.
fn shortened(name: String, identity: &str) -> String {
    if name.len() <= MAX_NAME {
        return name;
    }
    let digest = Digest::of_text(identity).to_string();
    let beginning: String = name.chars().take(MAX_NAME - DIGESTED.len() - digest.len() - 1).collect();
    format!("{DIGESTED}{}-{digest}", beginning.trim_end_matches(['.', '-']))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_kubernetes_accepts_stay_as_they_are() {
        for name in ["origin.create", "a-1", "a.b-c.d", "21dacaea-7e38-5e52-80af-4d926f0c43d1"] {
            assert_eq!(object_name(name), name);
        }
    }

    #[test]
    fn other_names_are_encoded() {
        for (name, expected) in [
            ("UserCreated", "x--zuserzcreated"),
            ("payment_succeeded", "x--payment-succeeded"),
            ("Box.Size", "x--zbox78.zsix7ae"),
            ("x--a", "x--x78x2dx2da"),
            ("h--a", "x--hx2dx2da"),
            ("a..b", "x--ax2e.b"),
            (".", "x--x2e"),
            ("_", "x--x5f"),
            ("a_", "x--ax5f"),
            ("a._b", "x--a.x5fb"),
            ("-a", "x--x2da"),
        ] {
            assert_eq!(object_name(name), expected, "{name}");
        }
    }

    #[test]
    fn an_endpoint_is_named_after_its_application_and_uid() {
        assert_eq!(endpoint_name("tenant-1", "orders.all"), "tenant-1.orders.all");
        assert_eq!(endpoint_name("acme.com", "orders"), "x--acmex2ecom.orders");
        // Which part a dot belongs to is always known.
        assert_ne!(endpoint_name("a", "b.c"), endpoint_name("a.b", "c"));
    }

    #[test]
    fn long_names_are_cut_and_stay_distinct() {
        let (a, b) = (object_name(&"a".repeat(256)), object_name(&"a".repeat(255)));
        assert!(a != b && a.len() <= MAX_NAME && is_subdomain(&a) && a.starts_with("h--"), "{a}");
        assert_eq!(original(&a), None);
        let (a, b) = (endpoint_name(&"A".repeat(256), "x"), endpoint_name(&"A".repeat(255), "x"));
        assert!(a != b && is_subdomain(&a), "{a}");
    }

    proptest! {
        #[test]
        fn every_name_becomes_valid_and_is_read_back(name in "([xzh]--)?[a-zA-Z0-9_.-]{1,60}") {
            let object = object_name(&name);

            prop_assert!(is_subdomain(&object), "{}", object);
            prop_assert_eq!(original(&object), Some(name));
        }

        #[test]
        fn every_endpoint_gets_a_valid_name(application in "[abAB_.-]{1,4}", uid in "[abAB_.-]{1,4}") {
            let name = endpoint_name(&application, &uid);

            prop_assert!(is_subdomain(&name), "{}", name);
            let (first, second) = name.split_once('.').unwrap();
            prop_assert_eq!(original(first), Some(application));
            prop_assert_eq!(original(second), Some(uid));
        }
    }
}
