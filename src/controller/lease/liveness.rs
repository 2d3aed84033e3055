//! Whether somebody leads: for who must not work while an operator does, and is no candidate.

use std::time::{Duration, Instant};

use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::{Api, Client, ResourceExt as _, api::ListParams};

use crate::controller::errors::describe;

use super::record;

/// The pause between two looks: a leader renews every two seconds.
const LOOK: Duration = Duration::from_millis(250);
/// The longest that a leader may be silent, whatever its record says: what `run` takes at most.
const LONGEST: Duration = Duration::from_secs(300);
/// For a record that does not say how long it is valid.
const DEFAULT: Duration = Duration::from_secs(15);

/// A leader that is alive.
#[derive(Clone, Debug)]
pub struct LivingHolder {
    /// The namespace of the Lease.
    pub namespace: String,
    /// Who it is: the name of a Pod, and a suffix.
    pub identity: String,
    /// When it last renewed, by its own clock.
    pub renewed: Option<Timestamp>,
}

/// The leader of the Lease of this name, in one namespace or, for `None`, wherever there is one.
///
/// A record that names a leader says nothing of whether it is alive, and no two clocks are compared here: the record is
/// watched until it changes, which takes a living leader some two seconds, or until a silent one would lose its
/// Lease. `waits` is called when there is something to wait for, with the longest time.
///
/// # Errors
/// What Kubernetes says when the Lease cannot be read.
pub async fn living_holder(
    client: &Client,
    namespace: Option<&str>,
    name: &str,
    waits: impl Fn(Duration),
) -> Result<Option<LivingHolder>, String> {
    look(client, namespace, name, waits).await.map_err(|error| describe(&error))
}

async fn look(
    client: &Client,
    namespace: Option<&str>,
    name: &str,
    waits: impl Fn(Duration),
) -> kube::Result<Option<LivingHolder>> {
    let found = match namespace {
        Some(namespace) => {
            Api::<Lease>::namespaced(client.clone(), namespace).get_opt(name).await?.into_iter().collect()
        }
        None => {
            let params = ListParams::default().fields(&format!("metadata.name={name}"));
            Api::<Lease>::all(client.clone()).list(&params).await?.items
        }
    };
    for lease in found {
        let api = Api::namespaced(client.clone(), &lease.namespace().unwrap_or_default());
        if let Some(holder) = watched(&api, lease, &waits).await? {
            return Ok(Some(holder));
        }
    }
    Ok(None)
}

async fn watched(
    api: &Api<Lease>,
    first: Lease,
    waits: impl Fn(Duration),
) -> kube::Result<Option<LivingHolder>> {
    let Some(spec) = first.spec.as_ref().filter(|spec| record::holder(spec).is_some()) else {
        return Ok(None);
    };
    let silent = record::duration(spec).unwrap_or(DEFAULT).min(LONGEST);
    waits(silent);
    let end = Instant::now() + silent;
    loop {
        let Some(now) = api.get_opt(&first.name_any()).await? else { return Ok(None) };
        let Some(spec) = &now.spec else { return Ok(None) };
        let Some(identity) = record::holder(spec) else { return Ok(None) };
        if now.resource_version() != first.resource_version() {
            return Ok(Some(LivingHolder {
                namespace: now.namespace().unwrap_or_default(),
                identity: identity.to_owned(),
                renewed: spec.renew_time.as_ref().map(|time| time.0),
            }));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        tokio::time::sleep(LOOK).await;
    }
}
