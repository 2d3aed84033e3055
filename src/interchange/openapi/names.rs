//! The names of event types in an OpenAPI document.

use crate::plan::ids;

/// What names an event type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum NameSource {
    /// The key of the webhook or callback.
    #[default]
    Key,
    /// The operationId; the key where there is none.
    OperationId,
}

/// Returns the name that an event type has for a name in a document: `/` and other separators become dots, other characters
/// that Svix does not accept become `_`. `None`: there is none.
pub(super) fn event_type_name(found: &str) -> Option<String> {
    if ids::is_name(found) {
        return Some(found.to_owned());
    }
    let character = |character: char| match character {
        '/' | ':' | '#' | ' ' | '$' => '.',
        character if character.is_ascii_alphanumeric() || "-_.".contains(character) => character,
        _ => '_',
    };
    let name: String = found.trim_matches(['/', ' ']).chars().map(character).collect();
    Some(name).filter(|name| ids::is_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_svix_accepts() {
        assert_eq!(event_type_name("order.placed").as_deref(), Some("order.placed"));
        assert_eq!(
            event_type_name("branch-protection/created").as_deref(),
            Some("branch-protection.created")
        );
        assert_eq!(event_type_name("Commande créée").as_deref(), Some("Commande.cr__e"));
        assert_eq!(event_type_name("issues$opened").as_deref(), Some("issues.opened"));
        assert_eq!(event_type_name(""), None);
        assert_eq!(event_type_name("//"), None);
    }
}
