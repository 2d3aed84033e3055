//! Which object owns an event type or endpoint in Svix that more than one object declares.

use crate::api::CLAIM_ANNOTATION;

use super::digest::Digest;

/// One of the objects that declare the same event type or endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declarer<'a> {
    /// Whether the connection's `access` permits what it declares.
    pub is_permitted: bool,
    /// Whether it is managed. An object with `managementPolicy: Observe` is not: it gives way to one that is.
    pub is_managed: bool,
    /// Whether its status records that it owns the event type or endpoint.
    pub is_owner: bool,
    /// When it was created, in seconds since 1970.
    pub created: i64,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// The name of an event type in a claim: of this connection, and this name in Svix. Neither contains a slash.
#[must_use]
pub fn resource_name(connection: &str, event_type: &str) -> String {
    format!("{connection}/{event_type}")
}

/// Returns the index of the declarer that owns the event type or endpoint; `None`: none of them is permitted to.
///
/// An object that is not permitted to have it never owns it, so no object can keep a name from others by declaring it.
/// Of the permitted ones, a managed object comes before an observed one; then the one that owns it already, then the
/// oldest, then the first by namespace and name. The result does not depend on the order, so the operator, the
/// sidecar's catalogue and a folder's catalogue agree.
#[must_use]
pub fn owner(declarers: &[Declarer<'_>]) -> Option<usize> {
    declarers
        .iter()
        .enumerate()
        .filter(|(_, it)| it.is_permitted)
        .min_by_key(|(_, it)| (!it.is_managed, !it.is_owner, it.created, it.namespace, it.name))
        .map(|(index, _)| index)
}

/// The value of the claim annotation: written before the first write to Svix, so that an event type that a crash leaves
/// behind in Svix is known to be ours. It names the object's own uid and the digest of what is about to be
/// written: a copy of the manifest, or an event type that somebody else creates meanwhile, does not match it. `key` is
/// the connection's token, so that nobody can forge a claim who may only write the object.
#[must_use]
pub fn claim_value(key: &[u8], object_uid: &str, resource_name: &str, content: Digest) -> String {
    let digest = Digest::keyed(key, &format!("{object_uid} {resource_name} {content}"));
    format!("{object_uid} {resource_name} {digest}")
}

/// Whether an object's annotations carry exactly this claim.
#[must_use]
pub fn is_claimed(annotations: Option<&std::collections::BTreeMap<String, String>>, value: &str) -> bool {
    annotations.and_then(|annotations| annotations.get(CLAIM_ANNOTATION)).is_some_and(|found| found == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declarer(is_owner: bool, created: i64, name: &str) -> Declarer<'_> {
        Declarer { is_permitted: true, is_managed: true, is_owner, created, namespace: "ns", name }
    }

    #[test]
    fn a_claim_cannot_be_forged_without_the_token() {
        let content = Digest::of_text("content");
        let ours = claim_value(b"token", "uid", "default/a.one", content);
        assert_eq!(ours, claim_value(b"token", "uid", "default/a.one", content));
        for other in [
            claim_value(b"guess", "uid", "default/a.one", content),
            claim_value(b"token", "other", "default/a.one", content),
            claim_value(b"token", "uid", "default/a.two", content),
            claim_value(b"token", "uid", "default/a.one", Digest::of_text("other")),
        ] {
            assert_ne!(ours, other);
        }
        assert!(!ours.contains(&content.to_string()) && !ours.contains("token"), "{ours}");
    }

    #[test]
    fn the_present_owner_comes_before_the_oldest_and_the_first_by_name() {
        assert_eq!(owner(&[]), None);
        assert_eq!(owner(&[declarer(false, 1, "a"), declarer(true, 9, "b")]), Some(1));
        assert_eq!(owner(&[declarer(false, 5, "a"), declarer(false, 3, "b")]), Some(1));
        assert_eq!(owner(&[declarer(false, 3, "b"), declarer(false, 3, "a")]), Some(1));
        assert_eq!(owner(&[declarer(true, 3, "a"), declarer(true, 2, "b")]), Some(1));
    }

    #[test]
    fn one_without_permission_never_owns_and_an_observed_one_gives_way() {
        let not_permitted = Declarer { is_permitted: false, ..declarer(true, 1, "a") };
        let observed = Declarer { is_managed: false, ..declarer(true, 1, "b") };
        assert_eq!(owner(std::slice::from_ref(&not_permitted)), None);
        assert_eq!(owner(std::slice::from_ref(&observed)), Some(0), "nobody else declares it");
        assert_eq!(owner(&[not_permitted.clone(), observed.clone(), declarer(false, 9, "c")]), Some(2));
        assert_eq!(owner(&[not_permitted, observed]), Some(1));
    }
}
