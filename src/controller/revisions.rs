//! Revisions of schemas as `ControllerRevision`s, as Kubernetes' own controllers keep their histories.
//!
//! The schema is the data of a revision, which the API server never lets change. What changes when a schema is published
//! again, its number, time and verdict, is the number and annotations. A revision is deleted with its event type: the event
//! type is its owner and controller, and one that names the event type only in a label is none of its revisions.

mod stored;

use std::{collections::BTreeMap, fmt::Display, future::Future, pin::Pin, time::Duration};

use k8s_openapi::{
    api::apps::v1::ControllerRevision,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::Request,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{json, value::RawValue};

use crate::{
    admission::{EventTypeId, SchemaHistory},
    engine::{HostError, RevisionWrite},
    plan::{
        compatibility::KeptVersions,
        revision::{self, EVENT_TYPE_UID_LABEL, MAX_COMPARED, Published, Revision},
    },
};

use super::{
    errors::{describe, is_terminating},
    manager::MANAGER,
};
use stored::{Data, LEVEL_ANNOTATION, Page, Stored, annotations, revision};

/// How many revisions are in a page of a list: each can be as large as [`MAX_SCHEMA`].
const PAGE: u32 = 5;

/// Longest time that a review waits for them: the API server gives up on the review after ten seconds.
const LONGEST_READ: Duration = Duration::from_secs(3);

/// Most pages of a list. There are more only where somebody else creates revisions.
const MOST_PAGES: usize = 40;

/// The event type whose revisions are meant.
#[derive(Clone, Copy, Debug)]
pub struct RevisionOwner<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its uid.
    pub uid: &'a str,
}

/// Lists the revisions of an event type, without their schemas, in their order.
pub async fn list(client: &Client, owner: RevisionOwner<'_>) -> Result<Vec<Revision>, kube::Error> {
    let mut found = Vec::new();
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let page: Page<serde::de::IgnoredAny> = page(client, owner, token).await?;
        found.extend(
            page.items.into_iter().filter(|stored| owner.has(stored)).map(|stored| revision(&stored)),
        );
        token = page.metadata.token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    revision::sort(&mut found);
    Ok(found)
}

/// Reads the kept versions of an event type, as far as they may be compared at once.
pub async fn kept_versions(client: &Client, owner: RevisionOwner<'_>) -> Result<KeptVersions, kube::Error> {
    let mut found: Vec<(Revision, Option<Published>)> = Vec::new();
    let (mut token, mut bytes, mut is_complete) = (None, 0, false);
    for _ in 0..MOST_PAGES {
        let page: Page<Box<RawValue>> = page(client, owner, token).await?;
        for stored in page.items.into_iter().filter(|stored| owner.has(stored)) {
            let published = stored.data.as_deref().and_then(Data::read);
            bytes += published.as_ref().map_or(0, |published| published.schema.len());
            found.push((revision(&stored), published));
        }
        token = page.metadata.token.filter(|token| !token.is_empty());
        if token.is_none() {
            is_complete = true;
            break;
        }
        if bytes >= MAX_COMPARED {
            break;
        }
    }
    found.sort_by(|(one, _), (other, _)| revision::order(other, one));
    let mut kept = KeptVersions::default();
    for (revision, published) in found {
        kept.add(revision.number, published);
    }
    if !is_complete {
        kept.missing.push("the revisions are too large together to be compared at once".to_owned());
    }
    Ok(kept)
}

/// The revisions in a cluster, for reviews. A review reads them in time or goes on without them.
pub struct ClusterHistory(pub Client);

impl SchemaHistory for ClusterHistory {
    fn kept_versions<'a>(
        &'a self,
        event_type: &'a EventTypeId,
    ) -> Pin<Box<dyn Future<Output = KeptVersions> + Send + 'a>> {
        Box::pin(async move {
            let EventTypeId { namespace, uid } = event_type;
            let read = kept_versions(&self.0, RevisionOwner { namespace, uid });
            match tokio::time::timeout(LONGEST_READ, read).await {
                Ok(Ok(kept)) => kept,
                Ok(Err(error)) => KeptVersions::unread(unreadable(namespace, &error).to_string()),
                Err(_) => KeptVersions::unread(format!(
                    "the ControllerRevisions in namespace {namespace} were not read within {} s",
                    LONGEST_READ.as_secs()
                )),
            }
        })
    }
}

impl RevisionOwner<'_> {
    /// Whether a revision is deleted with the event type.
    fn has<D>(self, stored: &Stored<D>) -> bool {
        let mut owners = stored.metadata.owner_references.iter().flatten();
        owners.any(|reference| reference.uid == self.uid && reference.controller == Some(true))
    }
}

async fn page<D: DeserializeOwned>(
    client: &Client,
    owner: RevisionOwner<'_>,
    token: Option<String>,
) -> Result<Page<D>, kube::Error> {
    let mut params =
        ListParams::default().labels(&format!("{EVENT_TYPE_UID_LABEL}={}", owner.uid)).limit(PAGE);
    params.continue_token = token;
    let request = resource(owner.namespace).list(&params).map_err(kube::Error::BuildRequest)?;
    client.request(request).await
}

fn resource(namespace: &str) -> Request {
    Request::new(ControllerRevision::url_path(&(), Some(namespace)))
}

/// Reads what was published under a revision; `None`: there is no such revision of this event type, or its schema is not
/// kept.
pub async fn published(
    client: &Client,
    owner: RevisionOwner<'_>,
    name: &str,
) -> Result<Option<Published>, kube::Error> {
    let stored = get(client, owner.namespace, name).await?.filter(|stored| owner.has(stored));
    Ok(stored.and_then(|stored| Data::read(stored.data.as_deref()?)))
}

async fn get(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<Stored<Box<RawValue>>>, kube::Error> {
    let request = resource(namespace).get(name, &Default::default()).map_err(kube::Error::BuildRequest)?;
    match client.request(request).await {
        Ok(stored) => Ok(Some(stored)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a revision of an event type. `reference` is the owner reference to it.
pub(super) async fn write(
    client: &Client,
    owner: RevisionOwner<'_>,
    reference: OwnerReference,
    write: RevisionWrite,
) -> Result<(), HostError> {
    let namespace = owner.namespace;
    let (revision, published) = match write {
        RevisionWrite::Renumber(revision) => return renumber(client, namespace, &revision).await,
        RevisionWrite::Create { revision, published } => (revision, published),
    };
    match create(client, owner, reference, &revision, published).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        created => return created.map_err(|error| unwritable(namespace, &revision.name, &error)),
    }
    // A pass before this one ended after it had created it, or it is somebody else's.
    let found = get(client, namespace, &revision.name).await;
    let found = found.map_err(|error| unwritable(namespace, &revision.name, &error))?;
    let Some(found) = found else { return Err(HostError::Conflict) };
    if owner.has(&found) {
        return renumber(client, namespace, &revision).await;
    }
    Err(HostError::Refused(format!(
        "{} exists and does not belong to this event type; delete it",
        place(namespace, &revision.name)
    )))
}

async fn create(
    client: &Client,
    owner: RevisionOwner<'_>,
    reference: OwnerReference,
    revision: &Revision,
    published: Option<Published>,
) -> Result<(), kube::Error> {
    let format_assertion = published.as_ref().is_none_or(|published| published.format_assertion);
    let digest = published.is_none().then(|| revision.digest.clone());
    let schema = published.map(|published| RawValue::from_string(published.schema)).transpose();
    let data = Data { format_assertion, schema: schema.map_err(kube::Error::SerdeError)?, digest };
    let labels = [(EVENT_TYPE_UID_LABEL, owner.uid), ("app.kubernetes.io/managed-by", MANAGER)].into_iter();
    let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    /// As `ControllerRevision`, with data that stays text: a tree of it would take many times its memory.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        api_version: &'static str,
        kind: &'static str,
        metadata: ObjectMeta,
        revision: i64,
        data: Data,
    }
    let body = Body {
        api_version: "apps/v1",
        kind: "ControllerRevision",
        metadata: ObjectMeta {
            name: Some(revision.name.clone()),
            labels: Some(labels.map(text).collect()),
            annotations: Some(annotations(revision)),
            owner_references: Some(vec![reference]),
            ..ObjectMeta::default()
        },
        revision: revision.number,
        data,
    };
    let body = serde_json::to_vec(&body).map_err(kube::Error::SerdeError)?;
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let request = resource(owner.namespace).create(&params, body).map_err(kube::Error::BuildRequest)?;
    client.request::<serde::de::IgnoredAny>(request).await.map(|_| ())
}

async fn renumber(client: &Client, namespace: &str, revision: &Revision) -> Result<(), HostError> {
    let api: Api<ControllerRevision> = Api::namespaced(client.clone(), namespace);
    let mut annotations: BTreeMap<_, _> =
        annotations(revision).into_iter().map(|(name, value)| (name, Some(value))).collect();
    annotations.entry(LEVEL_ANNOTATION.to_owned()).or_default();
    let patch = json!({"metadata": {"annotations": annotations}, "revision": revision.number});
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_metadata(&revision.name, &params, &Patch::Merge(patch)).await {
        Ok(_) => Ok(()),
        // Somebody deleted it meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => Err(HostError::Conflict),
        Err(error) => Err(unwritable(namespace, &revision.name, &error)),
    }
}

/// Deletes a revision. Gone already is success.
pub(super) async fn delete(client: &Client, namespace: &str, name: &str) -> Result<(), HostError> {
    let api: Api<ControllerRevision> = Api::namespaced(client.clone(), namespace);
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(unwritable(namespace, name, &error)),
    }
}

/// Returns why revisions cannot be read.
pub fn unreadable(namespace: &str, error: &kube::Error) -> HostError {
    failure(&format!("the ControllerRevisions in namespace {namespace} cannot be read"), "read", error)
}

fn unwritable(namespace: &str, name: &str, error: &kube::Error) -> HostError {
    failure(&format!("{} cannot be written", place(namespace, name)), "write", error)
}

fn place(namespace: &str, name: &str) -> impl Display {
    format!("ControllerRevision {namespace}/{name}")
}

fn failure(what: &str, verb: &str, error: &kube::Error) -> HostError {
    let message = format!("{what}: {}", describe(error));
    match error {
        kube::Error::Api(status) if status.code == 403 && is_terminating(status) => {
            HostError::Forbidden(message)
        }
        kube::Error::Api(status) if status.code == 403 => HostError::Forbidden(format!(
            "{message}; allow the operator to {verb} ControllerRevisions in this namespace (docs/security.md)"
        )),
        kube::Error::Api(status) if matches!(status.code, 400 | 413 | 422) => HostError::Refused(message),
        kube::Error::Api(status) if status.code == 409 => HostError::Conflict,
        _ => HostError::Failed(message),
    }
}

#[cfg(test)]
mod tests;
