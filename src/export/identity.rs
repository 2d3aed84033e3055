//! The namespace, name and uid under which a manifest declares an endpoint.
//!
//! An endpoint with a mark of ours is the object that the mark names. Any other gets the name of its application and uid. A uid
//! that a spec cannot have, or that Svix does not have, is replaced by the id, in the annotation `adopt-id`.

use std::collections::HashSet;

use crate::plan::{
    OwnerMark,
    endpoint::Observed,
    ids,
    object_name::{is_namespace, is_subdomain},
};

use super::{
    limitation::Limitation,
    names::{endpoint_name, object_name},
};

/// The namespace of objects that name none, as the operator and kubectl take it.
const DEFAULT_NAMESPACE: &str = "default";

/// Under which names a manifest declares an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The namespace; `None`: the manifest names none.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The uid.
    pub uid: Uid,
}

/// How a manifest says which endpoint in Svix it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uid {
    /// By the uid in the spec.
    Declared(String),
    /// By the uid that the endpoint of this object has by default.
    Default,
    /// By the id. The endpoint has no uid, or this one, which no spec can have.
    ById(Option<String>),
}

/// Gives each endpoint a name that no other has.
pub struct Identities<'a> {
    owner: &'a str,
    namespace: Option<&'a str>,
    /// Names of other endpoints, by namespace.
    taken: HashSet<(String, String)>,
    /// Names in marks, which belong to the endpoints with these marks.
    marked: HashSet<(String, String)>,
}

impl<'a> Identities<'a> {
    /// Returns identities of an owner. `marks` are those of all endpoints.
    #[must_use]
    pub fn new<'b>(
        owner: &'a str,
        namespace: Option<&'a str>,
        marks: impl IntoIterator<Item = OwnerMark<'b>>,
    ) -> Self {
        let ours = marks.into_iter().filter(|mark| mark.owner == owner);
        let marked = ours.map(|mark| (mark.namespace.to_owned(), mark.name.to_owned())).collect();
        Self { owner, namespace, taken: HashSet::new(), marked }
    }

    /// Returns under which names an endpoint is declared.
    pub fn of(
        &mut self,
        application: &str,
        swh_event_type: Option<&str>,
        observed: &Observed,
    ) -> Result<Identity, Limitation> {
        match observed.mark() {
            Some(text) => self.of_marked(text, observed),
            None => Ok(self.of_unmarked(application, swh_event_type, observed)),
        }
    }

    fn of_marked(&mut self, text: &str, observed: &Observed) -> Result<Identity, Limitation> {
        let Some(mark) = OwnerMark::parse(text) else { return Err(Limitation::InvalidMark(text.to_owned())) };
        if mark.owner != self.owner {
            return Err(Limitation::OtherOwner(mark.owner.to_owned()));
        }
        let OwnerMark { namespace, name, .. } = mark;
        if !self.taken.insert((namespace.to_owned(), name.to_owned())) {
            return Err(Limitation::DuplicateMark(format!("{namespace}/{name}")));
        }
        let uid = match observed.uid.as_deref() {
            Some(uid) if uid == ids::default_uid(self.owner, namespace, name) => Uid::Default,
            Some(uid) if self.may_declare(uid, namespace) => Uid::Declared(uid.to_owned()),
            other => Uid::ById(other.map(ToOwned::to_owned)),
        };
        Ok(Identity { namespace: Some(namespace.to_owned()), name: name.to_owned(), uid })
    }

    fn of_unmarked(
        &mut self,
        application: &str,
        swh_event_type: Option<&str>,
        observed: &Observed,
    ) -> Identity {
        let key = observed.uid.as_deref().unwrap_or(&observed.id);
        let name = match swh_event_type {
            Some(event_type) if !key.contains('.') => {
                format!("{}.{}", object_name(event_type), object_name(key))
            }
            _ => endpoint_name(application, key),
        };
        let namespace = self.namespace.map(ToOwned::to_owned);
        let Some(uid) = observed.uid.as_deref() else {
            let name = self.free(namespace.as_deref(), name);
            return Identity { namespace, name, uid: Uid::ById(None) };
        };
        // A uid that an object of ours has by default: it can be declared in the namespace that it names only.
        if let Some((of, object)) = self.default_parts(uid) {
            let is_default = is_subdomain(object) && ids::default_uid(self.owner, of, object) == uid;
            if is_default && self.take(of, object) {
                return Identity {
                    namespace: Some(of.to_owned()),
                    name: object.to_owned(),
                    uid: Uid::Default,
                };
            }
            let name = self.free(Some(of), name);
            return Identity { namespace: Some(of.to_owned()), name, uid: Uid::Declared(uid.to_owned()) };
        }
        let of = self.namespace.unwrap_or(DEFAULT_NAMESPACE);
        let declared = match self.may_declare(uid, of) {
            true => Uid::Declared(uid.to_owned()),
            false => Uid::ById(Some(uid.to_owned())),
        };
        let name = self.free(namespace.as_deref(), name);
        Identity { namespace, name, uid: declared }
    }

    /// Whether a spec in this namespace may have this uid.
    fn may_declare(&self, uid: &str, namespace: &str) -> bool {
        let prefix = ids::default_uid_prefix(self.owner);
        let rest = uid.strip_prefix(&prefix);
        ids::is_uid(uid)
            && rest.is_none_or(|rest| rest.strip_prefix(namespace).is_some_and(|rest| rest.starts_with('.')))
    }

    /// The namespace and the rest of a uid that endpoints of our owner have by default.
    fn default_parts<'b>(&self, uid: &'b str) -> Option<(&'b str, &'b str)> {
        let rest = uid.strip_prefix(&*ids::default_uid_prefix(self.owner))?;
        rest.split_once('.').filter(|(namespace, _)| ids::is_uid(uid) && is_namespace(namespace))
    }

    fn take(&mut self, namespace: &str, name: &str) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        !self.marked.contains(&key) && self.taken.insert(key)
    }

    /// Returns this name, with a number if another endpoint has it.
    fn free(&mut self, namespace: Option<&str>, name: String) -> String {
        let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE);
        if self.take(namespace, &name) {
            return name;
        }
        let mut numbered = (2_u64..).map(|number| format!("{name}.{number}"));
        numbered.find(|candidate| self.take(namespace, candidate)).unwrap_or(name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::OWNER_METADATA_KEY;

    fn endpoint(id: &str, uid: Option<&str>, mark: Option<&str>) -> Observed {
        Observed {
            id: id.into(),
            uid: uid.map(Into::into),
            url: "https://a.example/".into(),
            description: "".into(),
            event_types: None,
            channels: None,
            throttle_rate: None,
            disabled: false,
            metadata: mark.iter().map(|mark| (OWNER_METADATA_KEY.into(), (*mark).into())).collect(),
            updated_at: 0,
        }
    }

    fn identity(namespace: Option<&str>, name: &str, uid: Uid) -> Identity {
        Identity { namespace: namespace.map(ToOwned::to_owned), name: name.to_owned(), uid }
    }

    #[test]
    fn an_endpoint_of_ours_is_the_object_in_its_mark() {
        let mut identities = Identities::new("prod", None, []);
        for (uid, expected) in [
            (Some("prod.ns.hook"), Uid::Default),
            (Some("own"), Uid::Declared("own".to_owned())),
            (Some("msg_x"), Uid::ById(Some("msg_x".to_owned()))),
            (Some("prod.other.x"), Uid::ById(Some("prod.other.x".to_owned()))),
            (None, Uid::ById(None)),
        ] {
            let found = identities.of("app", None, &endpoint("ep_1", uid, Some("prod/ns/hook")));
            assert_eq!(found, Ok(identity(Some("ns"), "hook", expected)), "{uid:?}");
            identities.taken.clear();
        }
    }

    #[test]
    fn marks_of_others_are_not_exported() {
        let mut identities = Identities::new("prod", None, []);
        let mut of = |mark| identities.of("app", None, &endpoint("ep_1", None, Some(mark)));

        assert_eq!(of("other/ns/hook"), Err(Limitation::OtherOwner("other".to_owned())));
        assert!(of("prod/ns/hook").is_ok());
        assert_eq!(of("prod/ns/hook"), Err(Limitation::DuplicateMark("ns/hook".to_owned())));
        for bad in ["prod", "prod/ns", "prod/Ns/hook", "prod/ns/Hook", "p d/ns/hook", "/ns/hook"] {
            assert_eq!(of(bad), Err(Limitation::InvalidMark(bad.to_owned())));
        }
    }

    #[test]
    fn a_default_uid_is_declared_in_its_namespace() {
        let mut identities = Identities::new("prod", Some("here"), []);
        let mut of = |uid| identities.of("app", None, &endpoint("ep_1", Some(uid), None)).unwrap();

        assert_eq!(of("prod.ns.hook"), identity(Some("ns"), "hook", Uid::Default));
        let odd = Uid::Declared("prod.ns.Hook".to_owned());
        assert_eq!(of("prod.ns.Hook"), identity(Some("ns"), "app.x--prod.ns.zhook", odd));
        let by_id = Uid::ById(Some("prod.Ns.hook".to_owned()));
        assert_eq!(of("prod.Ns.hook"), identity(Some("here"), "app.x--prod.zns.hook", by_id));
        let declared = Uid::Declared("x".to_owned());
        assert_eq!(of("x"), identity(Some("here"), "app.x", declared));
    }

    #[test]
    fn no_two_endpoints_have_the_same_name() {
        let marks = [OwnerMark { owner: "prod", namespace: "default", name: "app.x" }];
        let mut identities = Identities::new("prod", None, marks);
        let x = endpoint("ep_1", Some("x"), None);

        assert_eq!(identities.of("app", None, &x).unwrap().name, "app.x.2");
        assert_eq!(identities.of("app", None, &x).unwrap().name, "app.x.3");
        let marked = endpoint("ep_2", None, Some("prod/default/app.x"));
        assert_eq!(identities.of("app", None, &marked).unwrap().name, "app.x");
    }

    #[test]
    fn an_endpoint_of_swh_webhooks_is_named_after_its_event_type() {
        let mut identities = Identities::new("prod", None, []);
        let uid = "21dacaea-7e38-5e52-80af-4d926f0c43d1";
        let found = identities.of("app", Some("origin.visit"), &endpoint("ep_1", Some(uid), None)).unwrap();
        assert_eq!(found.name, format!("origin.visit.{uid}"));
    }
}
