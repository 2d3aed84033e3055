//! One small scenario for each reason: what is declared, and what happens then. Nothing here looks for the reason.

use std::{any::Any, pin::Pin, sync::Arc, time::Duration};

use serde_json::{Value, json};
use svix_operator::{
    api::{Condition, Reason, WebhookEvent},
    embedded::FaultPlan,
    engine::{Kind, Object, ObjectKey, ReferenceError},
};

use crate::support::{
    control_plane::ControlPlane,
    harness::{Harness, PATIENCE},
    inbox::Inbox,
    objects::{Manifest, connection, endpoint, event, event_type, key},
    operator::{Operator, install_definitions, kubeconfig_of},
    records::Recorded,
    test_namespace::TestNamespace,
    wait::eventually,
};

/// Where an object is looked at.
enum Place {
    Harness(Box<Harness>),
    Recorded(Box<Recorded>),
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

/// An object in a state of the harness.
pub struct Scenario {
    place: Place,
    key: ObjectKey,
    pub standing: Standing,
    /// What must not end before the scenario.
    _kept: Option<Box<dyn Any>>,
}

impl Scenario {
    fn of(harness: Harness, object: &Manifest, standing: Standing) -> Self {
        Self { place: Place::Harness(Box::new(harness)), key: object.key(), standing, _kept: None }
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
            Place::Harness(harness) => harness.object(&self.key),
            Place::Recorded(recorded) => {
                recorded.watch();
                recorded.stored(&self.key)
            }
            Place::Cluster(conditions) => return conditions.clone(),
        };
        object.map(|object| object.conditions().to_vec()).unwrap_or_default()
    }
}

/// A harness in which this is declared.
async fn declaring(objects: impl IntoIterator<Item = Manifest>) -> Harness {
    let mut harness = Harness::new().await;
    harness.declare(objects);
    harness
}

/// The object alone in a harness.
async fn alone(object: Manifest, standing: Standing) -> Scenario {
    Scenario::of(declaring([object.clone()]).await, &object, standing)
}

/// The object, declared while every call of this kind meets these faults.
async fn under(only: &str, faults: FaultPlan, objects: Vec<Manifest>, standing: Standing) -> Scenario {
    let harness = Harness::new().await;
    harness.svix.faults().set(FaultPlan { only: Some(vec![only.to_owned()]), ..faults });
    let mut harness = harness;
    let object = objects[0].clone();
    harness.declare(objects);
    Scenario::of(harness, &object, standing)
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
async fn delivered(status: u16, retries: &[Duration]) -> Scenario {
    let mut harness =
        Harness::with_retries(retries, |connection| connection.with("resyncInterval", "1s")).await;
    let (inbox, sent) = (Inbox::answering(status).await, event("e", "a.one"));
    harness.declare([event_type("a.one"), hook().with("url", inbox.url()), sent.clone()]);
    Scenario::of(harness, &sent, Standing::Ready).keeping(inbox)
}

/// The scenario in which a reason is reached.
pub fn scenario(reason: Reason) -> Pin<Box<dyn Future<Output = Scenario>>> {
    // Each in a box of its own: one future of them all is larger than a stack.
    fn boxed(scenario: impl Future<Output = Scenario> + 'static) -> Pin<Box<dyn Future<Output = Scenario>>> {
        Box::pin(scenario)
    }
    use Standing::{Accepted, Ready, Stalled, Waiting};
    match reason {
        Reason::InSync => boxed(async move { alone(kind(), Ready).await }),
        Reason::Connected => boxed(async move { Scenario::of(Harness::new().await, &connection(""), Ready) }),
        Reason::WaitingForEventType => boxed(async move { alone(hook(), Waiting).await }),
        Reason::ConnectionNotFound => {
            boxed(
                async move { alone(kind().with("connectionRef", json!({"name": "nobody"})), Waiting).await },
            )
        }
        Reason::ConnectionNotReady => boxed(async move {
            let lost = kind().with("connectionRef", json!({"name": "dead"}));
            let dead = connection("http://127.0.0.1:9").named("dead");
            Scenario::of(declaring([dead, lost.clone()]).await, &lost, Waiting)
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
            let mut harness = Harness::new().await;
            harness.edit_svix("POST", "/event-type", json!({"name": "a.one", "description": "theirs"})).await;
            harness.declare([kind()]);
            Scenario::of(harness, &kind(), Stalled)
        }),
        Reason::Conflict => boxed(async move {
            let mut harness = declaring([kind()]).await;
            harness.wait_until_in_sync().await;
            let other = kind().named("other").with("name", "a.one");
            harness.declare([other.clone()]);
            Scenario::of(harness, &other, Stalled)
        }),
        Reason::ApplicationNotFound => boxed(async move {
            let mut harness = Harness::with_connection(|it| it.with("createApplications", "Never")).await;
            harness.declare([kind(), hook().with("application", "nobody")]);
            Scenario::of(harness, &hook(), Stalled)
        }),
        Reason::RefusedBySvix => {
            let faults = FaultPlan { refused: 1.0, ..FaultPlan::default() };
            boxed(async move { under("event-type.create", faults, vec![kind()], Stalled).await })
        }
        Reason::FieldsIgnored => {
            boxed(async move { alone(kind().with("groupName", "group"), Stalled).await })
        }
        Reason::SvixUnavailable => boxed(async move {
            let mut harness = Harness::new().await;
            harness.wait_for_reason(&connection("").key(), "Connected").await;
            harness.svix.faults().set(FaultPlan { errors: 1.0, ..FaultPlan::default() });
            harness.declare([kind()]);
            Scenario::of(harness, &kind(), Waiting)
        }),
        Reason::BreakingChange => boxed(async move {
            let of = |kind: &str| {
                let schema = json!({"type": "object", "properties": {"n": {"type": kind}}});
                event_type("a.one").with("schema", schema).with("compatibility", json!({"action": "Enforce"}))
            };
            let mut harness = declaring([of("integer")]).await;
            harness.wait_for_reason(&of("integer").key(), "InSync").await;
            harness.declare([of("number")]);
            Scenario::of(harness, &of("number"), Stalled)
        }),
        Reason::SvixFailsOnObject => boxed(async move {
            let faults = FaultPlan { errors: 1.0, ..FaultPlan::default() };
            under("event-type.create", faults, vec![kind()], Stalled).await
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
            Scenario { place: Place::Recorded(Box::new(recorded)), key, standing: Stalled, _kept: None }
        }),
        Reason::AuthenticationFailed => boxed(async move {
            let mut harness = Harness::new().await;
            harness.set_token("wrong");
            Scenario::of(harness, &connection(""), Stalled)
        }),
        Reason::InvalidConnection => boxed(async move {
            alone(connection("http://127.0.0.1:9").with("caBundle", "no certificate"), Stalled).await
        }),
        Reason::InUse => boxed(async move {
            let mut harness = declaring([kind()]).await;
            harness.wait_until_in_sync().await;
            harness.delete(&connection("").key());
            Scenario::of(harness, &connection(""), Stalled)
        }),
        Reason::Deleting => boxed(async move {
            let mut harness = declaring([kind()]).await;
            harness.wait_until_in_sync().await;
            harness.svix.faults().down(true);
            harness.delete(&kind().key());
            Scenario::of(harness, &kind(), Waiting)
        }),
        Reason::InvalidPayload => {
            boxed(
                async move { Scenario::of(declaring([strict("Enforce"), wrong()]).await, &wrong(), Stalled) },
            )
        }
        Reason::ValidationLimitExceeded => boxed(async move {
            let schema = json!({"type": "object", "anyOf": [
                {"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}},
            ]});
            let deep = (0..60).fold(json!({}), |inner, _| json!({"a": inner}));
            let sent = event("e", "a.one").with("payload", deep);
            let declared = declaring([event_type("a.one").with("schema", schema), sent.clone()]).await;
            Scenario::of(declared, &sent, Stalled)
        }),
        Reason::PayloadValid => boxed(async move {
            let sent = event("e", "a.one");
            Scenario::of(declaring([strict("Enforce"), sent.clone()]).await, &sent, Accepted)
        }),
        Reason::PayloadNotValidated => boxed(async move {
            let sent = event("e", "a.one");
            let without_schema = kind().with("schema", serde_json::Value::Null);
            Scenario::of(declaring([without_schema, sent.clone()]).await, &sent, Accepted)
        }),
        Reason::PayloadMismatch => {
            boxed(async move { Scenario::of(declaring([strict("Warn"), wrong()]).await, &wrong(), Accepted) })
        }
        Reason::Sending => boxed(async move {
            let minute = Duration::from_secs(60);
            let faults = FaultPlan { slow: 1.0, slow_for: minute, ..FaultPlan::default() };
            under("message.create", faults, vec![event("e", "a.one"), kind()], Waiting).await
        }),
        Reason::Sent => boxed(async move { delivered(500, &[Duration::from_secs(3600)]).await }),
        Reason::Delivered => boxed(async move { delivered(200, &[]).await }),
        Reason::NoEndpointMatched => boxed(async move {
            Scenario::of(declaring([kind(), event("e", "a.one")]).await, &event("e", "a.one"), Ready)
        }),
        Reason::DeliveryFailed => boxed(async move { delivered(500, &[]).await }),
        Reason::DeliveryUnknown => boxed(async move {
            let scenario = delivered(500, &[Duration::from_secs(3600)]).await;
            let Place::Harness(harness) = &scenario.place else { unreachable!() };
            harness.wait_for_reason(&scenario.key, "Sent").await;
            harness.edit_svix("DELETE", "/app/default", json!(null)).await;
            scenario
        }),
        Reason::EventIdTaken => boxed(async move {
            let mut harness = Harness::new().await;
            harness.edit_svix("POST", "/app", json!({"uid": "default", "name": "x"})).await;
            let other = json!({"eventType": "a.other", "eventId": "mine", "payload": {}});
            harness.edit_svix("POST", "/app/default/msg", other).await;
            let sent = event("e", "a.one").with("eventId", "mine");
            harness.declare([kind(), sent.clone()]);
            Scenario::of(harness, &sent, Stalled)
        }),
        Reason::NotSent => boxed(async move { sent_yesterday().await }),
        Reason::NotPermitted => boxed(async move {
            let mut harness = Harness::with_connection(|it| it.with("access", json!([]))).await;
            harness.declare([kind()]);
            Scenario::of(harness, &kind(), Stalled)
        }),
        Reason::Suspended => boxed(async move {
            let mut harness = declaring([kind()]).await;
            harness.wait_until_in_sync().await;
            harness.declare([kind().with("suspend", true)]);
            Scenario::of(harness, &kind(), Ready)
        }),
        Reason::Observed => boxed(async move {
            let mut harness = declaring([kind()]).await;
            harness.wait_until_in_sync().await;
            harness.declare([observed(kind())]);
            Scenario::of(harness, &kind(), Ready)
        }),
        Reason::Differs => boxed(async move { alone(observed(kind()), Ready).await }),
        Reason::DisabledInSvix => boxed(async move {
            let harness = declaring([kind(), hook()]).await;
            harness.wait_until_in_sync().await;
            let path = "/app/default/endpoint/test.default.hook";
            harness.edit_svix("PATCH", path, json!({"disabled": true})).await;
            Scenario::of(harness, &hook(), Ready)
        }),
        Reason::SecretNotFound => boxed(async move {
            let keyed = hook().with("signingSecret", from_secret("nobody"));
            Scenario::of(declaring([kind(), keyed]).await, &hook(), Stalled)
        }),
        Reason::InvalidSecret => boxed(async move {
            let mut harness = Harness::new().await;
            harness.set_secret("bad", "key", "no key at all");
            harness.declare([kind(), hook().with("signingSecret", from_secret("bad"))]);
            Scenario::of(harness, &hook(), Stalled)
        }),
        Reason::SecretNotReadable => boxed(async move { without_permission().await }),
        Reason::SecretNotOurs => boxed(async move {
            let mut harness = Harness::new().await;
            harness.set_secret("theirs", "signingKey", "somebody's");
            let to_secret = json!({"toSecret": {"name": "theirs"}});
            harness.declare([kind(), hook().with("signingSecret", to_secret)]);
            Scenario::of(harness, &hook(), Stalled)
        }),
        Reason::RotationLimited => boxed(async move { rotated_too_often().await }),
        Reason::Contested => boxed(async move { changed_again_and_again().await }),
        Reason::Moving => boxed(async move {
            // The connection before is broken, so that nothing can be cleaned up there.
            let mut harness = Harness::new().await;
            let (before, moved) = (connection(&harness.svix.url()).named("before"), kind());
            harness.declare([before.clone(), moved.clone().with("connectionRef", json!({"name": "before"}))]);
            harness.wait_until_in_sync().await;
            harness.declare([before.clone().with("caBundle", "no certificate")]);
            harness.wait_for_reason(&before.key(), "InvalidConnection").await;
            harness.declare([moved.clone()]);
            Scenario::of(harness, &moved, Waiting)
        }),
    }
}

/// An event whose first attempt failed more than a day ago.
async fn sent_yesterday() -> Scenario {
    let mut harness = declaring([kind()]).await;
    harness.wait_until_in_sync().await;
    let only = Some(vec!["message.create".to_owned()]);
    harness.svix.faults().set(FaultPlan { errors: 1.0, only, ..FaultPlan::default() });
    let sent = event("e", "a.one");
    harness.declare([sent.clone()]);
    let first_attempt = |harness: &Harness| match harness.object(&sent.key()) {
        Some(Object::Event(event)) => event.status.as_ref().and_then(|status| status.first_attempt_at),
        _ => None,
    };
    eventually("a first attempt", PATIENCE, async || first_attempt(&harness)).await;
    harness
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
    harness.svix.faults().clear();
    Scenario::of(harness, &sent, Standing::Stalled)
}

/// An endpoint whose key was rotated by hand as often as Svix allows, and which is to use another one.
async fn rotated_too_often() -> Scenario {
    let mut harness = Harness::new().await;
    harness.declare([kind(), hook()]);
    harness.wait_until_in_sync().await;
    for _ in 0..10 {
        let path = "/app/default/endpoint/test.default.hook/secret/rotate";
        harness.edit_svix("POST", path, json!({})).await;
    }
    harness.set_secret("keys", "key", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    harness.declare([hook().with("signingSecret", from_secret("keys"))]);
    Scenario::of(harness, &hook(), Standing::Waiting)
}

/// An event type that somebody changes in Svix whenever it was changed back.
async fn changed_again_and_again() -> Scenario {
    let harness = declaring([kind()]).await;
    harness.wait_until_in_sync().await;
    // Once more than is put up with.
    for _ in 0..6 {
        eventually("it to be as declared", PATIENCE, async || {
            (harness.svix.snapshot().event_types["a.one"].description == "declared").then_some(())
        })
        .await;
        harness.edit_svix("PATCH", "/event-type/a.one", json!({"description": "by hand"})).await;
    }
    Scenario::of(harness, &kind(), Standing::Stalled)
}

/// An endpoint in a namespace in which the operator may read no Secret: its role for them is left out.
async fn without_permission() -> Scenario {
    let control_plane = ControlPlane::start().await;
    install_definitions(&control_plane).await;
    let rbac = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/install/rbac.yaml");
    let (given, _) = std::fs::read_to_string(rbac)
        .unwrap()
        .split_once("# Endpoints can take their address")
        .map(|(given, rest)| (given.to_owned(), rest.to_owned()))
        .expect("the part of the permissions that is about Secrets");
    control_plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &given).await.expect_success();
    let tenant = TestNamespace::new(&control_plane, "unreadable").await;
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
    Scenario {
        place: Place::Cluster(conditions),
        key: hook().key(),
        standing: Standing::Stalled,
        _kept: None,
    }
}
