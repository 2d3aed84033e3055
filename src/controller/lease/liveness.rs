//! Whether a leader is alive: for commands that must not work while an operator does, and are no candidates.

use std::time::{Duration, Instant};

use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::{Api, Client, ResourceExt as _, api::ListParams};

use crate::controller::errors::KubernetesError;

use super::record;

/// The pause between two reads of the lease. A leader renews every two seconds.
const POLL_PERIOD: Duration = Duration::from_millis(250);
/// The longest time that a leader counts as alive without renewing, whatever its record says: the most that `run` accepts.
const LONGEST: Duration = Duration::from_secs(300);
/// That time for a record without a duration.
const DEFAULT: Duration = Duration::from_secs(15);

/// A leader that is alive.
#[derive(Clone, Debug)]
pub struct LiveHolder {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The identity of the leader: the name of its Pod, and a suffix.
    pub identity: String,
    /// When it last renewed, by its own clock.
    pub renewed: Option<Timestamp>,
}

/// Returns the live leader of the Lease of this name, in one namespace or, for `None`, in any.
///
/// A record that names a leader does not say whether the leader is alive, and no two clocks are compared here. So the record
/// is read until it changes, which takes about two seconds when the leader is alive, or until the leader would lose its
/// Lease. Calls `waiting` with that time when it has to wait.
///
/// # Errors
/// The Lease cannot be read.
pub async fn find_live_holder(
    client: &Client,
    namespace: Option<&str>,
    name: &str,
    waiting: impl Fn(Duration),
) -> Result<Option<LiveHolder>, KubernetesError> {
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
        if let Some(holder) = wait_for_renewal(&api, lease, &waiting).await? {
            return Ok(Some(holder));
        }
    }
    Ok(None)
}

async fn wait_for_renewal(
    api: &Api<Lease>,
    first: Lease,
    waiting: impl Fn(Duration),
) -> Result<Option<LiveHolder>, KubernetesError> {
    let Some(spec) = first.spec.as_ref().filter(|spec| record::holder(spec).is_some()) else {
        return Ok(None);
    };
    let longest = record::duration(spec).unwrap_or(DEFAULT).min(LONGEST);
    waiting(longest);
    let end = Instant::now() + longest;
    loop {
        let Some(now) = api.get_opt(&first.name_any()).await? else { return Ok(None) };
        let Some(spec) = &now.spec else { return Ok(None) };
        let Some(identity) = record::holder(spec) else { return Ok(None) };
        if now.resource_version() != first.resource_version() {
            return Ok(Some(LiveHolder {
                namespace: now.namespace().unwrap_or_default(),
                identity: identity.to_owned(),
                renewed: spec.renew_time.as_ref().map(|time| time.0),
            }));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        tokio::time::sleep(POLL_PERIOD).await;
    }
}
