//! What becomes of an endpoint in Svix when its object goes, or moves to another connection.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    api::{OWNER_METADATA_KEY, WebhookEndpoint},
    plan::{
        adopt_id,
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
    let name = recorded.map_or_else(|| endpoint.connection_name(), |svix| svix.connection.as_str());
    let session = match ctx.session(name) {
        Ok(session) => session,
        Err(unusable) => return finalize::await_connection(ctx, object, unusable),
    };
    let Some(connection) = ctx.registry.connection(name) else { return Ok(()) };
    let owner_id = &connection.spec.owner_id;
    // Without status, a create may have gone through whose end nobody saw.
    let (application, id, uid) = match recorded {
        Some(svix) => (svix.application.clone(), svix.id.clone(), svix.uid.clone()),
        None => {
            let uid = endpoint.spec.uid.clone().unwrap_or_else(|| default_uid(endpoint, &connection));
            let application = endpoint.spec.application(&connection.spec);
            // Nothing was ever created for one that Svix would refuse, or that another object owns.
            let is_others = ctx.registry.other_owner(&key).is_some();
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
    let mark = ids::owner_mark(owner_id, &key.namespace, &key.name);
    let is_ours = match observed.mark() {
        Some(found) => found == mark,
        None => recorded.is_some(),
    };
    if !is_ours {
        return Ok(());
    }
    let resource = SvixResource::Endpoint(application.as_str().into(), uid.into());
    if let Some(next_owner) = ctx.registry.next_owner(name, &resource, &key) {
        hand_over(&session, &application, &observed, owner_id, &key, &next_owner).await?;
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

/// Hands an endpoint to the next object that declares it. With that one's mark on it, it is that one's, whatever happens
/// to either of the two.
async fn hand_over(
    session: &Session,
    application: &str,
    observed: &Observed,
    owner_id: &str,
    from: &ObjectKey,
    to: &ObjectKey,
) -> Result<(), Error> {
    // What the endpoint of one namespace sends and is signed with is not another's: that one could give it another
    // address, or have the key written to a Secret.
    if to.namespace != from.namespace {
        session.client.put_headers(application, &observed.id, &BTreeMap::new()).await?;
        let new = signing::new_key(rand::random());
        session.client.rotate_signing_key(application, &observed.id, &new, Duration::ZERO).await?;
    }
    let mut metadata: BTreeMap<_, _> =
        observed.metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let mark = ids::owner_mark(owner_id, &to.namespace, &to.name);
    metadata.insert(OWNER_METADATA_KEY.to_owned(), mark);
    let change = Change { metadata: Some(metadata), ..Change::default() };
    let now = session.client.patch_endpoint(application, &observed.id, &change).await?;
    session.mirror.put_endpoint(application, now);
    Ok(())
}
