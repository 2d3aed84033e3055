//! What becomes of an endpoint in Svix when its object goes, or moves to another connection.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    api::{ADOPT_ID_ANNOTATION, OWNER_METADATA_KEY, WebhookEndpoint, annotation},
    engine::{
        Engine, EventReason, Host, Object,
        reconcile::{Failed, Outcome},
        registry::SvixResource,
    },
    plan::{endpoint::Change, ids, signing},
};

impl<S: Host> Engine<S> {
    /// Deletes what an endpoint holds. `None`: nothing is left to do.
    pub(in crate::engine) async fn clean_up_endpoint(
        &self,
        object: &Object,
        endpoint: &WebhookEndpoint,
    ) -> Result<Option<Outcome>, Failed> {
        let key = object.key();
        let status = endpoint.status.as_ref().and_then(|status| status.svix.as_ref());
        let name = status.map_or_else(|| endpoint.connection_name(), |svix| svix.connection.as_str());
        let live = match self.live(name) {
            Ok(live) => live,
            Err(refusal) => return Ok(self.clean_up_without_connection(object, refusal)),
        };
        let Some(connection) = self.registry.connection(name) else { return Ok(None) };
        let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
        let object_name = endpoint.metadata.name.as_deref().unwrap_or_default();
        let owner_id = &connection.spec.owner_id;
        let mark = ids::owner_mark(owner_id, namespace, object_name);
        // Without status, a create may have gone through whose end we did not see.
        let (application, id, uid) = match status {
            Some(svix) => (svix.application.clone(), svix.id.clone(), svix.uid.clone()),
            None => {
                let uid = endpoint.spec.uid.clone();
                let uid = uid.unwrap_or_else(|| ids::default_uid(owner_id, namespace, object_name));
                let application = endpoint.spec.application(&connection.spec);
                // Nothing was ever made for one that Svix would not take, or that another object holds.
                let other = self.registry.other_holder(&key).is_some();
                if other || !ids::is_uid(&uid) || !ids::is_uid(application) {
                    return Ok(None);
                }
                let named = annotation(&endpoint.metadata, ADOPT_ID_ANNOTATION).filter(|id| ids::is_name(id));
                (application.to_owned(), named.map_or_else(|| uid.clone(), str::to_owned), uid)
            }
        };
        let Some(observed) = live.client.get_endpoint(&application, &id).await? else {
            live.mirror.remove_endpoint(&application, &id);
            return Ok(None);
        };
        let ours = match observed.mark() {
            Some(found) => found == mark,
            None => status.is_some(),
        };
        if !ours {
            return Ok(None);
        }
        let thing = SvixResource::Endpoint(application.as_str().into(), uid.into());
        if let Some(heir) = self.registry.heir(name, &thing, &key) {
            // What one namespace's endpoint sends and is signed with is not another's: it could give it another
            // address, or have the key written to a Secret.
            if heir.namespace != key.namespace {
                live.client.put_headers(&application, &observed.id, &BTreeMap::new()).await?;
                let new = signing::new_key(rand::random());
                let grace = Duration::ZERO;
                live.client.rotate_signing_key(&application, &observed.id, &new, grace).await?;
            }
            // With its mark on it, the endpoint is the heir's, whatever happens to either of us.
            let mut metadata: BTreeMap<_, _> =
                observed.metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            let mark = ids::owner_mark(owner_id, &heir.namespace, &heir.name);
            metadata.insert(OWNER_METADATA_KEY.to_owned(), mark);
            let change = Change { metadata: Some(metadata), ..Change::default() };
            let now = live.client.patch_endpoint(&application, &observed.id, &change).await?;
            live.mirror.put_endpoint(&application, now);
            self.did(object, EventReason::HandedOver, format!("the endpoint stays in Svix for {heir}"));
            return Ok(None);
        }
        live.client.delete_endpoint(&application, &observed.id).await?;
        live.mirror.remove_endpoint(&application, &observed.id);
        self.did(
            object,
            EventReason::Deleted,
            format!("endpoint {} in application {application}", observed.id),
        );
        Ok(None)
    }
}
