//! The engine's host in a cluster: claims, status, finalizers, Events, and the Secrets and ConfigMaps that objects refer to.
//!
//! Of an object, only status, our finalizer and our annotation are ever written, and only events whose time to live is over
//! are ever deleted. Secrets are read by name, and written only where an endpoint asks for it. Each write names the uid
//! or the resource version of the object, so an object that was deleted and created again is not taken for the first one.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc, time::Duration};

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::{ClusterResourceScope, NamespaceResourceScope, Request},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    api::{CLAIM_ANNOTATION, ConfigMapKeyRef, FINALIZER, SvixConnection, WebhookEvent},
    engine::{
        EventRecord, Host, HostError, Object, ReferenceError, RevisionWrite, SecretWrite, Status, dispatch,
    },
    plan::{
        revision::{Published, Revision},
        secrets::{SecretData, SecretOwner},
        signing::ENDPOINT_UID_LABEL,
        single_line,
    },
};

use super::{
    errors::{describe, is_terminating},
    events::EventWriter,
    finalizer::{self, Location, Metadata, Persistence, Removal, RemovalError},
    manager::MANAGER,
    objects::{drop_payload, drop_unused_metadata},
    readable::Readable,
    referenced::get_opt,
    revisions::{self, RevisionOwner},
    watch::PAGE_OF_LARGE,
};

/// How long the removal of a finalizer is tried while others change the finalizers of the object. What fails otherwise
/// is tried again by the queue, which waits without keeping a task.
const PERSISTENCE: Persistence = Persistence { limit: Duration::from_secs(5), is_transient: |_| false };

/// The cluster as the engine's host. See [`Host`].
pub struct KubernetesHost {
    client: Client,
    events: EventWriter,
    secrets_namespace: String,
    /// Permits for reading what specs refer to, which can take some megabytes each while it is parsed.
    reads: Semaphore,
}

/// How many objects that specs refer to are read at once.
const READS: usize = 4;

impl KubernetesHost {
    /// Returns a host that reads tokens from Secrets in one namespace. `instance` names this process in Events.
    #[must_use]
    pub fn new(client: Client, secrets_namespace: impl Into<String>, instance: impl Into<String>) -> Self {
        let events = EventWriter::start(client.clone(), instance.into());
        Self { client, events, secrets_namespace: secrets_namespace.into(), reads: Semaphore::new(READS) }
    }

    /// Returns the API of an object's kind, in the object's namespace if it has one.
    fn api<K>(&self, object: &K) -> Api<Readable<K>>
    where
        K: Resource<DynamicType = ()>,
        K::Scope: Scoped,
    {
        K::Scope::api(self.client.clone(), object)
    }
}

/// The scopes of kinds, and how their APIs are made.
trait Scoped: Sized {
    fn api<K: Resource<Scope = Self, DynamicType = ()>>(client: Client, object: &K) -> Api<Readable<K>>;
}

impl Scoped for ClusterResourceScope {
    fn api<K: Resource<Scope = Self, DynamicType = ()>>(client: Client, _: &K) -> Api<Readable<K>> {
        Api::all(client)
    }
}

impl Scoped for NamespaceResourceScope {
    fn api<K: Resource<Scope = Self, DynamicType = ()>>(client: Client, object: &K) -> Api<Readable<K>> {
        Api::namespaced(client, object.meta().namespace.as_deref().unwrap_or_default())
    }
}

impl Host for KubernetesHost {
    async fn claim(
        &self,
        object: &Object,
        finalizer: bool,
        annotation: Option<&str>,
    ) -> Result<Object, HostError> {
        let mut patch = json!({"metadata": {"resourceVersion": object.meta().resource_version}});
        if finalizer {
            let mut finalizers = object.meta().finalizers.clone().unwrap_or_default();
            finalizers.push(FINALIZER.to_owned());
            patch["metadata"]["finalizers"] = json!(finalizers);
        }
        if let Some(annotation) = annotation {
            patch["metadata"]["annotations"] = json!({ CLAIM_ANNOTATION: annotation });
        }
        Ok(dispatch!(object, |it, wrap| wrap(merge(&self.api(&**it), &**it, &patch).await?)))
    }

    async fn report(&self, object: &Object, status: Status) -> Result<Object, HostError> {
        let mut stored =
            dispatch!(object, |it, wrap| wrap(apply_status(&self.api(&**it), &**it, &status).await?));
        if let Object::Event(event) = &mut stored {
            drop_payload(Arc::make_mut(event));
        }
        Ok(stored)
    }

    async fn release(&self, object: &Object) -> Result<(), HostError> {
        dispatch!(object, |it| release(&self.client, &**it).await)
    }

    async fn read_event(&self, object: &Object) -> Result<Option<WebhookEvent>, HostError> {
        let Object::Event(event) = object else { return Ok(None) };
        let read = self.api(&**event).get(object.name()).await.map_err(|error| shell_error(&error))?;
        let read = decoded(read)?;
        // One that was created again is another event.
        if read.metadata.uid != event.metadata.uid { Err(HostError::Conflict) } else { Ok(Some(read)) }
    }

    async fn delete(&self, object: &Object) -> Result<(), HostError> {
        dispatch!(object, |it| delete(&self.api(&**it), &**it).await)
    }

    fn publish_event(&self, object: &Object, record: EventRecord) {
        self.events.publish(dispatch!(object, |it| it.object_ref(&())), record);
    }

    async fn token(&self, connection: &SvixConnection) -> Result<String, ReferenceError> {
        let reference = &connection.spec.token_secret_ref;
        let place = format!("/spec/tokenSecretRef: Secret {}/{}", self.secrets_namespace, reference.name);
        let secret = get_opt::<Secret>(&self.client, &self.secrets_namespace, &reference.name)
            .await
            .map_err(|error| unreadable_secret(&place, &error))?
            .ok_or_else(|| {
                ReferenceError::NotFound(format!("{place} is not there; create it with the token of Svix"))
            })?;
        let bytes = secret
            .data
            .and_then(|mut data| data.remove(&reference.key))
            .ok_or_else(|| ReferenceError::Incomplete(format!("{place} has no key {:?}", reference.key)))?;
        single_line::trimmed(&bytes.0).map(str::to_owned).map_err(|problem| {
            ReferenceError::Incomplete(format!("{place} key {:?}: {problem}", reference.key))
        })
    }

    async fn config_map(
        &self,
        namespace: &str,
        reference: &ConfigMapKeyRef,
    ) -> Result<String, ReferenceError> {
        let place = format!("ConfigMap {namespace}/{}", reference.name);
        // The semaphore is never closed.
        let _permit = self.reads.acquire().await.ok();
        let map = get_opt::<ConfigMap>(&self.client, namespace, &reference.name)
            .await
            .map_err(|error| ReferenceError::Failed(format!("{place} cannot be read: {}", describe(&error))))?
            .ok_or_else(|| {
                ReferenceError::NotFound(format!("{place} is not there; create it, or correct the name"))
            })?;
        map.data
            .and_then(|mut data| data.remove(&reference.key))
            .ok_or_else(|| ReferenceError::Incomplete(format!("{place} has no key {:?}", reference.key)))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, ReferenceError> {
        let _permit = self.reads.acquire().await.ok();
        let secret = get_opt::<Secret>(&self.client, namespace, name)
            .await
            .map_err(|error| unreadable_secret(&format!("Secret {namespace}/{name}"), &error))?;
        Ok(secret.map(secret_data))
    }

    async fn signing_key_secrets(&self, endpoint: &Object) -> Result<Vec<String>, ReferenceError> {
        let namespace = endpoint.namespace();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let of_endpoint = ListParams::default().labels(&format!("{ENDPOINT_UID_LABEL}={}", endpoint.uid()));
        let place = format!("the Secrets of {} in namespace {namespace}", endpoint.key());
        let mut names = Vec::new();
        let mut token = None;
        loop {
            let params =
                ListParams { limit: Some(PAGE_OF_LARGE), continue_token: token, ..of_endpoint.clone() };
            let page = api.list_metadata(&params).await.map_err(|error| unreadable_secret(&place, &error))?;
            names.extend(page.items.into_iter().filter_map(|secret| secret.metadata.name));
            token = page.metadata.continue_.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(names);
            }
        }
    }

    async fn write_secret(&self, owner: &Object, write: SecretWrite) -> Result<SecretData, HostError> {
        // No `..`: a new part must be thought of here.
        let SecretWrite { name, resource_version, own, data, annotations, labels } = write;
        let namespace = owner.meta().namespace.as_deref().unwrap_or_default();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let bytes = |text: &crate::plan::secrets::Sensitive| ByteString(text.expose().as_bytes().to_vec());
        let owners = own.then(|| vec![owner_reference(owner)]);
        let mut labels = labels;
        // A label of the spec takes precedence over our own.
        labels.entry(MANAGED_BY_LABEL.to_owned()).or_default().get_or_insert_with(|| MANAGER.to_owned());
        let written = match resource_version {
            None => {
                let created = Secret {
                    metadata: ObjectMeta {
                        name: Some(name.clone()),
                        labels: Some(without_none(labels)),
                        annotations: Some(without_none(annotations)),
                        owner_references: owners,
                        ..ObjectMeta::default()
                    },
                    data: Some(
                        data.iter()
                            .filter_map(|(key, value)| Some((key.clone(), bytes(value.as_ref()?))))
                            .collect(),
                    ),
                    ..Secret::default()
                };
                let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
                api.create(&params, &created).await
            }
            Some(version) => {
                let data: BTreeMap<_, _> =
                    data.iter().map(|(key, value)| (key, value.as_ref().map(bytes))).collect();
                let mut patch = json!({
                    "metadata": {"resourceVersion": version, "annotations": annotations, "labels": labels},
                    "data": data,
                });
                if let Some(owners) = owners {
                    patch["metadata"]["ownerReferences"] = json!(owners);
                }
                let params =
                    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
                api.patch(&name, &params, &Patch::Merge(patch)).await
            }
        };
        written
            .map(secret_data)
            .map_err(|error| unwritable_secret(&format!("Secret {namespace}/{name}"), &error))
    }

    async fn revisions(&self, event_type: &Object) -> Result<Vec<Revision>, HostError> {
        let found = revisions::list(&self.client, revision_owner(event_type)).await;
        found.map_err(|error| revisions::unreadable(event_type.namespace(), &error))
    }

    async fn published(&self, event_type: &Object, revision: &str) -> Result<Option<Published>, HostError> {
        let found = revisions::published(&self.client, revision_owner(event_type), revision).await;
        found.map_err(|error| revisions::unreadable(event_type.namespace(), &error))
    }

    async fn write_revision(&self, owner: &Object, write: RevisionWrite) -> Result<(), HostError> {
        revisions::write(&self.client, revision_owner(owner), owner_reference(owner), write).await
    }

    async fn delete_revision(&self, owner: &Object, revision: &str) -> Result<(), HostError> {
        revisions::delete(&self.client, owner.namespace(), revision).await
    }
}

fn revision_owner(event_type: &Object) -> RevisionOwner<'_> {
    RevisionOwner { namespace: event_type.namespace(), uid: event_type.uid() }
}

/// The label of the Secrets that are written here.
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// Converts a Secret for the plan.
fn secret_data(secret: Secret) -> SecretData {
    let ObjectMeta { resource_version, labels, annotations, owner_references, .. } = secret.metadata;
    SecretData {
        resource_version: resource_version.unwrap_or_default(),
        data: secret.data.into_iter().flatten().map(|(key, bytes)| (key, bytes.0)).collect(),
        labels: labels.unwrap_or_default(),
        annotations: annotations.unwrap_or_default(),
        owners: owner_references
            .into_iter()
            .flatten()
            .map(|OwnerReference { uid, kind, name, .. }| SecretOwner { uid, kind, name })
            .collect(),
    }
}

/// Returns the owner reference of a Secret that is deleted with its object. It does not block the deletion of the object,
/// which would need a further permission.
fn owner_reference(owner: &Object) -> OwnerReference {
    let reference = dispatch!(owner, |it| it.controller_owner_ref(&()));
    OwnerReference { block_owner_deletion: None, ..reference.unwrap_or_default() }
}

/// Returns an object as the API server returned it.
fn decoded<K>(object: Readable<K>) -> Result<K, HostError> {
    object.0.map_err(|unreadable| {
        shell_error(&kube::Error::SerdeError(serde::de::Error::custom(unreadable.error)))
    })
}

async fn merge<K>(api: &Api<Readable<K>>, object: &K, patch: &Value) -> Result<Arc<K>, HostError>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let name = object.meta().name.as_deref().unwrap_or_default();
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let object = api.patch(name, &params, &Patch::Merge(patch)).await.map_err(|error| shell_error(&error))?;
    let mut object = decoded(object)?;
    drop_unused_metadata(object.meta_mut());
    Ok(Arc::new(object))
}

async fn apply_status<K>(
    api: &Api<Readable<K>>,
    object: &K,
    status: &impl Serialize,
) -> Result<Arc<K>, HostError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let ObjectMeta { name, uid, .. } = object.meta();
    let name = name.as_deref().unwrap_or_default();
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        // With the uid, an object that was deleted and created again is a conflict.
        "metadata": {"name": name, "uid": uid},
        "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    let object =
        api.patch_status(name, &params, &Patch::Apply(patch)).await.map_err(|error| shell_error(&error))?;
    let mut object = decoded(object)?;
    drop_unused_metadata(object.meta_mut());
    Ok(Arc::new(object))
}

async fn release<K>(client: &Client, object: &K) -> Result<(), HostError>
where
    K: Resource<DynamicType = ()>,
{
    let ObjectMeta { name, namespace, uid, resource_version, finalizers, .. } = object.meta().clone();
    let metadata = Metadata {
        name,
        namespace,
        uid,
        resource_version,
        finalizers: finalizers.unwrap_or_default(),
        deletion_timestamp: None,
    };
    if !metadata.has_finalizer() {
        return Ok(());
    }
    let resource = Request::new(K::url_path(&(), metadata.namespace.as_deref()));
    let location = Location { resource: &resource, name: metadata.name.as_deref().unwrap_or_default() };
    match finalizer::remove(client, location, &metadata, PERSISTENCE).await {
        Ok(Removal::Removed(_) | Removal::Gone) => Ok(()),
        Err(RemovalError::Contended) => Err(HostError::Conflict),
        Err(RemovalError::Kubernetes(error)) => Err(shell_error(&error)),
    }
}

async fn delete<K>(api: &Api<Readable<K>>, object: &K) -> Result<(), HostError>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let ObjectMeta { name, uid, .. } = object.meta();
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid: uid.clone(), resource_version: None }),
        ..DeleteParams::default()
    };
    match api.delete(name.as_deref().unwrap_or_default(), &params).await.map_err(|error| shell_error(&error))
    {
        // Of another uid, it was created again and is another object.
        Ok(_) | Err(HostError::Gone | HostError::Conflict) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns why a Secret cannot be read. Whether it exists is not known then.
fn unreadable_secret(place: &str, error: &kube::Error) -> ReferenceError {
    let message = format!("{place} cannot be read: {}", describe(error));
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            let advice = "allow the operator to read Secrets in this namespace (docs/security.md)";
            ReferenceError::Forbidden(format!("{message}; {advice}"))
        }
        _ => ReferenceError::Failed(message),
    }
}

/// Returns why a Secret cannot be written.
fn unwritable_secret(place: &str, error: &kube::Error) -> HostError {
    match error {
        kube::Error::Api(status) if status.code == 403 && is_terminating(status) => {
            HostError::Forbidden(format!(
                "{place} cannot be created, since its namespace is being deleted: {}; the endpoint is deleted with the \
                 namespace, so there is nothing to do",
                status.message
            ))
        }
        kube::Error::Api(status) if status.code == 403 => HostError::Forbidden(format!(
            "{place} cannot be written: {}; allow the operator to write Secrets in this namespace (docs/security.md)",
            status.message
        )),
        // An invalid label or name, or an immutable Secret. Kubernetes names fields and keys, never their values.
        kube::Error::Api(status) if status.code == 422 => HostError::Refused(format!(
            "/spec/signingSecret/toSecret: Kubernetes refuses {place}: {}",
            status.message
        )),
        error => shell_error(error),
    }
}

/// Returns the entries that have a value.
fn without_none(entries: BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
    entries.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

fn shell_error(error: &kube::Error) -> HostError {
    match error {
        kube::Error::Api(status) if status.code == 404 => HostError::Gone,
        kube::Error::Api(status) if status.code == 409 => HostError::Conflict,
        error => HostError::Failed(describe(error)),
    }
}

#[cfg(test)]
mod tests;
