//! The permissions of a namespace on a connection: its `access`, checked before any call.

use std::collections::BTreeMap;

use crate::api::{
    AccessRule, Adoption, EventTypeDeletionPolicy, LabelOperator, NamespaceSelector, Reason,
    SvixConnectionSpec, WebhookEndpoint, WebhookEvent, WebhookEventType,
};

use super::{ReconcileError, claims::Declaration, quoted};

/// Label that the API server gives every namespace, with its name.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Something whose use of a connection needs permission.
pub trait Declares {
    /// Checks that these permissions cover it.
    fn check(&self, grants: &Grants<'_>, connection: &SvixConnectionSpec) -> Result<(), ReconcileError>;
}

impl Declares for WebhookEventType {
    fn check(&self, grants: &Grants<'_>, _: &SvixConnectionSpec) -> Result<(), ReconcileError> {
        let expunge = self.spec.deletion_policy() == EventTypeDeletionPolicy::Expunge;
        grants.event_type(&self.event_type_name(), self.spec.adoption(), expunge)
    }
}

impl Declares for Declaration {
    fn check(&self, grants: &Grants<'_>, _: &SvixConnectionSpec) -> Result<(), ReconcileError> {
        grants.event_type(&self.event_type, self.adoption, self.expunge)
    }
}

impl Declares for WebhookEndpoint {
    fn check(&self, grants: &Grants<'_>, connection: &SvixConnectionSpec) -> Result<(), ReconcileError> {
        grants.endpoint(self.spec.application(connection), &self.spec.event_types, self.spec.adoption())
    }
}

impl Declares for WebhookEvent {
    fn check(&self, grants: &Grants<'_>, connection: &SvixConnectionSpec) -> Result<(), ReconcileError> {
        grants.event(self.spec.application(connection), &self.spec.event_type)
    }
}

/// Checks that a namespace is permitted what an object of it declares.
///
/// `connection` is the one that the object uses; `None`: it does not exist, so it has no rules. `labels` are those of
/// the namespace; `None`: they are not known.
pub fn check(
    object: &impl Declares,
    namespace: &str,
    connection: Option<&SvixConnectionSpec>,
    labels: Option<&BTreeMap<String, String>>,
) -> Result<(), ReconcileError> {
    let Some(connection) = connection else { return Ok(()) };
    object.check(&Grants::new(connection, namespace, labels), connection)
}

/// The permissions of one namespace on one connection.
#[derive(Clone, Debug)]
pub struct Grants<'a> {
    namespace: &'a str,
    /// The rules that are about the namespace; `None`: the connection has no rules.
    rules: Option<Vec<&'a AccessRule>>,
}

impl<'a> Grants<'a> {
    /// The permissions of the namespace with this name and these labels; `None`: its labels are not known.
    #[must_use]
    pub fn new(
        connection: &'a SvixConnectionSpec,
        namespace: &'a str,
        labels: Option<&BTreeMap<String, String>>,
    ) -> Self {
        let about = |rule: &&AccessRule| selects(&rule.namespaces, namespace, labels);
        Self {
            namespace,
            rules: connection.access.as_ref().map(|rules| rules.iter().filter(about).collect()),
        }
    }

    /// The rules that meet a condition; `None`: there are no rules, so everything is allowed that needs no rule.
    fn granting(&self, grants: impl Fn(&AccessRule) -> bool) -> Option<Vec<&'a AccessRule>> {
        let rules = self.rules.as_ref()?;
        Some(rules.iter().copied().filter(|rule| grants(rule)).collect())
    }

    /// Whether an event type may be declared, with this adoption, and expunged.
    pub fn event_type(&self, name: &str, adoption: Adoption, expunge: bool) -> Result<(), ReconcileError> {
        let granting = self.granting(|rule| any_matches(&rule.event_types, name));
        if granting.as_ref().is_some_and(Vec::is_empty) {
            return Err(self.denied(&format!("declare event type {}", quoted(name)), "its eventTypes"));
        }
        self.adoption(self.of_event_type(name), adoption)?;
        let may_expunge = granting.iter().flatten().any(|rule| rule.allow_expunge == Some(true));
        if expunge && !may_expunge {
            return Err(self.denied("have /spec/deletionPolicy: Expunge", "allowExpunge: true"));
        }
        Ok(())
    }

    /// Whether an endpoint may be in an application, subscribe to these event types, with this adoption. A rule has
    /// to grant the application and the event type together.
    pub fn endpoint<'n>(
        &self,
        application: &str,
        event_types: impl IntoIterator<Item = &'n String> + Clone,
        adoption: Adoption,
    ) -> Result<(), ReconcileError> {
        let granting = self.granting(|rule| any_matches(&rule.applications, application));
        if granting.as_ref().is_some_and(Vec::is_empty) {
            return Err(self.denied(&format!("use application {}", quoted(application)), "its applications"));
        }
        if let Some(granting) = &granting {
            let refused = event_types
                .clone()
                .into_iter()
                .find(|name| !granting.iter().any(|rule| any_matches(&rule.event_types, name)));
            if let Some(name) = refused {
                let what = format!("use event type {} in application {}", quoted(name), quoted(application));
                return Err(self.denied(&what, "its eventTypes, in a rule that has the application, too"));
            }
        }
        self.adoption(self.of_endpoint(application, event_types), adoption)
    }

    /// Whether an event of a type may be sent to an application.
    pub fn event(&self, application: &str, event_type: &String) -> Result<(), ReconcileError> {
        self.endpoint(application, [event_type], Adoption::Never)
    }

    fn adoption(&self, most: Adoption, asked: Adoption) -> Result<(), ReconcileError> {
        // `Match` is the default, so it asks for no more than is allowed: see `of_endpoint`.
        if asked == Adoption::Override && most < asked {
            let what = format!("have /spec/adoption: Override (up to {} is allowed)", most.as_str());
            return Err(self.denied(&what, "maxAdoption: Override"));
        }
        Ok(())
    }

    /// The furthest adoption that an event type may have.
    #[must_use]
    pub fn of_event_type(&self, name: &str) -> Adoption {
        most(self.granting(|rule| any_matches(&rule.event_types, name)).as_deref())
    }

    /// The furthest adoption that an endpoint in an application may have: as far as it may go with each of these event
    /// types.
    #[must_use]
    pub fn of_endpoint<'n>(
        &self,
        application: &str,
        event_types: impl IntoIterator<Item = &'n String>,
    ) -> Adoption {
        let with = |name: &String| {
            let granting = self.granting(|rule| {
                any_matches(&rule.applications, application) && any_matches(&rule.event_types, name)
            });
            most(granting.as_deref())
        };
        event_types.into_iter().map(with).min().unwrap_or(Adoption::Never)
    }

    fn denied(&self, what: &str, needed: &str) -> ReconcileError {
        ReconcileError::new(
            Reason::NotPermitted,
            format!(
                "namespace {} may not {what} through this connection; an administrator of the SvixConnection can allow it \
                 in spec.access ({needed})",
                quoted(self.namespace)
            ),
        )
    }
}

/// The furthest adoption that rules allow; without rules, the default.
fn most(granting: Option<&[&AccessRule]>) -> Adoption {
    let Some(rules) = granting else { return Adoption::default() };
    rules.iter().map(|rule| rule.max_adoption.unwrap_or_default()).max().unwrap_or(Adoption::Never)
}

/// Whether a selector matches the namespace with this name and these labels. Where its labels are not known (it is new,
/// or namespaces may not be read), no requirement on them is met, not even that a label is absent.
#[must_use]
pub fn selects(
    selector: &NamespaceSelector,
    namespace: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> bool {
    // The name is a label that nobody can change, so it is not read from the labels of the object.
    let value = |key: &str| {
        if key == NAME_LABEL { Some(namespace) } else { labels?.get(key).map(String::as_str) }
    };
    // No `..`: a new kind of requirement must be thought of here.
    let NamespaceSelector { match_labels, match_expressions } = selector;
    match_labels.iter().flatten().all(|(key, wanted)| value(key) == Some(wanted))
        && match_expressions.iter().all(|requirement| {
            let found = value(&requirement.key);
            let among = found.is_some_and(|found| requirement.values.iter().any(|value| value == found));
            let known = requirement.key == NAME_LABEL || labels.is_some();
            known
                && match requirement.operator {
                    LabelOperator::In => among,
                    LabelOperator::NotIn => !among,
                    LabelOperator::Exists => found.is_some(),
                    LabelOperator::DoesNotExist => found.is_none(),
                }
        })
}

fn any_matches(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text))
}

/// Whether a text matches a pattern in which `*` stands for any text. The time is bounded by the product of both
/// lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // The place of the last star, and the end of the text that it stands for.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn connection(access: serde_json::Value) -> SvixConnectionSpec {
        serde_json::from_value(json!({
            "tokenSecretRef": {"name": "t", "key": "token"}, "ownerId": "o", "access": access,
        }))
        .unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn without_rules_everything_is_allowed_but_overriding_and_expunging() {
        let spec = connection(json!(null));
        let grants = Grants::new(&spec, "ns", Some(&BTreeMap::new()));
        assert!(grants.event_type("a.b", Adoption::Match, false).is_ok());
        assert!(grants.endpoint("app", &names(&["a.b"]), Adoption::Match).is_ok());
        assert!(grants.event_type("a.b", Adoption::Override, false).is_err());
        assert!(grants.event_type("a.b", Adoption::Match, true).is_err());
        assert_eq!(grants.of_endpoint("app", &names(&["a.b"])), Adoption::Match);
    }

    #[test]
    fn what_no_rule_grants_is_not_allowed() {
        let spec = connection(json!([
            {"namespaces": {"matchLabels": {"team": "a"}}, "applications": ["team-a-*"], "eventTypes": ["a.*"]},
            {"namespaces": {"matchLabels": {NAME_LABEL: "b"}}, "applications": ["b"], "eventTypes": ["b.*"],
             "maxAdoption": "Override", "allowExpunge": true},
        ]));
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let a = Grants::new(&spec, "x", Some(&labels));
        assert!(a.endpoint("team-a-1", &names(&["a.one"]), Adoption::Match).is_ok());
        for (application, event_type) in [("team-b", "a.one"), ("team-a-1", "b.one"), ("b", "b.one")] {
            let error = a.endpoint(application, &names(&[event_type]), Adoption::Match).unwrap_err();
            assert_eq!(error.reason, Reason::NotPermitted);
            assert!(error.message.starts_with("namespace \"x\" may not use "), "{error}");
        }
        assert!(a.event_type("a.one", Adoption::Match, true).is_err());
        let b = Grants::new(&spec, "b", Some(&BTreeMap::new()));
        assert!(b.event_type("b.one", Adoption::Override, true).is_ok());
        // A namespace cannot claim the name of another.
        let forged = BTreeMap::from([(NAME_LABEL.to_owned(), "b".to_owned())]);
        assert!(Grants::new(&spec, "c", Some(&forged)).event("b", &"b.one".to_owned()).is_err());
    }

    #[test]
    fn each_kind_of_object_is_checked_for_what_it_declares() {
        fn object<K: serde::de::DeserializeOwned>(kind: &str, spec: &serde_json::Value) -> K {
            serde_json::from_value(json!({
                "apiVersion": "svix-operator.dev/v1alpha1", "kind": kind,
                "metadata": {"name": "a.one", "namespace": "ns"}, "spec": spec,
            }))
            .unwrap()
        }
        let event_type: WebhookEventType = object("WebhookEventType", &json!({"schema": {}}));
        let endpoint: WebhookEndpoint =
            object("WebhookEndpoint", &json!({"url": "https://a.example", "eventTypes": ["a.one"]}));
        let event: WebhookEvent = object("WebhookEvent", &json!({"eventType": "a.one", "payload": {}}));
        let all = |connection: Option<&SvixConnectionSpec>| {
            [
                check(&event_type, "ns", connection, None).is_ok(),
                check(&Declaration::of(&event_type), "ns", connection, None).is_ok(),
                check(&endpoint, "ns", connection, None).is_ok(),
                check(&event, "ns", connection, None).is_ok(),
            ]
        };
        let rule = |applications: &[&str], event_types: &[&str]| {
            connection(json!([{"namespaces": {}, "applications": applications, "eventTypes": event_types}]))
        };

        assert_eq!(all(None), [true; 4], "without a connection there are no rules");
        assert_eq!(all(Some(&rule(&["default"], &["a.*"]))), [true; 4]);
        assert_eq!(all(Some(&rule(&["default"], &["b.*"]))), [false; 4]);
        assert_eq!(all(Some(&rule(&["other"], &["a.*"]))), [true, true, false, false]);
    }

    #[test]
    fn two_rules_do_not_add_up_to_what_neither_grants() {
        let spec = connection(json!([
            {"namespaces": {}, "applications": ["one"], "eventTypes": ["a.*"]},
            {"namespaces": {}, "applications": ["two"], "eventTypes": ["b.*"]},
        ]));
        let grants = Grants::new(&spec, "ns", Some(&BTreeMap::new()));
        assert!(grants.endpoint("one", &names(&["a.x"]), Adoption::Match).is_ok());
        assert!(grants.endpoint("one", &names(&["b.x"]), Adoption::Match).is_err());
    }

    #[test]
    fn selectors_mean_what_they_mean_in_kubernetes() {
        let labels = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
        let chosen = |expression: serde_json::Value| {
            let selector: NamespaceSelector =
                serde_json::from_value(json!({"matchExpressions": [expression]})).unwrap();
            selects(&selector, "ns", Some(&labels))
        };
        assert!(chosen(json!({"key": "tier", "operator": "In", "values": ["gold", "silver"]})));
        assert!(!chosen(json!({"key": "tier", "operator": "NotIn", "values": ["gold"]})));
        assert!(chosen(json!({"key": "other", "operator": "NotIn", "values": ["gold"]})));
        assert!(chosen(json!({"key": "tier", "operator": "Exists"})));
        assert!(chosen(json!({"key": "other", "operator": "DoesNotExist"})));
        assert!(selects(&NamespaceSelector::default(), "ns", None));
    }

    proptest! {
        #[test]
        fn patterns_match_as_the_regular_expression_of_the_same_meaning(
            pattern in "[ab*]{0,8}", text in "[ab]{0,10}"
        ) {
            fn slow(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|at| slow(rest, &text[at..])),
                    Some((byte, rest)) => text.first() == Some(byte) && slow(rest, &text[1..]),
                }
            }
            prop_assert_eq!(matches(&pattern, &text), slow(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
