//! An embedded Svix and an engine that keeps it in step, without a cluster.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use svix_operator::{
    api::{Condition, ConditionStatus},
    embedded::{self, DeliveryOptions, EmbeddedSvix},
    engine::{EventRecord, Kind, Object, ObjectKey, Options},
    manifests::{ManifestRunner, References},
    plan::secrets::SecretData,
    telemetry::Metrics,
};

use super::{
    objects::{Manifest, connection},
    svix_server,
    wait::eventually,
};

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Harness {
    pub svix: EmbeddedSvix,
    session: Option<ManifestRunner>,
    manifests: BTreeMap<ObjectKey, Manifest>,
    references: References,
    notes: Arc<Mutex<Vec<(ObjectKey, EventRecord)>>>,
    options: Options,
}

impl Harness {
    /// A harness with a connection named `default` that lists Svix every second.
    pub async fn new() -> Self {
        Self::with_connection(|connection| connection.with("resyncInterval", "1s")).await
    }

    /// A harness with a connection of one's own making.
    pub async fn with_connection(change: impl FnOnce(Manifest) -> Manifest) -> Self {
        // One retry soon, another that no test waits for.
        let retries = [Duration::from_millis(20), Duration::from_secs(3600)];
        Self::with_retries(&retries, change).await
    }

    /// Likewise, with a Svix that tries deliveries again after these times.
    pub async fn with_retries(retries: &[Duration], change: impl FnOnce(Manifest) -> Manifest) -> Self {
        let delivery = DeliveryOptions { retry_schedule: retries.to_vec(), ..DeliveryOptions::default() };
        Self::with(delivery, change).await
    }

    /// A harness whose Svix gives a message up with its first failure, and disables the endpoint with the second.
    pub async fn that_gives_up_at_once() -> Self {
        let delivery = DeliveryOptions {
            retry_schedule: Vec::new(),
            disable_after: Duration::ZERO,
            ..DeliveryOptions::default()
        };
        Self::with(delivery, |connection| connection.with("resyncInterval", "1s")).await
    }

    /// A harness whose engine is handed the objects of these namespaces alone.
    pub async fn of_namespaces(namespaces: &[&str]) -> Self {
        let mut harness = Self::new().await;
        harness.options.namespaces = Some(namespaces.iter().map(ToString::to_string).collect());
        harness.restart_with(|object| object).await;
        harness
    }

    /// A harness whose engine writes at such intervals what `payloadPolicy: Enforce` would have refused.
    pub async fn auditing_every(interval: Duration) -> Self {
        let mut harness = Self::new().await;
        harness.options.audit_interval = interval;
        harness.restart_with(|object| object).await;
        harness
    }

    async fn with(delivery: DeliveryOptions, change: impl FnOnce(Manifest) -> Manifest) -> Self {
        super::control_plane::no_build_under_way().await;
        let options = embedded::Options { delivery, ..embedded::Options::default() };
        let svix = svix_server::start_with(options).await;
        let mut harness = Self {
            session: None,
            manifests: BTreeMap::new(),
            references: References { token: svix.token().to_owned(), ..References::default() },
            notes: Arc::default(),
            options: Options { settle: Duration::from_millis(100), ..Options::default() },
            svix,
        };
        let connection = change(connection(&harness.svix.url()));
        harness.manifests.insert(connection.key(), connection);
        harness.start();
        harness.declare_all(Vec::new());
        harness
    }

    fn start(&mut self) {
        let notes = self.notes.clone();
        let tell = move |object: &Object, note: &EventRecord| {
            notes.lock().unwrap().push((object.key(), note.clone()))
        };
        let metrics = Metrics::default();
        self.session =
            Some(ManifestRunner::start(self.references.clone(), self.options.clone(), metrics, tell));
    }

    fn session(&self) -> &ManifestRunner {
        self.session.as_ref().unwrap()
    }

    fn declare_all(&self, given: Vec<Object>) {
        let mut objects: BTreeMap<ObjectKey, Object> =
            self.manifests.iter().map(|(key, manifest)| (key.clone(), manifest.object())).collect();
        objects.extend(given.into_iter().map(|object| (object.key(), object)));
        self.session().declare(objects.into_values().collect(), self.references.clone());
    }

    /// Declares these beside, or in place of, what is declared.
    pub fn declare(&mut self, manifests: impl IntoIterator<Item = Manifest>) {
        self.manifests.extend(manifests.into_iter().map(|manifest| (manifest.key(), manifest)));
        self.declare_all(Vec::new());
    }

    /// Deletes an object.
    pub fn delete(&mut self, key: &ObjectKey) {
        self.manifests.remove(key).expect("it was declared");
        self.declare_all(Vec::new());
    }

    /// Ends the engine as a crash would, and begins another that knows what Kubernetes would: the objects, their
    /// status and annotations.
    pub async fn crash_and_restart(&mut self) {
        let objects = self.session().objects();
        self.references.secrets.extend(self.session().written_secrets());
        self.session.take().unwrap().stop().await;
        self.start();
        self.declare_all(objects);
    }

    /// Loses everything that Kubernetes knew, but the connection: a cluster that is made anew.
    pub async fn forget_everything(&mut self) {
        self.session.take().unwrap().stop().await;
        self.manifests.retain(|key, _| key.kind == Kind::Connection);
        self.start();
        self.declare_all(Vec::new());
    }

    /// Declares what objects refer to, and these objects beside.
    pub fn declare_with(
        &mut self,
        refer: impl FnOnce(&mut References),
        manifests: impl IntoIterator<Item = Manifest>,
    ) {
        refer(&mut self.references);
        self.declare(manifests);
    }

    /// Declares a Secret in namespace `default`, as somebody who applies it.
    pub fn set_secret(&mut self, name: &str, key: &str, value: &str) {
        let place = ("default".to_owned(), name.to_owned());
        let secret = self.references.secrets.entry(place).or_default();
        secret.resource_version = format!("{}.", secret.resource_version);
        secret.data.insert(key.to_owned(), value.as_bytes().to_vec());
        self.declare_all(Vec::new());
        self.session().references_changed();
    }

    /// Takes a declared Secret away.
    pub fn forget_secret(&mut self, name: &str) {
        self.references.secrets.remove(&("default".to_owned(), name.to_owned()));
        self.declare_all(Vec::new());
        self.session().references_changed();
    }

    /// A Secret that the engine wrote in namespace `default`, in this life or one before.
    pub fn written_secret(&self, name: &str) -> Option<SecretData> {
        let place = ("default".to_owned(), name.to_owned());
        self.session()
            .written_secrets()
            .remove(&place)
            .or_else(|| self.references.secrets.get(&place).cloned())
    }

    /// Labels a namespace.
    pub fn label_namespace(&mut self, name: &str, labels: &[(&str, &str)]) {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.references.namespaces.insert(name.to_owned(), labels.collect());
        self.declare_all(Vec::new());
    }

    /// Waits until there is nothing left to do: also status is written then.
    pub async fn wait_until_idle(&self) {
        eventually("nothing to be left to do", PATIENCE, async || self.session().is_idle().then_some(()))
            .await;
    }

    /// Waits until Svix has been listed so often from now on; answers the writes that were made meanwhile.
    pub async fn writes_while_listed(&self, times: usize) -> Vec<String> {
        self.wait_until_idle().await;
        self.svix.clear_calls();
        eventually("several listings", PATIENCE, async || {
            let calls = self.svix.calls();
            (calls.iter().filter(|call| call.operation == "event-type.list").count() >= times).then_some(())
        })
        .await;
        self.writes()
    }

    pub fn set_token(&mut self, token: &str) {
        self.references.token = token.to_owned();
        self.declare_all(Vec::new());
        self.session().references_changed();
    }

    /// Has the engine begin with these objects, as if it had been started with them in the cluster.
    pub async fn restart_with(&mut self, change: impl Fn(Object) -> Object) {
        let objects = self.session().objects().into_iter().map(change).collect();
        self.session.take().unwrap().stop().await;
        self.start();
        self.declare_all(objects);
    }

    pub fn object(&self, key: &ObjectKey) -> Option<Object> {
        self.session().object(key)
    }

    /// The condition `Ready` of the present spec.
    pub fn ready(&self, key: &ObjectKey) -> Result<Condition, String> {
        let object = self.object(key).ok_or_else(|| format!("{key} is not there"))?;
        let condition = object
            .conditions()
            .iter()
            .find(|condition| format!("{:?}", condition.type_) == "Ready")
            .ok_or_else(|| format!("{key} has no Ready"))?;
        if object.observed_generation() != object.meta().generation {
            return Err(format!(
                "{key} is not looked at yet; before: {} {}",
                condition.reason, condition.message
            ));
        }
        Ok(condition.clone())
    }

    /// Waits until an object's `Ready` has this reason.
    pub async fn wait_for_reason(&self, key: &ObjectKey, reason: &str) -> Condition {
        eventually(&format!("{key} to be {reason}"), PATIENCE, async || {
            let ready = self.ready(key)?;
            if ready.reason == reason {
                Ok(ready)
            } else {
                Err(format!("{}: {}", ready.reason, ready.message))
            }
        })
        .await
    }

    /// Waits until everything that is declared is in step.
    pub async fn wait_until_in_sync(&self) {
        eventually("everything to be in step", PATIENCE, async || {
            for key in self.manifests.keys() {
                let ready = self.ready(key)?;
                // Of an event: its deliveries have ended, too.
                if ready.status != ConditionStatus::True || ready.reason == "Sent" {
                    return Err(format!("{key}: {}: {}", ready.reason, ready.message));
                }
            }
            Ok(())
        })
        .await;
    }

    /// The reasons of the notes about an object so far.
    pub fn published(&self, key: &ObjectKey) -> Vec<&'static str> {
        self.notes.lock().unwrap().iter().filter(|(of, _)| of == key).map(|(_, note)| note.reason).collect()
    }

    pub fn all_published(&self) -> Vec<(ObjectKey, EventRecord)> {
        self.notes.lock().unwrap().clone()
    }

    /// Writes that Svix took so far, by operation.
    pub fn writes(&self) -> Vec<String> {
        let calls = self.svix.calls();
        calls
            .iter()
            .filter(|call| call.is_write() && call.status < 400)
            .map(|call| format!("{} {}", call.operation, call.path))
            .collect()
    }

    /// Edits Svix by hand, as somebody with the token would.
    pub async fn edit_svix(&self, method: &str, path: &str, body: serde_json::Value) -> serde_json::Value {
        let request = reqwest::Client::new()
            .request(method.parse().unwrap(), format!("{}/api/v1{path}", self.svix.url()))
            .bearer_auth(self.svix.token());
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{method} {path}: {}", response.status());
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default()
    }
}
