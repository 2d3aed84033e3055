//! What Svix has and no manifest declares, and what of it `apply --prune` may delete.

use std::collections::BTreeSet;

use crate::{
    engine::Kind,
    plan::{OwnerMark, endpoint::Observed, ids},
    svix::{Client, Error},
};

use super::model::{Action, Change, ChangeSet, Foreign};

/// What may be deleted of what is not declared.
#[derive(Clone, Debug, Default)]
pub struct Prune {
    /// The `ownerId` of the connection: endpoints with its mark are deleted.
    pub owner: String,
    /// Patterns of event types that are archived.
    pub event_types: Vec<String>,
}

/// Returns what Svix has and the manifests do not declare: event types, and the endpoints of the applications that they
/// name and of `applications`.
///
/// # Errors
/// Svix fails.
pub async fn list(
    client: &Client,
    changes: &ChangeSet,
    applications: &[String],
) -> Result<Vec<Foreign>, Error> {
    let mut foreign = Vec::new();
    let event_types = changes.changes.iter().filter(|change| change.kind == Kind::EventType.as_str());
    let declared: BTreeSet<&str> = event_types.filter_map(|it| it.resource.as_deref()).collect();
    let mut from = None;
    loop {
        let page = client.list_event_types(from.as_deref()).await?;
        let unknown =
            page.items.into_iter().filter(|it| !it.archived && !declared.contains(it.name.as_str()));
        foreign.extend(unknown.map(|event_type| Foreign {
            kind: EVENT_TYPE.to_owned(),
            application: None,
            name: event_type.name,
            owner: None,
        }));
        match page.next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    let named = changes.changes.iter().filter_map(|change| change.application.as_deref());
    let named: BTreeSet<&str> = named.chain(applications.iter().map(String::as_str)).collect();
    for application in named {
        let of_application: BTreeSet<&str> = changes
            .changes
            .iter()
            .filter(|change| change.application.as_deref() == Some(application))
            .filter_map(|change| change.resource.as_deref())
            .collect();
        let unknown = |it: &Observed| !is_declared(it, &of_application);
        let endpoints = list_endpoints(client, application, unknown).await?;
        foreign.extend(endpoints.iter().map(|endpoint| Foreign {
            kind: ENDPOINT.to_owned(),
            application: Some(application.to_owned()),
            name: name_of(endpoint).to_owned(),
            owner: endpoint.mark().map(str::to_owned),
        }));
    }
    foreign.sort();
    Ok(foreign)
}

/// Returns the endpoints of an application that are wanted.
pub(super) async fn list_endpoints(
    client: &Client,
    application: &str,
    is_wanted: impl Fn(&Observed) -> bool,
) -> Result<Vec<Observed>, Error> {
    let (mut endpoints, mut from) = (Vec::new(), None);
    while let Some(page) = client.list_endpoints(application, from.as_deref()).await? {
        endpoints.extend(page.items.into_iter().filter(&is_wanted));
        match page.next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    Ok(endpoints)
}

/// The uid of an endpoint, or else its id.
pub(super) fn name_of(endpoint: &Observed) -> &str {
    endpoint.uid.as_deref().unwrap_or(&endpoint.id)
}

const EVENT_TYPE: &str = "event type";
const ENDPOINT: &str = "endpoint";

pub(super) fn is_declared(endpoint: &Observed, declared: &BTreeSet<&str>) -> bool {
    endpoint.uid.as_deref().is_some_and(|uid| declared.contains(uid)) || declared.contains(&*endpoint.id)
}

/// Returns the deletions of what may be pruned.
#[must_use]
pub fn prunable(foreign: &[Foreign], prune: &Prune) -> Vec<Change> {
    let changes = foreign.iter().filter_map(|foreign| {
        let is_ours = || foreign.owner.as_deref().is_some_and(|mark| OwnerMark::is_of(mark, &prune.owner));
        let is_named = || prune.event_types.iter().any(|pattern| matches(pattern, &foreign.name));
        let action = match foreign.kind.as_str() {
            ENDPOINT if is_ours() => Action::Delete,
            EVENT_TYPE if is_named() => Action::Archive,
            _ => return None,
        };
        Some(Change::not_declared(foreign, action))
    });
    changes.collect()
}

/// Whether a name matches a pattern, in which `*` is any text.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else { return false };
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Deletes what was approved to be pruned. One that is not as it was is left.
///
/// # Errors
/// Svix fails.
pub async fn delete(client: &Client, change: &Change, owner: &str) -> Result<bool, Error> {
    let Some(resource) = &change.resource else { return Ok(false) };
    match (change.action, &change.application) {
        (Action::Archive, _) if ids::is_name(resource) => {
            client.delete_event_type(resource, false).await?;
            Ok(true)
        }
        (Action::Delete, Some(application)) => {
            // Its owner may have changed since it was listed.
            let Some(found) = client.get_endpoint(application, resource).await? else { return Ok(true) };
            let is_ours = found.mark().is_some_and(|mark| OwnerMark::is_of(mark, owner));
            if is_ours {
                client.delete_endpoint(application, &found.id).await?;
            }
            Ok(is_ours)
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("order.*", "order.placed", true),
            ("order.*", "orders.placed", false),
            ("*", "anything", true),
            ("order.placed", "order.placed", true),
            ("order.placed", "order.placed.late", false),
            ("*.placed", "order.placed", true),
            ("o*r.*d", "order.placed", true),
            ("order.*.x", "order.x", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn only_our_endpoints_and_named_event_types_are_pruned() {
        let foreign = |kind: &str, name: &str, owner: Option<&str>| Foreign {
            kind: kind.to_owned(),
            application: (kind == ENDPOINT).then(|| "default".to_owned()),
            name: name.to_owned(),
            owner: owner.map(str::to_owned),
        };
        let foreign = [
            foreign(ENDPOINT, "ours", Some("prod/ns/a")),
            foreign(ENDPOINT, "other", Some("production/ns/a")),
            foreign(ENDPOINT, "no mark of an operator", Some("prod/Any text")),
            foreign(ENDPOINT, "nobody", None),
            foreign(EVENT_TYPE, "order.placed", None),
            foreign(EVENT_TYPE, "user.created", None),
        ];

        let prune = Prune { owner: "prod".to_owned(), event_types: vec!["order.*".to_owned()] };

        let names: Vec<_> =
            prunable(&foreign, &prune).into_iter().filter_map(|change| change.resource).collect();
        assert_eq!(names, ["ours", "order.placed"]);
    }
}
