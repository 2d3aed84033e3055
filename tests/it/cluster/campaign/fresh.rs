//! What the present specs of the pairs make of nothing.

use svix_operator::{embedded::EmbeddedSvix, plan::secrets::SecretData};

use super::{
    fixtures::{Stage, apply, common_event_types, looked_at, permissive, referred_to},
    pair::Pair,
};
use crate::support::{
    harness::{Harness, PATIENCE},
    objects::Manifest,
    test_namespace::TestNamespace,
    wait::eventually,
};

/// A Svix in which the pairs' specs were never others.
pub enum Fresh<'a> {
    /// Of an engine without a cluster.
    InMemory(Box<Harness>),
    /// Of the same operator, for another namespace.
    InCluster(TestNamespace<'a>),
}

/// A pair's objects, managed: in a fresh Svix there would be nothing else.
fn managed(pair: &Pair) -> impl Iterator<Item = Manifest> {
    [&pair.event_type, &pair.endpoint].into_iter().map(|object| {
        object
            .clone()
            .with("managementPolicy", serde_json::Value::Null)
            .with("suspend", serde_json::Value::Null)
    })
}

impl Fresh<'_> {
    pub async fn in_memory(pairs: &[Pair]) -> Self {
        let mut harness = Harness::with_connection(permissive).await;
        let place = |pair: &Pair| ("default".to_owned(), pair.name());
        harness.declare_with(
            |references| {
                for pair in pairs {
                    let bytes =
                        |(key, value): (&&str, &String)| ((*key).to_owned(), value.clone().into_bytes());
                    let data = pair.secret.iter().map(bytes).collect();
                    references.secrets.insert(place(pair), SecretData { data, ..SecretData::default() });
                    let (namespace, name) = place(pair);
                    let schema = (namespace, name, "schema.json".to_owned());
                    references.config_maps.insert(schema, pair.schema.clone());
                }
            },
            common_event_types().chain(pairs.iter().flat_map(managed)),
        );
        for object in pairs.iter().flat_map(managed) {
            let key = object.key();
            eventually("a fresh object to be well", PATIENCE, async || {
                let ready = harness.ready(&key)?;
                match &*ready.reason {
                    "InSync" | "FieldsIgnored" => Ok(()),
                    other => Err(format!("{other}: {}\n{object:?}", ready.message)),
                }
            })
            .await;
        }
        Self::InMemory(Box::new(harness))
    }

    pub async fn in_cluster(pairs: &[Pair]) -> Self {
        let control_plane = &Stage::shared().await.control_plane;
        let tenant = TestNamespace::with_connection(control_plane, "fresh", permissive).await;
        let referred_to = pairs.iter().flat_map(|pair| referred_to(pair, &tenant.name)).collect();
        apply(control_plane, referred_to).await;
        let objects = common_event_types().chain(pairs.iter().flat_map(managed));
        apply(control_plane, objects.map(|object| tenant.mine(object).0).collect()).await;
        looked_at(control_plane, &tenant.name, pairs, true).await;
        Self::InCluster(tenant)
    }

    pub fn svix(&self) -> &EmbeddedSvix {
        match self {
            Self::InMemory(harness) => &harness.svix,
            Self::InCluster(tenant) => &tenant.svix,
        }
    }

    /// The namespace of its objects.
    pub fn namespace(&self) -> &str {
        match self {
            Self::InMemory(_) => "default",
            Self::InCluster(tenant) => &tenant.name,
        }
    }
}
