//! Event types that endpoints subscribe to and no manifest declares: other manifests do. They exist on both sides of a
//! comparison, or else every endpoint that subscribes to one would wait for it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{
    embedded::EmbeddedSvix,
    manifests::Loaded,
    plan::{Field, event_type::Desired},
    svix::{self, Budget, Client, ClientOptions, InvalidConnection},
    telemetry::Metrics,
};

/// Why the embedded Svix cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum CannotPrepare {
    /// There is no client for it.
    #[error(transparent)]
    Client(#[from] InvalidConnection),
    /// A call failed.
    #[error(transparent)]
    Call(#[from] svix::Error),
}

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Creates the event types that endpoints subscribe to and that neither side declares.
pub(super) async fn add_event_types(svix: &EmbeddedSvix, sides: [&Loaded; 2]) -> Result<(), CannotPrepare> {
    let names = undeclared(sides);
    if names.is_empty() {
        return Ok(());
    }
    let url = svix.url();
    let options =
        ClientOptions { server_url: Some(&url), token: svix.token(), ca_bundle: None, timeout: TIMEOUT };
    let client = Client::new(&options, Arc::new(Budget::new(None)), Metrics::default())?;
    for name in names {
        let event_type = Desired {
            name,
            schema: None,
            description: None,
            deprecated: None,
            group_name: None,
            feature_flags: None,
            feature_flags_field: Field::FeatureFlag,
            named: Vec::new(),
        };
        client.create_event_type(&event_type).await?;
    }
    Ok(())
}

fn undeclared(sides: [&Loaded; 2]) -> BTreeSet<String> {
    let event_types = sides.iter().flat_map(|side| &side.event_types);
    let declared: BTreeSet<String> = event_types.map(|located| located.object.event_type_name()).collect();
    let endpoints = sides.iter().flat_map(|side| &side.endpoints);
    let named = endpoints.flat_map(|located| &located.object.spec.event_types);
    named.filter(|name| !declared.contains(*name)).cloned().collect()
}
