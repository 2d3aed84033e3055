//! Which object owns an event type or endpoint in Svix that more than one object declares.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{
    Adoption, CLAIM_ANNOTATION, Condition, ConditionStatus, ConditionType, EventTypeDeletionPolicy,
    EventTypeNames, Reason, WebhookEndpoint, WebhookEventType,
};

use super::{digest::Digest, ids};

/// One of the objects that declare the same event type or endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declarer<'a> {
    /// Whether the connection's `access` permits what it declares.
    pub is_permitted: bool,
    /// Whether it cannot be carried out as its spec is: it gives way to one that can, unless it is the owner already.
    pub is_refused: bool,
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

impl<'a> Declarer<'a> {
    /// An object that declares an event type through its connection. Whether its name is valid depends on the
    /// connection, and is for the caller to add.
    #[must_use]
    pub fn of_event_type(object: &'a WebhookEventType, is_permitted: bool) -> Self {
        let recorded = object.status.as_ref().and_then(|status| status.svix.as_ref());
        // One that was moved to another connection still records what it owned through the one before.
        let is_owner = recorded.is_some_and(|svix| svix.connection == object.connection_name());
        let is_refused = is_refused_event_type(object, None);
        Self { is_refused, ..Self::of(&object.metadata, is_permitted, object.spec.is_managed(), is_owner) }
    }

    /// An object that declares an endpoint through its connection.
    #[must_use]
    pub fn of_endpoint(object: &'a WebhookEndpoint, is_permitted: bool) -> Self {
        let recorded = object.status.as_ref().and_then(|status| status.svix.as_ref());
        let is_owner = recorded.is_some_and(|svix| svix.connection == object.connection_name());
        Self::of(&object.metadata, is_permitted, object.spec.is_managed(), is_owner)
    }

    /// Whether any other object that is permitted to comes first.
    #[must_use]
    pub fn gives_way(&self) -> bool {
        self.is_refused && !self.is_owner
    }

    fn of(meta: &'a ObjectMeta, is_permitted: bool, is_managed: bool, is_owner: bool) -> Self {
        Self {
            is_permitted,
            is_refused: false,
            is_managed,
            is_owner,
            created: meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            namespace: meta.namespace.as_deref().unwrap_or_default(),
            name: meta.name.as_deref().unwrap_or_default(),
        }
    }
}

/// How an object stands with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// As in [`Declarer`].
    pub is_permitted: bool,
    /// As in [`Declarer`], as far as the connection decides it.
    pub is_refused: bool,
}

/// The declaration of an event type, without its schema: the data that decides which object owns it, for callers that
/// do not keep the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The connection.
    pub connection: String,
    /// The name of the event type in Svix.
    pub event_type: String,
    /// The adoption that the object asks for.
    pub adoption: Adoption,
    /// Whether it asks to expunge the event type.
    pub expunge: bool,
    /// As in [`Declarer`], whatever names the connection permits.
    pub is_refused: bool,
    /// As in [`Declarer`].
    pub is_managed: bool,
    /// As in [`Declarer`].
    pub is_owner: bool,
    /// As in [`Declarer`].
    pub created: i64,
}

impl Declaration {
    /// The declaration of an object.
    #[must_use]
    pub fn of(object: &WebhookEventType) -> Self {
        let Declarer { is_refused, is_managed, is_owner, created, .. } =
            Declarer::of_event_type(object, true);
        Self {
            connection: object.connection_name().to_owned(),
            event_type: object.event_type_name(),
            adoption: object.spec.adoption(),
            expunge: object.spec.deletion_policy() == EventTypeDeletionPolicy::Expunge,
            is_refused,
            is_managed,
            is_owner,
            created,
        }
    }

    /// The object as a declarer; `namespace` and `name` are its own.
    #[must_use]
    pub fn declarer<'a>(&self, namespace: &'a str, name: &'a str, standing: Standing) -> Declarer<'a> {
        let Self { is_managed, is_owner, created, .. } = *self;
        let Standing { is_permitted, is_refused } = standing;
        let is_refused = is_refused || self.is_refused;
        Declarer { is_permitted, is_refused, is_managed, is_owner, created, namespace, name }
    }
}

/// Whether an event type cannot be carried out as its spec is: status says so, or the spec shows it. `names`: the names that
/// its connection permits; `None`: they are not known.
#[must_use]
pub fn is_refused_event_type(object: &WebhookEventType, names: Option<EventTypeNames>) -> bool {
    let status = object.status.as_ref();
    status.is_some_and(|status| {
        status.observed_generation == object.metadata.generation && is_refused_by_status(&status.conditions)
    }) || !object.spec.validate().is_empty()
        || names.is_some_and(|names| ids::check_event_type_name(&object.event_type_name(), names).is_err())
}

/// Whether conditions that are about the present spec say that it cannot be carried out.
#[must_use]
pub fn is_refused_by_status(conditions: &[Condition]) -> bool {
    let ready = conditions.iter().find(|condition| condition.type_ == ConditionType::Ready);
    ready.is_some_and(|ready| {
        let is_invalid =
            [Reason::InvalidSpec, Reason::InvalidSchema].iter().any(|it| it.as_str() == ready.reason);
        ready.status != ConditionStatus::True && is_invalid
    })
}

/// The name of an event type in a claim: of this connection, and this name in Svix. Neither contains a slash.
#[must_use]
pub fn resource_name(connection: &str, event_type: &str) -> String {
    format!("{connection}/{event_type}")
}

/// Returns the index of the declarer that owns the event type or endpoint; `None`: none of them is permitted to.
///
/// An object that is not permitted to have it never owns it, so no object can keep a name from others by declaring it.
/// Of the permitted ones, one that can be carried out comes before one that cannot, unless that one owns it already; then
/// a managed object comes before an observed one; then the one that owns it already, then the
/// oldest, then the first by namespace and name. The result does not depend on the order, so the operator, the
/// sidecar's catalogue and a folder's catalogue agree.
#[must_use]
pub fn owner(declarers: &[Declarer<'_>]) -> Option<usize> {
    declarers
        .iter()
        .enumerate()
        .filter(|(_, it)| it.is_permitted)
        .min_by_key(|(_, it)| {
            (it.gives_way(), !it.is_managed, !it.is_owner, it.created, it.namespace, it.name)
        })
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

/// The value of the claim annotation of an endpoint: where it is created. In Svix, the owner mark proves whose it is, so
/// this needs no digest.
#[must_use]
pub fn endpoint_claim(object_uid: &str, connection: &str, application: &str, uid: &str) -> String {
    format!("{object_uid} {connection}/{application}/{uid}")
}

/// Returns the connection, and what is named behind it, in the claim of this very object: of the name of an event type, or
/// of `<application>/<uid>`. Those who may write the object may have written it.
#[must_use]
pub fn claimed(meta: &ObjectMeta) -> Option<(&str, &str)> {
    let value = meta.annotations.as_ref()?.get(CLAIM_ANNOTATION)?;
    let resource = value.strip_prefix(meta.uid.as_deref()?)?.strip_prefix(' ')?;
    resource.split(' ').next()?.split_once('/')
}

/// Whether an object's annotations carry exactly this claim.
#[must_use]
pub fn is_claimed(annotations: Option<&std::collections::BTreeMap<String, String>>, value: &str) -> bool {
    annotations.and_then(|annotations| annotations.get(CLAIM_ANNOTATION)).is_some_and(|found| found == value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PERMITTED: Standing = Standing { is_permitted: true, is_refused: false };

    fn declarer(is_owner: bool, created: i64, name: &str) -> Declarer<'_> {
        Declarer {
            is_permitted: true,
            is_refused: false,
            is_managed: true,
            is_owner,
            created,
            namespace: "ns",
            name,
        }
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
    fn the_present_owner_comes_before_the_oldest() {
        assert_eq!(owner(&[]), None);
        assert_eq!(owner(&[declarer(false, 1, "a"), declarer(true, 9, "b")]), Some(1));
        assert_eq!(owner(&[declarer(false, 5, "a"), declarer(false, 3, "b")]), Some(1));
        assert_eq!(owner(&[declarer(false, 3, "b"), declarer(false, 3, "a")]), Some(1));
        assert_eq!(owner(&[declarer(true, 3, "a"), declarer(true, 2, "b")]), Some(1));
    }

    fn event_type(spec: serde_json::Value, recorded: &str) -> WebhookEventType {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
            "metadata": {"name": "a.b", "namespace": "ns", "creationTimestamp": "1970-01-01T00:01:00Z"}, "spec": spec,
            "status": {"svix": {"connection": recorded, "name": "a.b"}},
        }))
        .unwrap()
    }

    #[test]
    fn status_records_the_owner_on_its_connection() {
        let object = event_type(serde_json::json!({"schema": {}}), "default");
        let expected = Declarer {
            is_permitted: true,
            is_refused: false,
            is_managed: true,
            is_owner: true,
            created: 60,
            namespace: "ns",
            name: "a.b",
        };
        assert_eq!(Declarer::of_event_type(&object, true), expected);
        assert_eq!(Declaration::of(&object).declarer("ns", "a.b", PERMITTED), expected);

        let moved = event_type(serde_json::json!({"schema": {}}), "another");
        assert!(!Declarer::of_event_type(&moved, true).is_owner);
    }

    #[test]
    fn a_suspended_object_is_managed_and_an_observed_is_not() {
        let observed = serde_json::json!({"managementPolicy": "Observe"});
        assert!(!Declaration::of(&event_type(observed, "default")).is_managed);
        let suspended = serde_json::json!({"managementPolicy": "Observe", "suspend": true});
        assert!(Declaration::of(&event_type(suspended, "default")).is_managed);
    }

    #[test]
    fn an_endpoint_is_a_declarer_like_an_event_type() {
        let object: WebhookEndpoint = serde_json::from_value(serde_json::json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
            "metadata": {"name": "hook", "namespace": "ns"},
            "spec": {"eventTypes": ["a.b"], "managementPolicy": "Observe"},
            "status": {"svix": {"connection": "default", "application": "default", "id": "ep_1", "uid": "u"}},
        }))
        .unwrap();

        let declarer = Declarer::of_endpoint(&object, false);

        assert_eq!((declarer.is_permitted, declarer.is_managed, declarer.is_owner), (false, false, true));
    }

    #[test]
    fn permission_and_management_come_first() {
        let not_permitted = Declarer { is_permitted: false, ..declarer(true, 1, "a") };
        let observed = Declarer { is_managed: false, ..declarer(true, 1, "b") };
        assert_eq!(owner(std::slice::from_ref(&not_permitted)), None);
        assert_eq!(owner(std::slice::from_ref(&observed)), Some(0), "nobody else declares it");
        assert_eq!(owner(&[not_permitted.clone(), observed.clone(), declarer(false, 9, "c")]), Some(2));
        assert_eq!(owner(&[not_permitted, observed]), Some(1));
    }

    #[test]
    fn what_cannot_be_carried_out_gives_way() {
        let refused = |is_owner| Declarer { is_refused: true, ..declarer(is_owner, 1, "a") };
        let observed = Declarer { is_managed: false, ..declarer(false, 9, "b") };

        assert_eq!(owner(&[refused(false), declarer(false, 9, "b")]), Some(1));
        assert_eq!(owner(&[refused(false), observed]), Some(1));
        assert_eq!(owner(&[refused(true), declarer(false, 9, "b")]), Some(0), "it owns it already");
        assert_eq!(owner(&[refused(false)]), Some(0), "nobody else declares it");
    }

    #[test]
    fn status_and_spec_say_what_is_refused() {
        let spec = || serde_json::json!({"name": "a.b", "schema": {}});
        let is_refused = |generation: i64, status: &str, reason: &str| {
            let mut object = event_type(spec(), "default");
            object.metadata.generation = Some(1);
            let status = serde_json::json!({
                "observedGeneration": generation,
                "conditions": [{
                    "type": "Ready", "status": status, "reason": reason, "message": "",
                    "lastTransitionTime": "1970-01-01T00:00:00Z",
                }],
            });
            object.status = Some(serde_json::from_value(status).unwrap());
            is_refused_event_type(&object, None)
        };
        assert!(is_refused(1, "False", "InvalidSpec") && is_refused(1, "False", "InvalidSchema"));
        assert!(!is_refused(1, "False", "Conflict") && !is_refused(1, "True", "InSync"));
        assert!(!is_refused(0, "False", "InvalidSpec"), "it is about an earlier spec");

        let both = event_type(serde_json::json!({"schema": {}, "schemaText": "{}"}), "default");
        let named = event_type(serde_json::json!({"name": "order"}), "default");
        assert!(is_refused_event_type(&both, None));
        assert!(!is_refused_event_type(&named, None));
        let names = EventTypeNames::default();
        assert!(!is_refused_event_type(&event_type(spec(), "default"), Some(names)));
        let invalid = event_type(serde_json::json!({"name": "a b"}), "default");
        assert!(is_refused_event_type(&invalid, Some(names)));
    }
}
