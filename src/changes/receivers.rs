//! Who receives the events of the event types that a change set archives, removes, or gives a schema that breaks receivers.
//!
//! The manifests, the token of Svix and the permissions in the cluster are those of the person who asks, so all are named.

use std::collections::BTreeSet;

use crate::{
    api::WebhookEndpoint,
    engine::Object,
    plan::{endpoint::Observed, receivers::named},
    svix::{Client, Error},
};

use super::{
    foreign::{is_declared, list_endpoints, name_of},
    model::{Change, ChangeSet},
};

/// An endpoint that receives events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    name: String,
    /// `None`: events of every type.
    event_types: Option<BTreeSet<String>>,
}

impl Receiver {
    fn receives(&self, event_type: &str) -> bool {
        self.event_types.as_ref().is_none_or(|names| names.contains(event_type))
    }
}

/// Whether there is a change that concerns receivers which are not named yet.
#[must_use]
pub fn are_missing(changes: &ChangeSet) -> bool {
    changes.changes.iter().any(is_missing)
}

fn is_missing(change: &Change) -> bool {
    change.concerns_receivers() && change.receivers.is_none() && change.application.is_none()
}

/// Returns the endpoints that objects declare.
pub fn declared<'a>(objects: impl Iterator<Item = &'a Object>) -> Vec<Receiver> {
    let endpoints = objects.filter_map(|object| match object {
        Object::Endpoint(endpoint) => Some(&**endpoint),
        _ => None,
    });
    endpoints.filter(|endpoint| endpoint.spec.disabled != Some(true)).map(of_endpoint).collect()
}

fn of_endpoint(endpoint: &WebhookEndpoint) -> Receiver {
    let meta = &endpoint.metadata;
    let [namespace, name] = [&meta.namespace, &meta.name].map(|it| it.as_deref().unwrap_or_default());
    let event_types = endpoint.spec.event_types.iter().cloned().collect();
    Receiver { name: format!("{namespace}/{name}"), event_types: Some(event_types) }
}

/// Returns the endpoints in Svix that no manifest declares and that are not deleted, of the applications that the manifests name.
///
/// # Errors
/// Svix fails.
pub async fn in_svix(client: &Client, changes: &ChangeSet) -> Result<Vec<Receiver>, Error> {
    let applications: BTreeSet<&str> =
        changes.changes.iter().filter_map(|change| change.application.as_deref()).collect();
    let mut receivers = Vec::new();
    for application in applications {
        // Those that are pruned are named here as well.
        let known: BTreeSet<&str> = changes
            .changes
            .iter()
            .filter(|change| change.application.as_deref() == Some(application))
            .filter_map(|change| change.resource.as_deref())
            .collect();
        let receives = |it: &Observed| !it.disabled && !is_declared(it, &known);
        let endpoints = list_endpoints(client, application, receives).await?;
        receivers.extend(endpoints.iter().map(|endpoint| of_svix(application, endpoint)));
    }
    Ok(receivers)
}

fn of_svix(application: &str, endpoint: &Observed) -> Receiver {
    let event_types = endpoint.event_types.as_ref();
    Receiver {
        name: format!("endpoint {} of application {application}", name_of(endpoint)),
        event_types: event_types.map(|names| names.iter().map(ToString::to_string).collect()),
    }
}

/// Names the receivers of each change that concerns them.
pub fn add(changes: &mut ChangeSet, receivers: &[Receiver]) {
    for change in changes.changes.iter_mut().filter(|change| is_missing(change)) {
        let Some(event_type) = &change.resource else { continue };
        let receivers = receivers.iter().filter(|it| it.receives(event_type));
        let receivers = named(receivers.map(|it| it.name.as_str()));
        change.receivers = (receivers.count > 0).then_some(receivers);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::model::{Action, Foreign},
        *,
    };

    fn receiver(name: &str, event_types: Option<&[&str]>) -> Receiver {
        let event_types = event_types.map(|names| names.iter().map(ToString::to_string).collect());
        Receiver { name: name.to_owned(), event_types }
    }

    fn change(action: Action) -> Change {
        let foreign =
            Foreign { kind: "event type".to_owned(), application: None, name: "a.b".to_owned(), owner: None };
        Change::not_declared(&foreign, action)
    }

    #[test]
    fn only_changes_that_concern_receivers_name_them() {
        let all = [
            receiver("shop/hook", Some(&["a.b"])),
            receiver("shop/other", Some(&["a.c"])),
            receiver("endpoint ep_1 of application default", None),
        ];
        for (change, expected) in [
            (change(Action::Archive), 2),
            (change(Action::Expunge), 2),
            (change(Action::Change), 0),
            (Change { breaks_receivers: true, ..change(Action::Change) }, 2),
            (Change { breaks_receivers: true, ..change(Action::Refuse) }, 2),
        ] {
            let mut changes = ChangeSet::new(vec![change]);

            add(&mut changes, &all);

            let count = changes.changes[0].receivers.as_ref().map_or(0, |receivers| receivers.count);
            assert_eq!(count, expected, "{:?}", changes.changes[0].action);
        }
    }
}
