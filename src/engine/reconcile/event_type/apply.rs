//! Carrying out the plan for an event type, until Svix holds what is declared.

use crate::{
    api::Reason,
    plan::{
        Difference, claims, describe,
        event_type::{self, Desired, EventTypeStep, Observed},
        unapplied::{Unapplied, unapplied},
    },
    svix::{ErrorKind, EventTypeDocument},
};

use super::{
    super::{
        super::{
            context::Context, drift::is_drift, events::EventReason, host::Host, object::Object,
            outcome::Error, review::Proposal, session::Session, waiters::Awaited,
        },
        contention::admit_repair,
        ignored_fields,
    },
    claim::{Claim, is_ours},
    compatibility::Gate,
};

/// More attempts than any sequence of surprises takes; then the object is reconciled again later.
const MAX_ATTEMPTS: usize = 6;

/// Returns the step, or a refusal where it writes a schema that Svix does not accept.
pub(super) async fn unless_refused<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    wanted: &Desired,
    step: EventTypeStep,
) -> Result<EventTypeStep, Error> {
    let Some(schema) = wanted.schema.clone().filter(|_| event_type::writes_schema(&step)) else {
        return Ok(step);
    };
    match ctx.judge(object, 0, move |effort| schema.check_accepted(effort)).await? {
        Ok(()) => Ok(step),
        Err(error) => Ok(EventTypeStep::Refuse(error)),
    }
}

/// Carries out the plan until Svix holds what is wanted. Returns what the server did not apply.
pub(super) async fn apply<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    session: &Session,
    wanted: &Desired,
    claim: Claim,
    gate: Gate<'_>,
) -> Result<Unapplied, Error> {
    let mut object = object.clone();
    let mut observed = session.mirror.event_type(&wanted.name).map(|observed| (*observed).clone());
    // The whole document, once it was read in this reconcile: the mirror may be out of date.
    let mut document: Option<EventTypeDocument> = None;
    for _ in 0..MAX_ATTEMPTS {
        let is_ours = is_ours(session, &object, wanted, observed.as_ref(), claim);
        let schemas = document.as_ref().and_then(|document| document.schemas.as_ref());
        let step = event_type::plan(wanted, observed.as_ref(), schemas, is_ours, claim.adoption);
        let step = unless_refused(ctx, &object, wanted, step).await?;
        let is_certain = matches!(step, EventTypeStep::InSync | EventTypeStep::Adopt | EventTypeStep::Create);
        if observed.is_some() && document.is_none() && (!is_certain || claim.reads_svix) {
            document = read(session, &wanted.name).await?;
            observed = document.as_ref().map(|document| document.observed.clone());
            continue;
        }
        // Nothing is written that breaks receivers, where that is enforced.
        let warning = gate.check(ctx, wanted, &step, schemas).await?;
        let is_write =
            !matches!(step, EventTypeStep::InSync | EventTypeStep::Adopt | EventTypeStep::Refuse(_));
        if is_write {
            let (observed, warning) = (observed.as_ref(), warning.as_deref());
            ctx.require_approval(
                &object,
                Proposal::EventType { desired: wanted, observed, schemas, step: &step, warning },
            )?;
        }
        let written = match step {
            EventTypeStep::InSync => {
                ctx.claim(&object, None).await?;
                release_waiters(ctx, &object, &wanted.name);
                return Ok(Unapplied::default());
            }
            EventTypeStep::Adopt => {
                object = ctx.claim(&object, None).await?;
                let message = format!("event type {} was in Svix already, equal", wanted.name);
                ctx.publish(&object, EventReason::Adopted, message);
                release_waiters(ctx, &object, &wanted.name);
                return Ok(Unapplied::default());
            }
            EventTypeStep::Refuse(cause) => return Err(cause.into()),
            EventTypeStep::Change(differences)
                if !claim.reads_svix
                    && observed.as_ref().is_some_and(|observed| {
                        ignored_fields::is_in_vain(
                            ctx,
                            &object,
                            digest_of(ctx, wanted, &differences, observed),
                        )
                    }) =>
            {
                return Ok(unapplied(differences));
            }
            EventTypeStep::Create => create(ctx, &mut object, session, wanted, warning).await?,
            EventTypeStep::Revive(ref differences) | EventTypeStep::Change(ref differences) => {
                let is_revived = observed.as_ref().is_some_and(|observed| observed.archived);
                if !is_revived {
                    admit_repair(ctx, &object, differences)?;
                }
                // A revival is a creation: fields that the spec does not name get Svix's defaults.
                let revived = is_revived.then(|| wanted.clone().with_defaults());
                let wanted = revived.as_ref().unwrap_or(wanted);
                let write = Write { wanted, differences, is_revived, is_overwritten: false, warning };
                write.patch(ctx, &mut object, session, document.as_ref()).await?
            }
            EventTypeStep::Overwrite(ref differences) => {
                let is_revived = observed.as_ref().is_some_and(|observed| observed.archived);
                let write = Write { wanted, differences, is_revived, is_overwritten: true, warning };
                write.patch(ctx, &mut object, session, document.as_ref()).await?
            }
        };
        match written {
            Written::Done(response) => return Ok(accept(ctx, &object, session, wanted, *response)),
            Written::Found(found) => {
                document = *found;
                observed = document.as_ref().map(|document| document.observed.clone());
            }
        }
    }
    Err(Error::unsteady("event-type"))
}

/// What a write to Svix came to.
enum Written {
    /// Svix holds this now.
    Done(Box<EventTypeDocument>),
    /// Something came in between: this is there now.
    Found(Box<Option<EventTypeDocument>>),
}

/// Creates an event type, after the claim is recorded.
async fn create<H: Host>(
    ctx: &Context<H>,
    object: &mut Object,
    session: &Session,
    wanted: &Desired,
    warning: Option<String>,
) -> Result<Written, Error> {
    let connection = object.connection_name();
    let resource = claims::resource_name(connection, &wanted.name);
    let content = wanted.content_digest();
    let uid = object.uid();
    let value = session.client.with_token(|token| claims::claim_value(token, uid, &resource, content));
    *object = ctx.claim(object, Some(&value)).await?;
    match session.client.create_event_type(wanted).await {
        Ok(response) => {
            if is_drift(object) {
                let message = format!("event type {} was gone from Svix; created again", wanted.name);
                ctx.publish_repair(object, message);
            } else {
                ctx.publish(object, EventReason::Created, format!("event type {}", wanted.name));
            }
            if let Some(warning) = warning {
                ctx.publish_warning(object, Reason::BreakingChange.as_str(), warning);
            }
            Ok(Written::Done(Box::new(response)))
        }
        // Somebody else was faster, or this operator before a response was lost: the claim decides.
        Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {
            let document = session.client.get_event_type(&wanted.name).await?;
            if let Some(document) = &document {
                session.mirror.put_event_type(document.observed.clone());
            }
            Ok(Written::Found(Box::new(document)))
        }
        Err(error) => Err(error.into()),
    }
}

/// A change of an event type that exists.
struct Write<'a> {
    wanted: &'a Desired,
    differences: &'a [Difference],
    is_revived: bool,
    /// Whether it was not ours before.
    is_overwritten: bool,
    /// What is to be reported about the new schema.
    warning: Option<String>,
}

impl Write<'_> {
    async fn patch<H: Host>(
        &self,
        ctx: &Context<H>,
        object: &mut Object,
        session: &Session,
        document: Option<&EventTypeDocument>,
    ) -> Result<Written, Error> {
        let Self { wanted, differences, is_revived, .. } = *self;
        *object = ctx.claim(object, None).await?;
        let fields: Vec<_> = differences.iter().map(|difference| difference.field).collect();
        let schemas = document.and_then(|document| document.schemas.as_ref());
        match session.client.patch_event_type(wanted, &fields, is_revived, schemas).await {
            Ok(response) => {
                self.publish(ctx, object);
                if let Some(warning) = &self.warning {
                    ctx.publish_warning(object, Reason::BreakingChange.as_str(), warning.clone());
                }
                Ok(Written::Done(Box::new(response)))
            }
            // Expunged since it was read.
            Err(error) if error.kind == ErrorKind::NotFound => {
                session.mirror.remove_event_type(&wanted.name);
                session.request_relist();
                Ok(Written::Found(Box::new(None)))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn publish<H: Host>(&self, ctx: &Context<H>, object: &Object) {
        let name = &self.wanted.name;
        let fields = describe(self.differences);
        if self.is_overwritten {
            let message = format!("event type {name} was in Svix already; it is changed: {fields}");
            ctx.publish(object, EventReason::Adopted, message);
            return;
        }
        let message = match (self.is_revived, fields.as_str()) {
            (true, "") => format!("event type {name} was archived"),
            (true, fields) => format!("event type {name} was archived; {fields}"),
            (false, fields) => format!("event type {name}: {fields}"),
        };
        if is_drift(object) {
            ctx.publish_repair(object, message);
        } else {
            let reason = if self.is_revived { EventReason::Revived } else { EventReason::Updated };
            ctx.publish(object, reason, message);
        }
    }
}

/// Stores Svix's response to a write in the mirror. Returns what the server did not apply.
fn accept<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    session: &Session,
    wanted: &Desired,
    response: EventTypeDocument,
) -> Unapplied {
    let differences = event_type::differences(wanted, &response.observed);
    let differences = event_type::locate(differences, wanted, response.schemas.as_ref());
    let digest = digest_of(ctx, wanted, &differences, &response.observed);
    session.mirror.put_event_type(response.observed);
    release_waiters(ctx, object, &wanted.name);
    let unapplied = unapplied(differences);
    ignored_fields::remember_altered(ctx, object, (!unapplied.altered.is_empty()).then_some(digest));
    unapplied
}

/// Returns a digest of what is written and of what Svix holds.
fn digest_of<H: Host>(
    ctx: &Context<H>,
    wanted: &Desired,
    differences: &[Difference],
    observed: &Observed,
) -> u64 {
    let fields: Vec<_> = differences.iter().map(|difference| difference.field).collect();
    let content = wanted.content_digest().to_string();
    ctx.digest(&(fields, content, &wanted.group_name, &wanted.feature_flags, observed))
}

/// Reads an event type from Svix into the mirror.
pub(super) async fn read(session: &Session, name: &str) -> Result<Option<EventTypeDocument>, Error> {
    let document = session.client.get_event_type(name).await?;
    match &document {
        Some(document) => session.mirror.put_event_type(document.observed.clone()),
        None => session.mirror.remove_event_type(name),
    }
    Ok(document)
}

fn release_waiters<H: Host>(ctx: &Context<H>, object: &Object, name: &str) {
    ctx.release_waiters(object.connection_name(), &Awaited::EventType(name.into()));
}
