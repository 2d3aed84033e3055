//! The permissions of a namespace on a connection: its `access`, checked before any call.

mod pattern;
mod selector;

use std::collections::BTreeMap;

use crate::api::{
    AccessRule, Adoption, EventTypeDeletionPolicy, Reason, SvixConnectionSpec, WebhookEndpoint, WebhookEvent,
    WebhookEventType,
};

use pattern::any_matches;
pub use pattern::matches as matches_pattern;
pub use selector::{NAME_LABEL, selects};

use super::{ReconcileError, claims::Declaration, quoted};

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

#[cfg(test)]
mod tests;
