//! Finds mistakes in `apiVersion` and `kind` of objects that are probably meant to be ours.

use crate::{
    api::{GROUP, JsonPointer},
    engine::Kind,
};

use super::{connections, messages, object::TypeMeta};

/// An object whose type is probably misspelled.
pub(super) struct Misspelled {
    pub(super) pointer: JsonPointer,
    pub(super) message: String,
    /// Whether the kind is one of ours, so that the object is known in spite of the mistake.
    pub(super) names_object: bool,
}

/// Finds a mistake in the type of an object that is not read; `None`: it is of a kind that is not ours. Other API groups
/// have a `WebhookEndpoint`, too, so the group must resemble ours.
pub(super) fn misspelled_type(TypeMeta { group, version, kind }: TypeMeta<'_>) -> Option<Misspelled> {
    let kinds = Kind::ALL.map(Kind::as_str);
    let is_our_kind = kinds.contains(&kind);
    let in_version =
        |message| Some(Misspelled { pointer: "/apiVersion".into(), message, names_object: true });
    if group == GROUP && is_our_kind {
        return in_version(format!("{GROUP} has no version {version:?}, expected {GROUP}/v1alpha1"));
    }
    if group == GROUP {
        let message = match messages::closest(kind, kinds) {
            Some(meant) => format!("{GROUP} has no kind {kind:?}; did you mean {meant}?"),
            None => format!("{GROUP} has no kind {kind:?}, expected one of {}", kinds.join(", ")),
        };
        return Some(Misspelled { pointer: "/kind".into(), message, names_object: false });
    }
    let is_near = messages::closest(group, [GROUP]).is_some() || group.to_lowercase().contains("svix");
    if !is_our_kind {
        // Nobody else has a kind of this name, and a connection that is not read must not go unnoticed.
        let meant = match connections::resembles_kind(kind) {
            true => Kind::Connection.as_str(),
            false => messages::closest(kind, kinds).filter(|_| is_near)?,
        };
        let message = format!("found {kind:?} of {group:?}, did you mean {meant} of {GROUP}/v1alpha1?");
        return Some(Misspelled { pointer: "/kind".into(), message, names_object: false });
    }
    let hint = format!("did you mean {GROUP}/v1alpha1?");
    if group.is_empty() {
        return in_version(format!(
            "found {version:?}, which names no API group, expected {GROUP}/v1alpha1; {hint}"
        ));
    }
    (is_near || kind == Kind::Connection.as_str())
        .then(|| format!("found \"{group}/{version}\", expected {GROUP}/v1alpha1 for a {kind}; {hint}"))
        .and_then(in_version)
}
