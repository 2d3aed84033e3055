//! Who declares which event type, as the operator sees it.

use std::collections::{BTreeSet, HashMap};

use crate::{
    api::{Adoption, EventTypeDeletionPolicy, ManagementPolicy, WebhookEventType},
    plan::claims::{self, Declarer},
};

/// Namespace and name.
pub(super) type Key = (String, String);
/// Connection and event type.
pub(super) type Thing = (String, String);

/// What an object claims, without its schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claim {
    pub thing: Thing,
    pub holds: bool,
    pub managed: bool,
    /// What `access` has to allow beyond the name.
    pub adoption: Adoption,
    pub expunge: bool,
    pub created: i64,
    pub config_map: Option<String>,
}

impl Claim {
    pub fn of(object: &WebhookEventType) -> Self {
        let thing = (object.connection_name().to_owned(), object.event_type_name());
        let svix = object.status.as_ref().and_then(|status| status.svix.as_ref());
        let created = object.metadata.creation_timestamp.as_ref();
        let WebhookEventType { spec, .. } = object;
        Self {
            // One that was moved here still holds what it had through another connection.
            holds: svix.is_some_and(|svix| svix.connection == thing.0),
            // One that is suspended is managed, but for a while.
            managed: spec.suspend == Some(true) || spec.management_policy != Some(ManagementPolicy::Observe),
            adoption: spec.adoption(),
            expunge: spec.deletion_policy() == EventTypeDeletionPolicy::Expunge,
            created: created.map_or(0, |time| time.0.as_second()),
            config_map: spec.schema_from.as_ref().map(|from| from.config_map_key_ref.name.clone()),
            thing,
        }
    }
}

/// Who claims what.
#[derive(Default)]
pub(super) struct Claims {
    pub of: HashMap<Key, Claim>,
    pub on: HashMap<Thing, BTreeSet<Key>>,
}

impl Claims {
    /// Takes in a claim, or that there is none any more; answers the one before.
    pub fn set(&mut self, key: &Key, claim: Option<Claim>) -> Option<Claim> {
        let before = match claim {
            Some(claim) => {
                self.on.entry(claim.thing.clone()).or_default().insert(key.clone());
                self.of.insert(key.clone(), claim)
            }
            None => self.of.remove(key),
        };
        if let Some(before) = &before
            && self.of.get(key).is_none_or(|now| now.thing != before.thing)
            && let Some(keys) = self.on.get_mut(&before.thing)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.on.remove(&before.thing);
            }
        }
        before
    }

    /// Who holds a thing, of those that are permitted to.
    pub fn holder(&self, thing: &Thing, permitted: impl Fn(&Key, &Claim) -> bool) -> Option<Key> {
        let keys: Vec<_> = self.on.get(thing)?.iter().collect();
        let declarers: Vec<_> = keys
            .iter()
            .filter_map(|key| {
                let claim = self.of.get(*key)?;
                Some(Declarer {
                    is_permitted: permitted(key, claim),
                    is_managed: claim.managed,
                    is_owner: claim.holds,
                    created: claim.created,
                    namespace: &key.0,
                    name: &key.1,
                })
            })
            .collect();
        keys.get(claims::owner(&declarers)?).map(|key| (*key).clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn key(name: &str) -> Key {
        ("ns".to_owned(), name.to_owned())
    }

    fn thing(name: &str) -> Thing {
        ("default".to_owned(), name.to_owned())
    }

    fn claim(thing_name: &str, holds: bool, created: i64) -> Option<Claim> {
        Some(Claim {
            thing: thing(thing_name),
            holds,
            managed: true,
            adoption: Adoption::Match,
            expunge: false,
            created,
            config_map: None,
        })
    }

    fn anybody(_: &Key, _: &Claim) -> bool {
        true
    }

    #[test]
    fn what_a_claim_says_is_what_the_operator_sees() {
        let object = |spec: serde_json::Value, connection: &str| {
            serde_json::from_value::<WebhookEventType>(serde_json::json!({
                "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
                "metadata": {"name": "a.b", "namespace": "ns"}, "spec": spec,
                "status": {"svix": {"connection": connection, "name": "a.b"}},
            }))
            .map(|object| Claim::of(&object))
            .unwrap()
        };
        let claim = object(serde_json::json!({"schema": {}}), "default");
        assert!(claim.holds && claim.managed && !claim.expunge);
        assert!(!object(serde_json::json!({"schema": {}}), "another").holds, "it was moved");
        assert!(!object(serde_json::json!({"managementPolicy": "Observe"}), "default").managed);
        let suspended = serde_json::json!({"managementPolicy": "Observe", "suspend": true});
        assert!(object(suspended, "default").managed);
    }

    #[test]
    fn who_may_not_have_it_never_holds_it_and_who_only_looks_gives_way() {
        let mut claims = Claims::default();
        claims.set(&key("thief"), claim("a.b", true, 1));
        assert_eq!(claims.holder(&thing("a.b"), |key, _| key.1 != "thief"), None);
        let observed = Claim { managed: false, ..claim("a.b", true, 2).unwrap() };
        claims.set(&key("looks"), Some(observed));
        assert_eq!(claims.holder(&thing("a.b"), |key, _| key.1 != "thief"), Some(key("looks")));
        claims.set(&key("team"), claim("a.b", false, 3));
        assert_eq!(claims.holder(&thing("a.b"), |key, _| key.1 != "thief"), Some(key("team")));
    }

    #[test]
    fn the_holder_is_the_one_that_the_operator_takes() {
        let mut claims = Claims::default();
        claims.set(&key("old"), claim("a.b", false, 1));
        claims.set(&key("new"), claim("a.b", false, 2));
        assert_eq!(claims.holder(&thing("a.b"), anybody), Some(key("old")));
        claims.set(&key("new"), claim("a.b", true, 2));
        assert_eq!(claims.holder(&thing("a.b"), anybody), Some(key("new")));
        claims.set(&key("new"), claim("a.c", true, 2));
        assert_eq!(claims.holder(&thing("a.b"), anybody), Some(key("old")));
        assert_eq!(claims.holder(&thing("a.c"), anybody), Some(key("new")));
        claims.set(&key("old"), None);
        assert_eq!(claims.holder(&thing("a.b"), anybody), None);
        assert_eq!(claims.on.len(), 1);
    }
}
