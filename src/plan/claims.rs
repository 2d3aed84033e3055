//! Who holds a thing in Svix that more than one object declares.

use crate::api::CLAIM_ANNOTATION;

use super::digest::Digest;

/// One object that declares a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant<'a> {
    /// Whether its status says that it holds the thing.
    pub holds: bool,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// What a claim is about: the event type of this name, through this connection. Neither has a slash in its name.
#[must_use]
pub fn thing(connection: &str, event_type: &str) -> String {
    format!("{connection}/{event_type}")
}

/// The index of the claimant that holds the thing: the one that already does while it declares it, else the
/// oldest, then by namespace and name. Every object comes to the same answer, whatever the order.
#[must_use]
pub fn holder(claimants: &[Claimant<'_>]) -> Option<usize> {
    claimants
        .iter()
        .enumerate()
        .min_by_key(|(_, c)| (!c.holds, c.created, c.namespace, c.name))
        .map(|(index, _)| index)
}

/// The value of the claim annotation: written before the first write to Svix, so that what a crash leaves
/// behind in Svix is known to be ours. It names the object's own uid and the digest of what is about to be
/// written: a copy of the manifest, or a thing that somebody else made meanwhile, does not match it. `key` is the
/// connection's token, so that nobody who may write the object can make a claim for it.
#[must_use]
pub fn claim_value(key: &[u8], object_uid: &str, thing: &str, content: Digest) -> String {
    let digest = Digest::keyed(key, &format!("{object_uid} {thing} {content}"));
    format!("{object_uid} {thing} {digest}")
}

/// Whether an object's annotations carry exactly this claim.
#[must_use]
pub fn is_claimed(annotations: Option<&std::collections::BTreeMap<String, String>>, value: &str) -> bool {
    annotations.and_then(|annotations| annotations.get(CLAIM_ANNOTATION)).is_some_and(|found| found == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimant(holds: bool, created: i64, name: &str) -> Claimant<'_> {
        Claimant { holds, created, namespace: "ns", name }
    }

    #[test]
    fn a_claim_cannot_be_made_without_the_token() {
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
    fn the_incumbent_holds_before_the_oldest_before_the_first_by_name() {
        assert_eq!(holder(&[]), None);
        assert_eq!(holder(&[claimant(false, 1, "a"), claimant(true, 9, "b")]), Some(1));
        assert_eq!(holder(&[claimant(false, 5, "a"), claimant(false, 3, "b")]), Some(1));
        assert_eq!(holder(&[claimant(false, 3, "b"), claimant(false, 3, "a")]), Some(1));
        assert_eq!(holder(&[claimant(true, 3, "a"), claimant(true, 2, "b")]), Some(1));
    }
}
