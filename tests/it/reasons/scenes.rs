//! One small scene for each reason: what is declared, and what happens then. Nothing here looks for the reason.

use std::{any::Any, pin::Pin, sync::Arc, time::Duration};

use serde_json::{Value, json};
use svix_operator::{
    api::{Condition, Reason, WebhookEvent},
    embedded::FaultPlan,
    engine::{Kind, Object, ObjectKey, ReferenceError},
};

use crate::support::{
    control_plane::ControlPlane,
    inbox::Inbox,
    objects::{Manifest, connection, endpoint, event, event_type, key},
    operator::{Operator, install_definitions, kubeconfig_of},
    records::Recorded,
    tenant::Tenant,
    wait::eventually,
    world::{PATIENCE, World},
};

/// Where an object is looked at.
enum Place {
    World(Box<World>),
    Recorded(Recorded),
    /// In a cluster that is gone by now.
    Cluster(Vec<Condition>),
}

/// How an object is to stand.
#[derive(Clone, Copy, Debug)]
pub enum Standing {
    /// `Ready` is true.
    Ready,
    /// `Reconciling`.
    Waiting,
    /// `Stalled`.
    Stalled,
    /// The reason is that of `Accepted`.
    Accepted,
}

/// An object in a state of the world.
pub struct Scene {
    place: Place,
    key: ObjectKey,
    pub standing: Standing,
    /// What must not end before the scene.
    _kept: Option<Box<dyn Any>>,
}

impl Scene {
    fn of(world: World, object: &Manifest, standing: Standing) -> Self {
        Self { place: Place::World(Box::new(world)), key: object.key(), standing, _kept: None }
    }

    fn keeping(self, kept: impl Any) -> Self {
        Self { _kept: Some(Box::new(kept)), ..self }
    }

    pub fn subject(&self) -> &ObjectKey {
        &self.key
    }

    /// The conditions of now.
    pub fn conditions(&self) -> Vec<Condition> {
        let object = match &self.place {
            Place::World(world) => world.object(&self.key),
            Place::Recorded(recorded) => {
                recorded.watch();
                recorded.stored(&self.key)
            }
            Place::Cluster(conditions) => return conditions.clone(),
        };
        object.map(|object| object.conditions().to_vec()).unwrap_or_default()
    }
}

/// A world in which this is declared.
async fn declaring(objects: impl IntoIterator<Item = Manifest>) -> World {
    let mut world = World::new().await;
    world.declare(objects);
    world
}

/// The object alone in a world.
async fn alone(object: Manifest, standing: Standing) -> Scene {
    Scene::of(declaring([object.clone()]).await, &object, standing)
}

/// The object, declared while every call of this kind meets these faults.
async fn under(only: &str, faults: FaultPlan, objects: Vec<Manifest>, standing: Standing) -> Scene {
    let world = World::new().await;
    world.svix.faults().set(FaultPlan { only: Some(vec![only.to_owned()]), ..faults });
    let mut world = world;
    let object = objects[0].clone();
    world.declare(objects);
    Scene::of(world, &object, standing)
}

fn kind() -> Manifest {
    event_type("a.one").with("description", "declared")
}

fn hook() -> Manifest {
    endpoint("hook", &["a.one"])
}

fn observed(object: Manifest) -> Manifest {
    object.with("managementPolicy", "Observe")
}

/// An event type that takes only payloads with a `name` that is a text.
fn strict(policy: &str) -> Manifest {
    let schema = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}});
    event_type("a.one").with("schema", schema).with("payloadPolicy", policy)
}

fn wrong() -> Manifest {
    event("e", "a.one").with("payload", json!({"name": 7}))
}

fn from_secret(secret: &str) -> Value {
    json!({"fromSecret": {"name": secret, "key": "key"}})
}

/// An event and an endpoint that answers so; a failed delivery is tried again after these times.
async fn delivered(status: u16, retries: &[Duration]) -> Scene {
    let mut world = World::with_retries(retries, |connection| connection.with("resyncInterval", "1s")).await;
    let (inbox, sent) = (Inbox::answering(status).await, event("e", "a.one"));
    world.declare([event_type("a.one"), hook().with("url", inbox.url()), sent.clone()]);
    Scene::of(world, &sent, Standing::Ready).keeping(inbox)
}

/// The scene in which a reason is reached.
pub fn scene(reason: Reason) -> Pin<Box<dyn Future<Output = Scene>>> {
    // Each in a box of its own: one future of them all is larger than a stack.
    fn boxed(scene: impl Future<Output = Scene> + 'static) -> Pin<Box<dyn Future<Output = Scene>>> {
        Box::pin(scene)
    }
    use Standing::{Accepted, Ready, Stalled, Waiting};
    match reason {
        Reason::InSync => boxed(async move { alone(kind(), Ready).await }),
        Reason::Connected => boxed(async move { Scene::of(World::new().await, &connection(""), Ready) }),
        Reason::WaitingForEventType => boxed(async move { alone(hook(), Waiting).await }),
        Reason::ConnectionNotFound => {
            boxed(
                async move { alone(kind().with("connectionRef", json!({"name": "nobody"})), Waiting).await },
            )
        }
        Reason::ConnectionNotReady => boxed(async move {
            let lost = kind().with("connectionRef", json!({"name": "dead"}));
            let dead = connection("http://127.0.0.1:9").named("dead");
            Scene::of(declaring([dead, lost.clone()]).await, &lost, Waiting)
        }),
        Reason::InvalidSpec => boxed(async move { alone(event_type("nodot"), Stalled).await }),
        Reason::InvalidSchema => {
            boxed(async move { alone(kind().with("schema", json!({"type": "strin"})), Stalled).await })
        }
        Reason::SchemaSourceNotFound => boxed(async move {
            let from = json!({"configMapKeyRef": {"name": "nobody", "key": "schema"}});
            alone(kind().with("schema", json!(null)).with("schemaFrom", from), Stalled).await
        }),
        Reason::NotOurs => boxed(async move {
            let mut world = World::new().await;
            world.by_hand("POST", "/event-type", json!({"name": "a.one", "description": "theirs"})).await;
            world.declare([kind()]);
            Scene::of(world, &kind(), Stalled)
        }),
        Reason::Conflict => boxed(async move {
            let mut world = declaring([kind()]).await;
            world.all_in_step().await;
            let other = kind().named("other").with("name", "a.one");
            world.declare([other.clone()]);
            Scene::of(world, &other, Stalled)
        }),
        Reason::ApplicationNotFound => boxed(async move {
            let mut world = World::with_connection(|it| it.with("createApplications", "Never")).await;
            world.declare([kind(), hook().with("application", "nobody")]);
            Scene::of(world, &hook(), Stalled)
        }),
        Reason::RefusedBySvix => {
            boxed(async move { alone(kind().with("description", "control \u{1} character"), Stalled).await })
        }
        Reason::FieldsIgnored => {
            boxed(async move { alone(kind().with("groupName", "group"), Stalled).await })
        }
        Reason::SvixUnavailable => boxed(async move {
            let faults = FaultPlan { errors: 1.0, ..FaultPlan::default() };
            under("event-type.create", faults, vec![kind()], Waiting).await
        }),
        Reason::Throttled => boxed(async move {
            let faults = FaultPlan { throttled: 1.0, ..FaultPlan::default() };
            under("event-type.create", faults, vec![kind()], Waiting).await
        }),
        Reason::TokenNotFound => boxed(async move {
            let recorded = Recorded::new().await;
            recorded.set_token(Err(ReferenceError::NotFound(
                "Secret svix-operator/svix-token is not there".into(),
            )));
            let key = key(Kind::Connection, "default");
            Scene { place: Place::Recorded(recorded), key, standing: Stalled, _kept: None }
        }),
        Reason::AuthenticationFailed => boxed(async move {
            let mut world = World::new().await;
            world.set_token("wrong");
            Scene::of(world, &connection(""), Stalled)
        }),
        Reason::InvalidConnection => boxed(async move {
            alone(connection("http://127.0.0.1:9").with("caBundle", "no certificate"), Stalled).await
        }),
        Reason::InUse => boxed(async move {
            let mut world = declaring([kind()]).await;
            world.all_in_step().await;
            world.delete(&connection("").key());
            Scene::of(world, &connection(""), Stalled)
        }),
        Reason::Deleting => boxed(async move {
            let mut world = declaring([kind()]).await;
            world.all_in_step().await;
            world.svix.faults().down(true);
            world.delete(&kind().key());
            Scene::of(world, &kind(), Waiting)
        }),
        Reason::InvalidPayload => {
            boxed(async move { Scene::of(declaring([strict("Enforce"), wrong()]).await, &wrong(), Stalled) })
        }
        Reason::PayloadValid => boxed(async move {
            let sent = event("e", "a.one");
            Scene::of(declaring([strict("Enforce"), sent.clone()]).await, &sent, Accepted)
        }),
        Reason::PayloadMismatch => {
            boxed(async move { Scene::of(declaring([strict("Warn"), wrong()]).await, &wrong(), Accepted) })
        }
        Reason::Sending => boxed(async move {
            let minute = Duration::from_secs(60);
            let faults = FaultPlan { slow: 1.0, slow_for: minute, ..FaultPlan::default() };
            under("message.create", faults, vec![event("e", "a.one"), kind()], Waiting).await
        }),
        Reason::Sent => boxed(async move { delivered(500, &[Duration::from_secs(3600)]).await }),
        Reason::Delivered => boxed(async move { delivered(200, &[]).await }),
        Reason::NoEndpointMatched => boxed(async move {
            Scene::of(declaring([kind(), event("e", "a.one")]).await, &event("e", "a.one"), Ready)
        }),
        Reason::DeliveryFailed => boxed(async move { delivered(500, &[]).await }),
        Reason::DeliveryUnknown => boxed(async move {
            let scene = delivered(500, &[Duration::from_secs(3600)]).await;
            let Place::World(world) = &scene.place else { unreachable!() };
            world.reason(&scene.key, "Sent").await;
            world.by_hand("DELETE", "/app/default", json!(null)).await;
            scene
        }),
        Reason::EventIdTaken => boxed(async move {
            let mut world = World::new().await;
            world.by_hand("POST", "/app", json!({"uid": "default", "name": "x"})).await;
            let other = json!({"eventType": "a.other", "eventId": "mine", "payload": {}});
            world.by_hand("POST", "/app/default/msg", other).await;
            let sent = event("e", "a.one").with("eventId", "mine");
            world.declare([kind(), sent.clone()]);
            Scene::of(world, &sent, Stalled)
        }),
        Reason::NotSent => boxed(async move { sent_yesterday().await }),
        Reason::NotPermitted => boxed(async move {
            let mut world = World::with_connection(|it| it.with("access", json!([]))).await;
            world.declare([kind()]);
            Scene::of(world, &kind(), Stalled)
        }),
        Reason::Suspended => boxed(async move {
            let mut world = declaring([kind()]).await;
            world.all_in_step().await;
            world.declare([kind().with("suspend", true)]);
            Scene::of(world, &kind(), Ready)
        }),
        Reason::Observed => boxed(async move {
            let mut world = declaring([kind()]).await;
            world.all_in_step().await;
            world.declare([observed(kind())]);
            Scene::of(world, &kind(), Ready)
        }),
        Reason::Differs => boxed(async move { alone(observed(kind()), Ready).await }),
        Reason::DisabledInSvix => boxed(async move {
            let world = declaring([kind(), hook()]).await;
            world.all_in_step().await;
            let path = "/app/default/endpoint/test.default.hook";
            world.by_hand("PATCH", path, json!({"disabled": true})).await;
            Scene::of(world, &hook(), Ready)
        }),
        Reason::SecretNotFound => boxed(async move {
            let keyed = hook().with("signingSecret", from_secret("nobody"));
            Scene::of(declaring([kind(), keyed]).await, &hook(), Stalled)
        }),
        Reason::InvalidSecret => boxed(async move {
            let mut world = World::new().await;
            world.set_secret("bad", "key", "no key at all");
            world.declare([kind(), hook().with("signingSecret", from_secret("bad"))]);
            Scene::of(world, &hook(), Stalled)
        }),
        Reason::SecretNotReadable => boxed(async move { without_permission().await }),
        Reason::SecretNotOurs => boxed(async move {
            let mut world = World::new().await;
            world.set_secret("theirs", "signingKey", "somebody's");
            let to_secret = json!({"toSecret": {"name": "theirs"}});
            world.declare([kind(), hook().with("signingSecret", to_secret)]);
            Scene::of(world, &hook(), Stalled)
        }),
        Reason::RotationLimited => boxed(async move { rotated_too_often().await }),
        Reason::Contested => boxed(async move { changed_again_and_again().await }),
        Reason::Moving => boxed(async move {
            // The connection before is broken, so that nothing can be cleaned up there.
            let mut world = World::new().await;
            let (before, moved) = (connection(&world.svix.url()).named("before"), kind());
            world.declare([before.clone(), moved.clone().with("connectionRef", json!({"name": "before"}))]);
            world.all_in_step().await;
            world.declare([before.clone().with("caBundle", "no certificate")]);
            world.reason(&before.key(), "InvalidConnection").await;
            world.declare([moved.clone()]);
            Scene::of(world, &moved, Waiting)
        }),
    }
}

/// An event whose first attempt failed more than a day ago.
async fn sent_yesterday() -> Scene {
    let mut world = declaring([kind()]).await;
    world.all_in_step().await;
    let only = Some(vec!["message.create".to_owned()]);
    world.svix.faults().set(FaultPlan { errors: 1.0, only, ..FaultPlan::default() });
    let sent = event("e", "a.one");
    world.declare([sent.clone()]);
    let first_attempt = |world: &World| match world.object(&sent.key()) {
        Some(Object::Event(event)) => event.status.as_ref().and_then(|status| status.first_attempt_at),
        _ => None,
    };
    eventually("a first attempt", PATIENCE, async || first_attempt(&world)).await;
    world
        .restart_with(|object| match object {
            Object::Event(event) => {
                let mut event = WebhookEvent::clone(&event);
                let yesterday = jiff::Timestamp::now() - Duration::from_secs(25 * 3600);
                event.status.as_mut().unwrap().first_attempt_at = Some(yesterday);
                Object::Event(Arc::new(event))
            }
            object => object,
        })
        .await;
    world.svix.faults().clear();
    Scene::of(world, &sent, Standing::Stalled)
}

/// An endpoint whose key was rotated by hand as often as Svix allows, and which is to use another one.
async fn rotated_too_often() -> Scene {
    let mut world = World::new().await;
    world.declare([kind(), hook()]);
    world.all_in_step().await;
    for _ in 0..10 {
        let path = "/app/default/endpoint/test.default.hook/secret/rotate";
        world.by_hand("POST", path, json!({})).await;
    }
    world.set_secret("keys", "key", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    world.declare([hook().with("signingSecret", from_secret("keys"))]);
    Scene::of(world, &hook(), Standing::Waiting)
}

/// An event type that somebody changes in Svix whenever it was changed back.
async fn changed_again_and_again() -> Scene {
    let world = declaring([kind()]).await;
    world.all_in_step().await;
    // Once more than is put up with.
    for _ in 0..6 {
        eventually("it to be as declared", PATIENCE, async || {
            (world.svix.snapshot().event_types["a.one"].description == "declared").then_some(())
        })
        .await;
        world.by_hand("PATCH", "/event-type/a.one", json!({"description": "by hand"})).await;
    }
    Scene::of(world, &kind(), Standing::Stalled)
}

/// An endpoint in a namespace in which the operator may read no Secret: its role for them is left out.
async fn without_permission() -> Scene {
    let control_plane = ControlPlane::start().await;
    install_definitions(&control_plane).await;
    let rbac = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/install/rbac.yaml");
    let (given, _) = std::fs::read_to_string(rbac)
        .unwrap()
        .split_once("# Endpoints can take their address")
        .map(|(given, rest)| (given.to_owned(), rest.to_owned()))
        .expect("the part of the permissions that is about Secrets");
    control_plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &given).await.expect_success();
    let tenant = Tenant::new(&control_plane, "unreadable").await;
    let kubeconfig = kubeconfig_of(&control_plane, "svix-operator");
    let operator = Operator::start_with(&control_plane, &kubeconfig, &[]).that_may_be_refused();
    operator.ready().await;
    tenant.apply([kind(), hook().with("signingSecret", from_secret("keys"))]).await;
    let conditions = eventually("a condition of the endpoint", PATIENCE, async || {
        let object = tenant.get("webhookendpoint", "hook").await?;
        let conditions: Vec<Condition> = serde_json::from_value(object["status"]["conditions"].clone())
            .map_err(|error| error.to_string())?;
        let waits = conditions.iter().any(|condition| condition.reason == "WaitingForEventType");
        if waits { Err(format!("{conditions:?}")) } else { Ok(conditions) }
    })
    .await;
    Scene { place: Place::Cluster(conditions), key: hook().key(), standing: Standing::Stalled, _kept: None }
}
