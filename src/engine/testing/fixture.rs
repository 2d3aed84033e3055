//! Objects in a context, and an embedded Svix that their connections are connected to.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::sync::Notify;

use crate::{
    api::ConditionType,
    embedded::{self, EmbeddedSvix, EndpointState, FaultPlan, MessageState},
    engine::{
        context::{Context, Options},
        object::{Kind, Object, ObjectKey},
        queue::Next,
        reconcile,
        session::{
            ClientConfig, Session,
            listing::{self, OnListed},
        },
    },
    svix::{Budget, Changed, Client, ClientOptions},
    telemetry::Metrics,
};

use super::{
    host::FakeHost,
    manifest::{Manifest, object_of},
};

/// A context with a [`FakeHost`], and what surrounds it.
pub struct Fixture {
    pub ctx: Context<FakeHost>,
    svix: Option<EmbeddedSvix>,
}

impl Fixture {
    /// A context without objects, which reports at once that something waits.
    pub fn new() -> Self {
        Self::with_options(Options { settle: Duration::ZERO, ..Options::default() })
    }

    /// A context without objects.
    pub fn with_options(options: Options) -> Self {
        Self { ctx: Context::new(FakeHost::default(), options, Metrics::default()), svix: None }
    }

    /// Declares an object beside the others.
    #[must_use]
    pub fn with(self, manifest: Manifest) -> Self {
        self.declare(manifest);
        self
    }

    /// Starts an embedded Svix, and takes its token for that of every connection.
    pub async fn with_svix(mut self) -> Self {
        let svix = EmbeddedSvix::start(embedded::Options::default()).await.unwrap();
        self.ctx.host.set_token(Ok(svix.token()));
        self.svix = Some(svix);
        self
    }

    /// Starts an embedded Svix, and gives all connections a session on it.
    pub async fn connected(self) -> Self {
        let fixture = self.with_svix().await;
        for key in fixture.ctx.registry.keys(Kind::Connection) {
            fixture.connect(&key.name).await;
        }
        fixture
    }

    /// Gives a connection a new session that has listed Svix.
    pub async fn connect(&self, name: &str) {
        let connection = self.ctx.registry.connection(name).expect("the connection is declared");
        let (url, token) = (self.svix().url(), self.svix().token());
        let timeout = Duration::from_secs(10);
        let options = ClientOptions { server_url: Some(&url), token, ca_bundle: None, timeout };
        let client = Client::new(&options, Arc::new(Budget::new(None)), Metrics::default()).unwrap();
        let (handle, _) = self.ctx.sessions.ensure(name);
        let session = Session::new(client, ClientConfig::new(&connection.spec, token), &handle);
        listing::list(&session, self.ctx.registry.applications(name), &Unnoticed).await.unwrap();
        handle.set_session(Some(Arc::new(session)));
    }

    /// Returns the embedded Svix.
    pub fn svix(&self) -> &EmbeddedSvix {
        self.svix.as_ref().expect("it was started")
    }

    /// Returns the session of the connection `default`.
    pub fn session(&self) -> Arc<Session> {
        self.ctx.session("default").unwrap()
    }

    /// Declares an object, or declares it again: its status and metadata stay, and its generation grows.
    pub fn declare(&self, manifest: Manifest) {
        let key = manifest.key();
        let Some(before) = self.ctx.host.get(&key) else {
            self.ctx.registry.upsert(self.ctx.host.store(manifest.object()));
            return;
        };
        let declared = json_of(&manifest.object());
        self.edit(&key, |it| it["spec"] = declared["spec"].clone());
        let generation = before.generation().unwrap_or_default() + 1;
        self.edit(&key, |it| it["metadata"]["generation"] = generation.into());
    }

    /// Changes the JSON of an object that exists.
    pub fn edit(&self, key: &ObjectKey, change: impl FnOnce(&mut Value)) {
        let mut json = json_of(&self.stored(key));
        change(&mut json);
        self.ctx.registry.upsert(self.ctx.host.store(object_of(json)));
    }

    /// Begins the deletion of an object that exists.
    pub fn delete(&self, key: &ObjectKey) {
        self.edit(key, |it| it["metadata"]["deletionTimestamp"] = jiff::Timestamp::now().to_string().into());
    }

    /// Ends the existence of an object, as the watch says it.
    pub fn remove(&self, key: &ObjectKey) {
        self.ctx.registry.remove(key);
    }

    /// Reconciles an object once, and returns when it is to be reconciled again.
    pub async fn reconcile(&self, key: &ObjectKey) -> Next {
        self.woken();
        self.ctx.wake(key);
        let work = self.ctx.queue.try_next().expect("it is declared");
        let next = reconcile::reconcile(&self.ctx, &work).await;
        self.ctx.queue.done(&work, Next::Settled);
        next
    }

    /// Returns the names of the objects that were woken since an object was reconciled, or this was asked.
    pub fn woken(&self) -> BTreeSet<String> {
        let mut woken = BTreeSet::new();
        while let Some(work) = self.ctx.queue.try_next() {
            self.ctx.queue.done(&work, Next::Settled);
            woken.insert(work.key.name.to_string());
        }
        woken
    }

    /// Returns an object as the host has it.
    pub fn stored(&self, key: &ObjectKey) -> Object {
        self.ctx.host.get(key).unwrap_or_else(|| panic!("{key} does not exist"))
    }

    /// Whether an object exists.
    pub fn exists(&self, key: &ObjectKey) -> bool {
        self.ctx.host.get(key).is_some()
    }

    /// Returns the status of an object, as JSON.
    pub fn status(&self, key: &ObjectKey) -> Value {
        json_of(&self.stored(key))["status"].clone()
    }

    /// Returns the reason of an object's `Ready`; empty when it has none.
    pub fn reason(&self, key: &ObjectKey) -> String {
        self.condition(key, ConditionType::Ready).map_or_else(String::new, |(reason, _)| reason)
    }

    /// Returns the message of an object's `Ready`; empty when it has none.
    pub fn message(&self, key: &ObjectKey) -> String {
        self.condition(key, ConditionType::Ready).map_or_else(String::new, |(_, message)| message)
    }

    /// Returns reason and message of a condition of an object.
    pub fn condition(&self, key: &ObjectKey, type_: ConditionType) -> Option<(String, String)> {
        let object = self.stored(key);
        let found = object.conditions().iter().find(|condition| condition.type_ == type_)?;
        Some((found.reason.to_string(), found.message.to_string()))
    }

    /// Returns the reasons of what was published about an object, in their order.
    pub fn events(&self, key: &ObjectKey) -> Vec<&'static str> {
        self.ctx.host.events(key).iter().map(|record| record.reason).collect()
    }

    /// Returns the operations that wrote to Svix since this was asked last, in their order.
    pub fn writes(&self) -> Vec<&'static str> {
        let calls = self.svix().calls();
        self.svix().clear_calls();
        calls.iter().filter(|call| call.is_write()).map(|call| call.operation).collect()
    }

    /// Returns the endpoint of this uid in the application `default`.
    pub fn endpoint_in_svix(&self, uid: &str) -> Option<EndpointState> {
        self.svix().snapshot().endpoint("default", uid).cloned()
    }

    /// Returns the messages in the application `default`.
    pub fn messages_in_svix(&self) -> Vec<MessageState> {
        let snapshot = self.svix().snapshot();
        let application = snapshot.applications.get("default");
        application.map_or_else(Vec::new, |it| it.messages.values().cloned().collect())
    }

    /// Has an operation of Svix fail with status 500, without effect.
    pub fn fail_svix(&self, operation: &str) {
        let only = Some(vec![operation.to_owned()]);
        self.svix().faults().set(FaultPlan { errors: 1.0, only, ..FaultPlan::default() });
    }

    /// Has all operations of Svix fail with status 500, without effect.
    pub fn fail_all_of_svix(&self) {
        self.svix().faults().set(FaultPlan { errors: 1.0, ..FaultPlan::default() });
    }

    /// Has an operation of Svix take effect, and its response get lost.
    pub fn lose_responses(&self, operation: &str) {
        let only = Some(vec![operation.to_owned()]);
        self.svix().faults().set(FaultPlan { drop_after: 1.0, only, ..FaultPlan::default() });
    }

    /// Has all operations of Svix work again.
    pub fn recover_svix(&self) {
        self.svix().faults().clear();
    }

    /// Returns what is notified of each delivery attempt.
    pub fn deliveries(&self) -> Arc<Notify> {
        let attempted = Arc::new(Notify::new());
        let notified = attempted.clone();
        self.svix().on_delivery(move |_| notified.notify_one());
        attempted
    }

    /// Writes to Svix as somebody else. Returns the response.
    pub async fn by_hand(&self, method: &str, path: &str, body: Value) -> Value {
        let request = reqwest::Client::new()
            .request(method.parse().unwrap(), format!("{}/api/v1{path}", self.svix().url()))
            .bearer_auth(self.svix().token())
            .json(&body);
        let response = request.send().await.unwrap().error_for_status().unwrap();
        let text = response.text().await.unwrap();
        self.svix().clear_calls();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// Returns an object as JSON.
fn json_of(object: &Object) -> Value {
    match object {
        Object::Connection(it) => serde_json::to_value(&**it),
        Object::EventType(it) => serde_json::to_value(&**it),
        Object::Endpoint(it) => serde_json::to_value(&**it),
        Object::Event(it) => serde_json::to_value(&**it),
    }
    .unwrap()
}

/// Wakes nobody.
struct Unnoticed;

impl OnListed for Unnoticed {
    fn changed(&self, _: &[Changed]) {}
    fn application_present(&self, _: Box<str>) {}
}
