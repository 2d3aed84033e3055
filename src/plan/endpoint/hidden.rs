//! What differs in the parts of an endpoint that Svix's lists do not show: headers and the signing key.

use crate::plan::{Difference, Field};

/// A header or a signing key that differs. Values are never part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HiddenDifference {
    /// A header.
    Header {
        /// Its name.
        name: String,
        /// Whether Svix has one of this name.
        in_svix: bool,
        /// Whether one of this name is declared.
        declared: bool,
    },
    /// The signing key.
    SigningKey,
}

impl From<&HiddenDifference> for Difference {
    fn from(difference: &HiddenDifference) -> Self {
        let (field, found, expected) = match difference {
            HiddenDifference::Header { name, in_svix, declared } => {
                let has = |is_there: bool| if is_there { "a value (not shown)" } else { "none" };
                let (found, expected) = match (*in_svix, *declared) {
                    (true, true) => ("another value (not shown)", "its own"),
                    (in_svix, declared) => (has(in_svix), has(declared)),
                };
                (Field::Headers, format!("{name}: {found}"), format!("{name}: {expected}"))
            }
            HiddenDifference::SigningKey => (
                Field::SigningSecret,
                "another key (not shown)".to_owned(),
                "the one in the Secret".to_owned(),
            ),
        };
        Self { field, found, expected }
    }
}
