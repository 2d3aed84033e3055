//! All pairs of a campaign on a real cluster: a namespace, and two connections with a Svix each.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use svix_operator::embedded::EmbeddedSvix;
use tokio::sync::OnceCell;

use super::{
    fresh::Fresh,
    observed,
    pair::{COMMON, Pair},
};
use crate::support::{
    control_plane::ControlPlane,
    objects::{Manifest, connection, event_type},
    operator::{Operator, install},
    svix_server,
    test_namespace::TestNamespace,
    wait::eventually_every,
};

/// Longer than a round takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
/// A look at hundreds of objects takes its time, which the operator could use.
const PAUSE: Duration = Duration::from_millis(500);
/// How many writes are on their way to the API server at once.
const AT_ONCE: usize = 8;

/// Where the campaigns take place: an operator that logs everything, and has its cluster for itself.
pub struct Stage {
    pub control_plane: ControlPlane,
    pub operator: Operator,
}

impl Stage {
    pub async fn shared() -> &'static Stage {
        static SHARED: OnceCell<Stage> = OnceCell::const_new();
        SHARED
            .get_or_init(|| async {
                let control_plane = ControlPlane::start().await;
                install(&control_plane).await;
                let operator = Operator::start_at_trace(&control_plane);
                operator.ready().await;
                Stage { control_plane, operator }
            })
            .await
    }
}

/// Everything may be adopted and expunged through it.
pub fn permissive(connection: Manifest) -> Manifest {
    let everything = json!({
        "namespaces": {}, "applications": ["*"], "eventTypes": ["*"], "maxAdoption": "Override", "allowExpunge": true,
    });
    connection.with("access", json!([everything])).with("resyncInterval", "2s")
}

/// Event types that endpoints may name beside their own.
pub fn common_event_types() -> impl Iterator<Item = Manifest> {
    COMMON.into_iter().map(event_type)
}

/// The Secret and the ConfigMap of a pair.
pub fn referred_to(pair: &Pair, namespace: &str) -> [Value; 2] {
    let metadata = json!({"name": pair.name(), "namespace": namespace});
    [
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": pair.secret}),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"schema.json": pair.schema},
        }),
    ]
}

/// Server-side apply of many objects, some at a time.
pub async fn apply(control_plane: &ControlPlane, objects: Vec<Value>) {
    let client = control_plane.client();
    let parameters = PatchParams::apply("campaign").force();
    stream::iter(objects)
        .map(Ok::<_, String>)
        .try_for_each_concurrent(AT_ONCE, async |object| {
            let text = |pointer: &str| {
                object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let api: Api<DynamicObject> =
                Api::namespaced_with(client.clone(), &text("/metadata/namespace"), &resource(&text("/kind")));
            let applied = api.patch(&text("/metadata/name"), &parameters, &Patch::Apply(&object)).await;
            applied.map(drop).map_err(|error| format!("{error}\n{object:#}"))
        })
        .await
        .unwrap_or_else(|error| panic!("an object is not valid: {error}"));
}

fn resource(kind: &str) -> ApiResource {
    let (group, version) = match kind {
        "Secret" | "ConfigMap" => ("", "v1"),
        _ => (api_group(), "v1alpha1"),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

fn api_group() -> &'static str {
    svix_operator::api::GROUP
}

/// All objects of a kind in a namespace, by name.
async fn list(
    control_plane: &ControlPlane,
    namespace: &str,
    kind: &str,
) -> Result<BTreeMap<String, Value>, String> {
    let api: Api<DynamicObject> = Api::namespaced_with(control_plane.client(), namespace, &resource(kind));
    let found = api.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
    let objects = found.items.into_iter().map(|object| {
        (object.metadata.name.clone().unwrap_or_default(), serde_json::to_value(object).unwrap())
    });
    Ok(objects.collect())
}

/// Whether the operator has looked at the present spec of an object, and what came of it.
fn verdict(object: Option<&Value>) -> Result<(bool, String), String> {
    let object = object.ok_or("it is not there")?;
    let status = &object["status"];
    if status["observedGeneration"] != object["metadata"]["generation"] {
        return Err(format!("not looked at yet: {status}"));
    }
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready").ok_or("no Ready")?;
    let reported = format!("{}: {}", ready["reason"].as_str().unwrap(), ready["message"].as_str().unwrap());
    // The embedded Svix ignores `groupName`, as the open-source server does: that is reported, and the rest is carried out. So
    // is that somebody disabled what is declared to be enabled, which is respected.
    let is_well = ready["status"] == "True" || ready["reason"] == "FieldsIgnored";
    Ok((is_well || ready["reason"] == "DisabledInSvix", reported))
}

/// Waits until the operator has looked at the present specs of all pairs; with `well`, also until all is well.
pub async fn looked_at(control_plane: &ControlPlane, namespace: &str, pairs: &[Pair], well: bool) {
    eventually_every(PAUSE, "all objects to be looked at", PATIENCE, async || {
        let event_types = list(control_plane, namespace, "WebhookEventType").await?;
        let endpoints = list(control_plane, namespace, "WebhookEndpoint").await?;
        for pair in pairs {
            let name = pair.event_type.0["metadata"]["name"].as_str().unwrap();
            for object in [event_types.get(name), endpoints.get(&pair.name())] {
                match verdict(object) {
                    Ok((is_well, _)) if is_well || !well => {}
                    Ok((_, why)) | Err(why) => {
                        return Err(format!("seed {}: {why}\n{}", pair.seed, chain(pair)));
                    }
                }
            }
        }
        Ok(())
    })
    .await;
}

/// What was declared and done so far, for whoever has to find out what went wrong.
pub fn chain(pair: &Pair) -> String {
    pair.chain.iter().enumerate().map(|(turn, what)| format!("  {turn}: {what}\n")).collect()
}

/// The pairs' objects in a namespace.
pub struct Fixtures {
    pub stage: &'static Stage,
    tenant: TestNamespace<'static>,
    /// What the two connections lead to.
    pub svix: [EmbeddedSvix; 2],
}

impl Fixtures {
    pub async fn enter(name: &str) -> Self {
        let stage = Stage::shared().await;
        let control_plane = &stage.control_plane;
        let tenant = TestNamespace::with_connection(control_plane, name, permissive).await;
        let other = svix_server::start_beside(&tenant.svix).await;
        let reference = json!({"name": tenant.name, "key": "token"});
        let second = connection(&other.url()).named(&format!("{}-1", tenant.name));
        tenant.apply([permissive(second.with("tokenSecretRef", reference))]).await;
        let first = svix_server::start_beside(&tenant.svix).await;
        let reference = json!({"name": tenant.name, "key": "token"});
        let connection = connection(&first.url()).named(&format!("{}-0", tenant.name));
        tenant.apply([permissive(connection.with("tokenSecretRef", reference))]).await;
        let fixtures = Self { stage, tenant, svix: [first, other] };
        let common = (0..2).flat_map(|index| {
            common_event_types().map(move |object| {
                let name = object.0["metadata"]["name"].as_str().unwrap().to_owned();
                (index, object.named(&format!("{name}.{index}")).with("name", name))
            })
        });
        apply(control_plane, common.map(|(index, object)| fixtures.placed(object, index)).collect()).await;
        fixtures
    }

    pub fn namespace(&self) -> &str {
        &self.tenant.name
    }

    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        self.tenant.kubectl(arguments).await.expect_success()
    }

    /// An object in the namespace, on one of the two connections.
    fn placed(&self, object: Manifest, connection: usize) -> Value {
        let name = format!("{}-{connection}", self.tenant.name);
        object.in_namespace(&self.tenant.name).with("connectionRef", json!({"name": name})).0
    }

    /// Applies what all pairs are now.
    pub async fn apply(&self, pairs: &[Pair]) {
        let control_plane = &self.stage.control_plane;
        let referred_to = pairs.iter().flat_map(|pair| referred_to(pair, &self.tenant.name)).collect();
        apply(control_plane, referred_to).await;
        let objects = pairs.iter().flat_map(|pair| {
            [&pair.event_type, &pair.endpoint].map(|object| self.placed(object.clone(), pair.connection))
        });
        apply(control_plane, objects.collect()).await;
    }

    /// Waits until the operator is content with the present specs of all pairs.
    pub async fn settled(&self, pairs: &[Pair]) {
        looked_at(&self.stage.control_plane, &self.tenant.name, pairs, true).await;
    }

    /// Waits until the operator has looked at the present specs of all pairs.
    pub async fn seen(&self, pairs: &[Pair]) {
        looked_at(&self.stage.control_plane, &self.tenant.name, pairs, false).await;
    }

    /// Waits until Svix holds for each pair what the same specs made of nothing.
    pub async fn holds_the_same(&self, pairs: &[Pair], fresh: &Fresh<'_>) {
        let there = fresh.svix().snapshot();
        eventually_every(PAUSE, "Svix to hold what fresh specs make", PATIENCE, async || {
            let here = self.svix.each_ref().map(EmbeddedSvix::snapshot);
            let differing: Vec<_> = pairs
                .iter()
                .filter_map(|pair| {
                    let namespace = self.namespace();
                    let held = (&here[pair.connection], namespace);
                    let mut found = observed::differences(pair, held, (&there, fresh.namespace()));
                    found.extend(observed::left_over(pair, &here[1 - pair.connection], namespace));
                    (!found.is_empty()).then(|| format!("seed {}: {found:#?}\n{}", pair.seed, chain(pair)))
                })
                .collect();
            match differing.len() {
                0 => Ok(()),
                number => Err(format!("{number} of {} pairs differ:\n{}", pairs.len(), first(&differing))),
            }
        })
        .await;
    }

    /// Waits until each Secret that a signing key is to be written to holds the one that Svix signs with.
    pub async fn has_published_its_keys(&self, pairs: &[Pair]) {
        eventually_every(PAUSE, "the keys to be published", PATIENCE, async || {
            let secrets = list(&self.stage.control_plane, &self.tenant.name, "Secret").await?;
            let here = self.svix.each_ref().map(EmbeddedSvix::snapshot);
            for pair in pairs {
                let to = &pair.endpoint.0["spec"]["signingSecret"]["toSecret"];
                let Some(name) = to["name"].as_str() else { continue };
                let key = to["key"].as_str().unwrap_or("signingKey");
                let held = here[pair.connection].endpoint(pair.application(), &pair.uid(self.namespace()));
                let published = secrets.get(name).map(|secret| &secret["data"][key]);
                let expected = held.map(|held| {
                    use base64::{Engine as _, engine::general_purpose::STANDARD};
                    json!(STANDARD.encode(&held.secret))
                });
                if published != expected.as_ref() {
                    let what = format!("Secret {name} holds another key than Svix");
                    return Err(format!("seed {}: {what}\n{}", pair.seed, chain(pair)));
                }
            }
            Ok(())
        })
        .await;
    }
}

fn first(differing: &[String]) -> String {
    differing.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n")
}
