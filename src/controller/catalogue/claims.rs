//! Who declares which event type, as the operator sees it.

use std::collections::{BTreeSet, HashMap};

use crate::{
    api::WebhookEventType,
    plan::claims::{self, Claimant},
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
    pub created: i64,
    pub config_map: Option<String>,
}

impl Claim {
    pub fn of(object: &WebhookEventType) -> Self {
        let thing = (object.connection_name().to_owned(), object.event_type_name());
        let svix = object.status.as_ref().and_then(|status| status.svix.as_ref());
        let created = object.metadata.creation_timestamp.as_ref();
        Self {
            holds: svix.is_some(),
            created: created.map_or(0, |time| time.0.as_second()),
            config_map: object.spec.schema_from.as_ref().map(|from| from.config_map_key_ref.name.clone()),
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

    pub fn holder(&self, thing: &Thing) -> Option<Key> {
        let keys: Vec<_> = self.on.get(thing)?.iter().collect();
        let claimants: Vec<_> = keys
            .iter()
            .filter_map(|key| {
                let claim = self.of.get(*key)?;
                Some(Claimant { holds: claim.holds, created: claim.created, namespace: &key.0, name: &key.1 })
            })
            .collect();
        keys.get(claims::holder(&claimants)?).map(|key| (*key).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("ns".to_owned(), name.to_owned())
    }

    fn thing(name: &str) -> Thing {
        ("default".to_owned(), name.to_owned())
    }

    fn claim(thing_name: &str, holds: bool, created: i64) -> Option<Claim> {
        Some(Claim { thing: thing(thing_name), holds, created, config_map: None })
    }

    #[test]
    fn the_holder_is_the_one_that_the_operator_takes() {
        let mut claims = Claims::default();
        claims.set(&key("old"), claim("a.b", false, 1));
        claims.set(&key("new"), claim("a.b", false, 2));
        assert_eq!(claims.holder(&thing("a.b")), Some(key("old")));
        claims.set(&key("new"), claim("a.b", true, 2));
        assert_eq!(claims.holder(&thing("a.b")), Some(key("new")));
        claims.set(&key("new"), claim("a.c", true, 2));
        assert_eq!(claims.holder(&thing("a.b")), Some(key("old")));
        assert_eq!(claims.holder(&thing("a.c")), Some(key("new")));
        claims.set(&key("old"), None);
        assert_eq!(claims.holder(&thing("a.b")), None);
        assert_eq!(claims.on.len(), 1);
    }
}
