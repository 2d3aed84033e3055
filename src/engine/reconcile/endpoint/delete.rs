//! What becomes of an endpoint in Svix when its object goes, or moves to another connection.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    api::{OWNER_METADATA_KEY, WebhookEndpoint},
    plan::{
        OwnerMark, adopt_id, claims,
        endpoint::{Change, Observed},
        ids, signing,
    },
};

use super::{
    super::{
        super::{
            context::Context,
            events::EventReason,
            host::Host,
            object::{Object, ObjectKey, SvixResource},
            outcome::Error,
            session::Session,
        },
        finalize,
    },
    recorded::{default_uid, in_svix},
};

/// Deletes what an endpoint has in Svix, or hands it to the next object that declares it.
pub(super) async fn delete<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    endpoint: &WebhookEndpoint,
) -> Result<(), Error> {
    let key = object.key();
    let recorded = in_svix(endpoint);
    // Without status, a create may have gone through whose end nobody saw: on the connection that the claim names.
    let claimed = recorded.is_none().then(|| claims::claimed(&endpoint.metadata)).flatten();
    let name = match (recorded, claimed) {
        (Some(svix), _) => svix.connection.as_str(),
        (None, Some((connection, _))) => connection,
        (None, None) => endpoint.connection_name(),
    };
    let session = match ctx.session(name) {
        Ok(session) => session,
        Err(unusable) => return finalize::await_connection(ctx, object, unusable),
    };
    let Some(connection) = ctx.registry.connection(name) else { return Ok(()) };
    let owner_id = &connection.spec.owner_id;
    let (application, id, uid) = match recorded {
        Some(svix) => (svix.application.clone(), svix.id.clone(), svix.uid.clone()),
        None => {
            let (application, uid) = match claimed.and_then(|(_, resource)| resource.split_once('/')) {
                Some((application, uid)) => (application, uid.to_owned()),
                None => {
                    let uid = endpoint.spec.uid.clone();
                    let uid = uid.unwrap_or_else(|| default_uid(endpoint, &connection));
                    (endpoint.spec.application(&connection.spec), uid)
                }
            };
            // Nothing was ever created for one that Svix would refuse, or that another object owns.
            let is_others = name == endpoint.connection_name() && ctx.registry.other_owner(&key).is_some();
            if is_others || !ids::is_uid(&uid) || !ids::is_uid(application) {
                return Ok(());
            }
            let named = adopt_id::named(&endpoint.metadata);
            (application.to_owned(), named.map_or_else(|| uid.clone(), str::to_owned), uid)
        }
    };
    let Some(observed) = session.client.get_endpoint(&application, &id).await? else {
        session.mirror.remove_endpoint(&application, &id);
        return Ok(());
    };
    let mark = mark_of(owner_id, &key);
    let is_ours = match observed.mark() {
        Some(found) => found == mark,
        None => recorded.is_some(),
    };
    if !is_ours {
        return Ok(());
    }
    let resource = SvixResource::Endpoint(application.as_str().into(), uid.into());
    if let Some(next_owner) = ctx.registry.next_owner(name, &resource, &key) {
        let mark = mark_of(owner_id, &next_owner);
        hand_over(ctx, &session, object, &application, &observed, (&next_owner, mark)).await?;
        let message = format!("the endpoint stays in Svix for {next_owner}");
        ctx.publish(object, EventReason::HandedOver, message);
        return Ok(());
    }
    session.client.delete_endpoint(&application, &observed.id).await?;
    session.mirror.remove_endpoint(&application, &observed.id);
    let message = format!("endpoint {} in application {application}", observed.id);
    ctx.publish(object, EventReason::Deleted, message);
    Ok(())
}

/// Returns the owner mark of an object.
fn mark_of(owner: &str, object: &ObjectKey) -> String {
    OwnerMark { owner, namespace: &object.namespace, name: &object.name }.to_string()
}

/// Hands an endpoint to the next object that declares it. With that one's mark on it, it is that one's, whatever happens
/// to either of the two.
async fn hand_over<H: Host>(
    ctx: &Context<H>,
    session: &Session,
    object: &Object,
    application: &str,
    observed: &Observed,
    (to, mark): (&ObjectKey, String),
) -> Result<(), Error> {
    // What the endpoint of one namespace sends and is signed with is not another's: that one could give it another
    // address, or have the key written to a Secret.
    if *to.namespace != *object.namespace() {
        session.client.put_headers(application, &observed.id, &BTreeMap::new()).await?;
        let new = signing::new_key(rand::random());
        session.client.rotate_signing_key(application, &observed.id, &new, Duration::ZERO).await?;
        publish_lost_credentials(ctx, object, observed, to);
    }
    let mut metadata: BTreeMap<_, _> =
        observed.metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    metadata.insert(OWNER_METADATA_KEY.to_owned(), mark);
    let change = Change { metadata: Some(metadata), ..Change::default() };
    let now = session.client.patch_endpoint(application, &observed.id, &change).await?;
    session.mirror.put_endpoint(application, now);
    Ok(())
}

/// Publishes, on both objects, that an endpoint passes to another namespace without its headers and its signing key.
fn publish_lost_credentials<H: Host>(ctx: &Context<H>, object: &Object, observed: &Observed, to: &ObjectKey) {
    let (id, from, reason) = (&observed.id, object.key(), EventReason::SigningKeyChanged.as_str());
    let lost = "its headers were removed and its signing key was replaced without a grace period, since they belong to \
                the namespace that it leaves; receivers refuse what it sends until they have the new key";
    let message = format!("endpoint {id} passes to {to} in another namespace: {lost}");
    ctx.publish_warning(object, reason, message);
    if let Some(next_owner) = ctx.registry.get(to) {
        let message = format!(
            "endpoint {id} passes to this object from {from} in another namespace: {lost}. Headers of this object are \
             written next; spec.signingSecret sets the key, or writes it to a Secret"
        );
        ctx.publish_warning(&next_owner, reason, message);
    }
}
