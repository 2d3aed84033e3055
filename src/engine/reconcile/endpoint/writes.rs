//! The writes of an endpoint: creating and changing it, and what Svix's response says of them.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    api::{ADOPT_ID_ANNOTATION, Adoption, Reason},
    plan::{
        Difference, Field, ReconcileError, claims, describe,
        endpoint::{self, Change, Desired, Observed, Ownership},
        unapplied::unapplied,
    },
    svix::ErrorKind,
};

use super::{
    super::{
        super::{
            context::Context, drift::is_drift, events::EventReason, host::Host, object::Object,
            outcome::Error,
        },
        application::ensure_application,
        contention::admit_repair,
        ignored_fields,
    },
    event_types, headers,
    hidden::hidden_differences,
    pass::Pass,
    progress::{Applied, Progress},
    read::read,
};

/// Creates an endpoint. `None`: something came in between, or it is yet to be enabled; what was observed says what.
pub(super) async fn create<H: Host>(
    pass: &Pass<'_, H>,
    progress: &mut Progress,
) -> Result<Option<Applied>, Error> {
    let Pass { ctx, session, .. } = *pass;
    let application = progress.wanted.application.clone();
    if let Some(id) = pass.adopt_id.filter(|_| pass.recorded.is_none()) {
        return find_named(pass, progress, id).await.map(|()| None);
    }
    event_types::require(ctx, &progress.object, session, &progress.wanted.event_types)?;
    ensure_application(ctx, &progress.object, pass.connection, session, &application).await?;
    progress.object = claim(pass, progress).await?;

    let (object, wanted) = (&progress.object, &progress.wanted);
    let asked = Instant::now();
    // A key that was published stays: nobody who has it need notice that the endpoint is another.
    let key = wanted.signing_key.clone().or_else(|| pass.published_key());
    let has_key = key.is_some();
    match session.client.create_endpoint(&Desired { signing_key: key, ..wanted.clone() }).await {
        Ok(response) => {
            if pass.recorded.is_some() && !has_key {
                publish_new_key(pass, object, &response.id);
            }
            if is_drift(object) {
                let message = format!("endpoint {} was gone from Svix; created again", wanted.uid);
                ctx.publish_repair(object, message);
            } else {
                let message = format!("endpoint {} in application {application}", response.id);
                ctx.publish(object, EventReason::Created, message);
            }
            warn_of_unreachable(pass, object, wanted);
            let wrote_key = wanted.signing_key.is_some();
            let applied = Applied { wrote_key, ..accept(pass, wanted, response, Write::Create).await? };
            if !applied.observed.is_preparing() {
                return Ok(Some(applied));
            }
            // It is enabled once its headers are there.
            progress.observed = Some(applied.observed.clone());
            progress.is_fresh = true;
            progress.created = Some(applied);
            Ok(None)
        }
        // Somebody else was faster, or this operator before a response was lost: the mark decides.
        Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {
            progress.observed = read(session, &application, &wanted.uid, &wanted.uid).await?;
            progress.is_fresh = true;
            Ok(None)
        }
        // The application was deleted since it was listed.
        Err(error) if error.kind == ErrorKind::NotFound => {
            let name = object.connection_name();
            ctx.ensure_listed_since(name, session, &application, asked, Duration::ZERO).await?;
            Ok(None)
        }
        Err(error) => Err(event_types::why_refused(pass, object, &wanted.event_types, error).await),
    }
}

/// Records, before the first write, where the endpoint is: a connection that the spec names before status does is cleaned
/// up. Returns the object as stored.
async fn claim<H: Host>(pass: &Pass<'_, H>, progress: &Progress) -> Result<Object, Error> {
    let Progress { object, wanted, .. } = progress;
    // Nothing would be cleaned up, and of what status records, status says where it is.
    let is_needed = pass.recorded.is_none() && !pass.ctx.retains(object);
    let connection = object.connection_name();
    let value =
        is_needed.then(|| claims::endpoint_claim(object.uid(), connection, &wanted.application, &wanted.uid));
    Ok(pass.ctx.claim(object, value.as_deref()).await?)
}

/// Reads the endpoint that `adopt-id` names; there must be one.
async fn find_named<H: Host>(pass: &Pass<'_, H>, progress: &mut Progress, id: &str) -> Result<(), Error> {
    let application = &progress.wanted.application;
    if !progress.is_fresh {
        // It may have been created since the last listing.
        progress.observed = read(pass.session, application, id, &progress.wanted.uid).await?;
        progress.is_fresh = true;
        if progress.observed.is_some() {
            return Ok(());
        }
    }
    let detail = format!(
        "{ADOPT_ID_ANNOTATION} names endpoint {id}, which is not in application {application}; \
         correct it, or remove the annotation"
    );
    Err(ReconcileError::at(Reason::InvalidSpec, "/metadata/annotations", detail).into())
}

/// Changes an endpoint, and takes it over where it is not ours. `None`: it is not there any more.
pub(super) async fn change<H: Host>(
    pass: &Pass<'_, H>,
    progress: &mut Progress,
    change: &Change,
    differences: &[Difference],
    ownership: Ownership,
) -> Result<Option<Applied>, Error> {
    let Pass { ctx, session, .. } = *pass;
    let Some(observed) = progress.observed.clone() else { return Ok(None) };
    let application = progress.wanted.application.clone();
    if change.event_types.is_some() {
        event_types::require(ctx, &progress.object, session, &progress.wanted.event_types)?;
    }
    if ownership == Ownership::Ours && !differences.is_empty() {
        admit_repair(ctx, &progress.object, differences)?;
    }
    // What lists do not show must be equal, too, before it is adopted.
    if ownership != Ownership::Ours && pass.adoption != Adoption::Override {
        let hidden = hidden_differences(session, &progress.wanted, &observed).await?;
        if !hidden.is_empty() {
            return Err(endpoint::refuse_adoption(&progress.wanted, &observed, &hidden).into());
        }
    }
    progress.object = match ownership {
        Ownership::Ours => ctx.claim(&progress.object, None).await?,
        Ownership::Nobody | Ownership::OtherObject | Ownership::OtherOwner => claim(pass, progress).await?,
    };

    let (object, wanted) = (&progress.object, &progress.wanted);
    // Nothing is sent without its headers.
    let mut wrote_headers = false;
    if let (true, Some(headers)) = (observed.is_preparing(), &wanted.headers) {
        session.client.put_headers(&application, &observed.id, headers).await?;
        wrote_headers = true;
    }
    let withheld_headers = !observed.is_preparing()
        && endpoint::goes_to_another_host(change, &observed)
        && headers::withhold(ctx, object, session, wanted, &observed).await?;
    match session.client.patch_endpoint(&application, &observed.id, change).await {
        Ok(response) => {
            if !observed.is_preparing() {
                publish_change(pass, object, &observed, differences, ownership);
            }
            if change.url.is_some() || ownership != Ownership::Ours {
                warn_of_unreachable(pass, object, wanted);
            }
            let wrote_key = progress.created.as_ref().is_some_and(|created| created.wrote_key);
            Ok(Some(Applied {
                // What was there before this reconcile is what `updatedAt` is compared with.
                updated_at_before: observed.updated_at,
                wrote_headers,
                wrote_key,
                withheld_headers,
                ..accept(pass, wanted, response, Write::Change).await?
            }))
        }
        // Deleted since it was read.
        Err(error) if error.kind == ErrorKind::NotFound => {
            session.mirror.remove_endpoint(&application, &observed.id);
            session.request_relist();
            (progress.observed, progress.created) = (None, None);
            Ok(None)
        }
        // Its uid is set back to one that somebody else took meanwhile.
        Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {
            let message = format!("uid {} is taken in application {application}", wanted.uid);
            Err(ReconcileError::new(Reason::NotOurs, message).into())
        }
        Err(error) => Err(event_types::why_refused(pass, object, &wanted.event_types, error).await),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Create,
    Change,
}

/// Stores Svix's response to a write in the mirror, and finds what the server did not apply.
async fn accept<H: Host>(
    pass: &Pass<'_, H>,
    wanted: &Desired,
    response: Observed,
    write: Write,
) -> Result<Applied, Error> {
    let session = pass.session;
    let application = wanted.application.as_str();
    let (left, differences) = endpoint::change(wanted, &response);
    if write == Write::Create && differences.iter().any(|difference| difference.field == Field::EventTypes) {
        // A server before 1.99 drops the field and creates an endpoint that receives everything. That must not stay.
        session.client.delete_endpoint(application, &response.id).await?;
        session.mirror.remove_endpoint(application, &response.id);
        let message = "this Svix server does not know eventTypes (it is older than 1.99), so the endpoint would receive \
                       every event; it was removed again. Use a newer server";
        return Err(ReconcileError::new(Reason::FieldsIgnored, message).into());
    }
    session.mirror.put_endpoint(application, response.clone());
    let unapplied = unapplied(differences);
    let altered = (!unapplied.altered.is_empty()).then(|| digest_of(pass.ctx, &left, &response));
    ignored_fields::remember_altered(pass.ctx, pass.object, altered);
    Ok(Applied { unapplied, ..Applied::unchanged(response) })
}

/// Returns a digest of a change and of what Svix holds, but for when that changed.
pub(super) fn digest_of<H: Host>(ctx: &Context<H>, change: &Change, observed: &Observed) -> u64 {
    ctx.digest(&(change, &Observed { updated_at: 0, ..observed.clone() }))
}

/// Publishes that an endpoint was created again and signs with a key that nobody has yet.
fn publish_new_key<H: Host>(pass: &Pass<'_, H>, object: &Object, id: &str) {
    let message = format!(
        "endpoint {id} was created again and signs with a new key, since no Secret has the one before; receivers refuse \
         what it sends until they have the new one. With spec.signingSecret.toSecret the key is kept"
    );
    pass.ctx.publish_warning(object, EventReason::SigningKeyChanged.as_str(), message);
}

/// Publishes that Svix never delivers to the address that it was given, if that comes from a Secret: of an address in the
/// spec, admission warns.
fn warn_of_unreachable<H: Host>(pass: &Pass<'_, H>, object: &Object, wanted: &Desired) {
    if !wanted.hides_url || !pass.ctx.options.warns_of_unreachable {
        return;
    }
    if let Some(why) = endpoint::unreachable(&wanted.url) {
        let message = format!("/spec/urlFrom/secretKeyRef: {}", why.without_host());
        pass.ctx.publish_warning(object, EventReason::AddressUnreachable.as_str(), message);
    }
}

fn publish_change<H: Host>(
    pass: &Pass<'_, H>,
    object: &Object,
    before: &Observed,
    differences: &[Difference],
    ownership: Ownership,
) {
    let id = &before.id;
    let fields = describe(differences);
    if ownership != Ownership::Ours {
        // Nothing is overwritten without an Event.
        let marked = match before.mark() {
            Some(mark) => format!("endpoint {id} was marked as {mark}"),
            None => format!("endpoint {id} was in Svix already"),
        };
        let message = match fields.as_str() {
            "" => format!("{marked}, equal; it is marked as ours"),
            fields => format!("{marked}; it is marked as ours and changed: {fields}"),
        };
        return pass.ctx.publish(object, EventReason::Adopted, message);
    }
    let message = match fields.as_str() {
        "" => format!("endpoint {id}: owner mark"),
        fields => format!("endpoint {id}: {fields}"),
    };
    if is_drift(object) {
        pass.ctx.publish_repair(object, message);
    } else {
        pass.ctx.publish(object, EventReason::Updated, message);
    }
}
