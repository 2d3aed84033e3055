//! Event types: what Svix is to hold, and carrying that out.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    api::{
        Adoption, CLAIM_ANNOTATION, EventTypeDeletionPolicy, EventTypeInSvix, SvixConnection,
        WebhookEventType, WebhookEventTypeStatus, annotation,
    },
    plan::{
        Difference, ReconcileError,
        access::Grants,
        claims, describe,
        event_type::{self, Desired, Observed, Step},
        schema_source::judged,
        status::ReadyState,
    },
    svix::{ErrorKind, EventTypeDocument},
};

use super::{
    super::{
        context::Context,
        drift::is_drift,
        events::EventReason,
        host::{Host, HostError},
        object::{Mode, Object, ObjectKey, Resource, Status, StatusHeader, SvixResource},
        outcome::{Details, Error, Outcome, RemoteRef},
        session::Session,
        waiters::Awaited,
    },
    contention::{admit_repair, name_other_declarers, require_ownership},
    finalize, ignored_fields,
    kind::{Reconcile, Report},
    observe,
    prepare::{AccessCheck, Prepared, prepare},
    schema_source,
};

/// More attempts than any sequence of surprises takes; then the object is reconciled again later.
const MAX_ATTEMPTS: usize = 6;

impl Resource for WebhookEventType {
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn connection_name(&self) -> &str {
        self.connection_name()
    }

    fn status_header(&self) -> StatusHeader<'_> {
        self.status.as_ref().map_or_else(StatusHeader::default, |status| StatusHeader {
            conditions: &status.conditions,
            observed_generation: status.observed_generation,
            last_handled_reconcile_at: status.last_handled_reconcile_at.as_deref(),
        })
    }

    fn mode(&self) -> Mode {
        Mode::of_spec(self.spec.suspend, self.spec.management_policy)
    }

    fn retains(&self) -> bool {
        self.spec.deletion_policy() == EventTypeDeletionPolicy::Retain
    }

    fn declared(&self, _connection: Option<&SvixConnection>) -> Option<SvixResource> {
        Some(SvixResource::EventType(self.event_type_name().into()))
    }

    fn recorded(&self) -> Option<(&str, SvixResource)> {
        let svix = self.status.as_ref()?.svix.as_ref()?;
        Some((&svix.connection, SvixResource::EventType(svix.name.as_str().into())))
    }

    fn config_map_name(&self) -> Option<&str> {
        self.spec.schema_from.as_ref().map(|source| source.config_map_key_ref.name.as_str())
    }

    fn check_access(&self, grants: &Grants<'_>, _connection: &SvixConnection) -> Result<(), ReconcileError> {
        let expunge = self.spec.deletion_policy() == EventTypeDeletionPolicy::Expunge;
        grants.event_type(&self.event_type_name(), self.spec.adoption(), expunge)
    }

    fn granted_adoption(&self, grants: &Grants<'_>, _connection: &SvixConnection) -> Adoption {
        self.spec.adoption().min(grants.of_event_type(&self.event_type_name()))
    }

    fn has_difference(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.difference.is_some())
    }
}

impl Reconcile for WebhookEventType {
    async fn reconcile<H: Host>(&self, ctx: &Context<H>, object: &Object) -> Result<Outcome, Error> {
        let result = sync(ctx, object, self).await;
        let is_stalled = match &result {
            Ok(outcome) => matches!(outcome.ready, ReadyState::Stalled(_)),
            Err(Error::Report(outcome)) => matches!(outcome.ready, ReadyState::Stalled(_)),
            Err(error) => matches!(error, Error::Stalled(..)),
        };
        // Those that wait may report that no object declares it, or be judged by it although Svix is left as it is.
        if is_stalled {
            let awaited = Awaited::EventType(self.event_type_name().into());
            ctx.release_waiters(self.connection_name(), &awaited);
        }
        result
    }

    /// Archives or expunges what an event type has in Svix, or hands it to the next object that declares it.
    async fn clean_up<H: Host>(&self, ctx: &Context<H>, object: &Object) -> Result<(), Error> {
        let key = object.key();
        let recorded = self.status.as_ref().and_then(|status| status.svix.as_ref());
        let connection = recorded.map_or_else(|| self.connection_name(), |svix| svix.connection.as_str());
        let name = recorded.map_or_else(|| self.event_type_name(), |svix| svix.name.clone());
        if recorded.is_none() && ctx.registry.other_owner(&key).is_some() {
            return Ok(());
        }
        let resource = SvixResource::EventType(name.as_str().into());
        if let Some(next_owner) = ctx.registry.next_owner(connection, &resource, &key) {
            if recorded.is_some() {
                hand_over(ctx, connection, &name, &next_owner).await?;
                ctx.scratch.with(&next_owner, |scratch| scratch.taken_over_via = Some(connection.into()));
                let message = format!("event type {name} stays in Svix for {next_owner}");
                ctx.publish(object, EventReason::HandedOver, message);
            }
            return Ok(());
        }
        // Nothing was ever written for it.
        let claim = annotation(&self.metadata, CLAIM_ANNOTATION);
        if recorded.is_none() && claim.is_none() {
            return Ok(());
        }
        let session = match ctx.session(connection) {
            Ok(session) => session,
            Err(unusable) => return finalize::await_connection(ctx, object, unusable),
        };
        let Some(document) = session.client.get_event_type(&name).await? else { return Ok(()) };
        let is_ours = recorded.is_some()
            || claim == Some(&claim_value(&session, object, connection, &name, &document.observed));
        // A namespace that may not expunge any more archives.
        let expunge = self.spec.deletion_policy() == EventTypeDeletionPolicy::Expunge
            && ctx.registry.check_access(object).is_ok();
        if is_ours && (expunge || !document.observed.archived) {
            session.client.delete_event_type(&name, expunge).await?;
            if expunge {
                session.mirror.remove_event_type(&name);
            } else {
                session.mirror.put_event_type(Observed { archived: true, ..document.observed });
            }
            let reason = if expunge { EventReason::Expunged } else { EventReason::Archived };
            ctx.publish(object, reason, format!("event type {name}"));
        }
        Ok(())
    }

    fn status(&self, report: Report<'_>) -> Status {
        let header = self.status_header();
        let before = self.status.as_ref();
        let conditions = report.conditions(header.conditions);
        Status::EventType(Box::new(WebhookEventTypeStatus {
            observed_generation: report.generation,
            last_handled_reconcile_at: report.last_handled_reconcile_at(header.last_handled_reconcile_at),
            svix: match report.remote {
                Some(RemoteRef::EventType(svix)) => Some(svix),
                Some(RemoteRef::None) => None,
                _ => before.and_then(|status| status.svix.clone()),
            },
            difference: match report.details {
                _ if report.is_managed => None,
                Some(details) => details.difference,
                None => before.and_then(|status| status.difference.clone()),
            },
            conditions,
        }))
    }
}

/// How an object relates to the event type of its name in Svix.
#[derive(Clone, Copy)]
struct Claim {
    /// Whether status records it, or the object takes it over from one that went.
    is_recorded: bool,
    adoption: Adoption,
    /// Whether Svix is read, whatever is remembered of it.
    reads_svix: bool,
}

/// Makes Svix hold what an event type declares.
async fn sync<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event_type: &WebhookEventType,
) -> Result<Outcome, Error> {
    // 1. A connection that may be used for it.
    let prepared = prepare(ctx, object, AccessCheck::Required).await?;
    let session = &*prepared.session;

    // 2. No other object owns it.
    if prepared.mode == Mode::Manage {
        require_ownership(ctx, object, || format!("event type {}", event_type.event_type_name()))?;
    }

    // 3. What Svix is to hold, without what this server ignores.
    let desired = desired(ctx, event_type, &prepared.connection).await?;
    let ignored = ignored_fields::known(ctx, object);
    let wanted = ignored.iter().fold(desired, |desired, field| desired.without(field));

    // 4. Only compared, if the object or its connection says so.
    let claim = claim_of(ctx, object, event_type, &prepared, &wanted.name);
    if prepared.mode != Mode::Manage {
        return observe_only(object, &prepared, &wanted, claim).await;
    }

    // 5. Svix is made to hold it.
    let newly_ignored = apply(ctx, object, session, &wanted, claim).await?;

    // 6. What status says.
    let remote = RemoteRef::EventType(EventTypeInSvix {
        connection: event_type.connection_name().to_owned(),
        name: wanted.name.clone(),
        fields: wanted.named.clone(),
    });
    let ignored = ignored.into_iter().chain(newly_ignored).collect();
    let mut outcome = ignored_fields::in_sync_except(ctx, object, ignored, remote);
    if let ReadyState::Ready(_, message) = &mut outcome.ready {
        name_other_declarers(ctx, object, message);
    }
    outcome.details = Some(Box::<Details>::default());
    Ok(outcome)
}

/// Returns what Svix is to hold.
async fn desired<H: Host>(
    ctx: &Context<H>,
    event_type: &WebhookEventType,
    connection: &SvixConnection,
) -> Result<Desired, Error> {
    let recorded = event_type.status.as_ref().and_then(|status| status.svix.as_ref());
    let owned_fields = recorded.map_or(&[][..], |svix| &svix.fields);
    let schema = schema_source::read(ctx, event_type).await?;
    let (schema, examples) = judged(event_type, schema.to_value())?;
    let names = connection.spec.event_type_names();
    Ok(event_type::desired(event_type, schema, examples, names, owned_fields)?)
}

fn claim_of<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event_type: &WebhookEventType,
    prepared: &Prepared,
    name: &str,
) -> Claim {
    let connection = event_type.connection_name();
    let recorded = event_type.status.as_ref().and_then(|status| status.svix.as_ref());
    let in_status = recorded.is_some_and(|svix| svix.connection == connection && svix.name == name);
    let is_recorded = ctx.scratch.with(&object.key(), |scratch| {
        // Once status says so, it is status that counts.
        scratch.taken_over_via.take_if(|through| in_status || **through != *connection);
        in_status || scratch.taken_over_via.is_some()
    });
    Claim {
        is_recorded,
        adoption: ctx.registry.granted_adoption(object, &prepared.connection),
        reads_svix: object.pending_reconcile_request().is_some(),
    }
}

/// Compares an event type with Svix; writes nothing.
async fn observe_only(
    object: &Object,
    prepared: &Prepared,
    wanted: &Desired,
    claim: Claim,
) -> Result<Outcome, Error> {
    let session = &*prepared.session;
    let mut observed = session.mirror.event_type(&wanted.name).map(|observed| (*observed).clone());
    if claim.reads_svix {
        observed = read(session, &wanted.name).await?.map(|document| document.observed);
    }
    let is_ours = is_ours(session, object, wanted, observed.as_ref(), claim);
    let step = event_type::plan(wanted, observed.as_ref(), is_ours, claim.adoption);
    let refusal = match &step {
        Step::Refuse(refusal) => Some(refusal),
        _ => None,
    };
    Ok(observe::outcome(prepared.mode, event_type::what_if(&step), refusal))
}

/// Carries out the plan until Svix holds what is wanted. Returns the fields that the server ignored.
async fn apply<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    session: &Session,
    wanted: &Desired,
    claim: Claim,
) -> Result<Vec<&'static str>, Error> {
    let mut object = object.clone();
    let mut observed = session.mirror.event_type(&wanted.name).map(|observed| (*observed).clone());
    // The whole document, once it was read in this reconcile: the mirror may be out of date.
    let mut document: Option<EventTypeDocument> = None;
    for _ in 0..MAX_ATTEMPTS {
        let is_ours = is_ours(session, &object, wanted, observed.as_ref(), claim);
        let step = event_type::plan(wanted, observed.as_ref(), is_ours, claim.adoption);
        let is_certain = matches!(step, Step::InSync | Step::Adopt | Step::Create);
        if observed.is_some() && document.is_none() && (!is_certain || claim.reads_svix) {
            document = read(session, &wanted.name).await?;
            observed = document.as_ref().map(|document| document.observed.clone());
            continue;
        }
        let written = match step {
            Step::InSync => {
                ctx.claim(&object, None).await?;
                release_waiters(ctx, &object, &wanted.name);
                return Ok(Vec::new());
            }
            Step::Adopt => {
                object = ctx.claim(&object, None).await?;
                let message = format!("event type {} was in Svix already, equal", wanted.name);
                ctx.publish(&object, EventReason::Adopted, message);
                release_waiters(ctx, &object, &wanted.name);
                return Ok(Vec::new());
            }
            Step::Refuse(cause) => return Err(cause.into()),
            Step::Create => create(ctx, &mut object, session, wanted).await?,
            Step::Revive(ref differences) | Step::Change(ref differences) => {
                let is_revived = observed.as_ref().is_some_and(|observed| observed.archived);
                if !is_revived {
                    admit_repair(ctx, &object, differences)?;
                }
                let write = Write { wanted, differences, is_revived, is_overwritten: false };
                write.patch(ctx, &mut object, session, document.as_ref()).await?
            }
            Step::Overwrite(ref differences) => {
                let is_revived = observed.as_ref().is_some_and(|observed| observed.archived);
                let write = Write { wanted, differences, is_revived, is_overwritten: true };
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
) -> Result<Written, Error> {
    let connection = object.connection_name();
    let resource = claims::thing(connection, &wanted.name);
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
}

impl Write<'_> {
    async fn patch<H: Host>(
        &self,
        ctx: &Context<H>,
        object: &mut Object,
        session: &Session,
        document: Option<&EventTypeDocument>,
    ) -> Result<Written, Error> {
        let Self { wanted, differences, is_revived, is_overwritten: _ } = *self;
        *object = ctx.claim(object, None).await?;
        let fields: Vec<_> = differences.iter().map(|difference| difference.field).collect();
        let schemas = document.and_then(|document| document.schemas.as_ref());
        match session.client.patch_event_type(wanted, &fields, is_revived, schemas).await {
            Ok(response) => {
                self.publish(ctx, object);
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

/// Stores Svix's response to a write in the mirror. Returns the fields that the server ignored.
fn accept<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    session: &Session,
    wanted: &Desired,
    response: EventTypeDocument,
) -> Vec<&'static str> {
    let differences = event_type::differences(wanted, &response.observed);
    session.mirror.put_event_type(response.observed);
    release_waiters(ctx, object, &wanted.name);
    differences.into_iter().map(|difference| difference.field).collect()
}

/// Reads an event type from Svix into the mirror.
async fn read(session: &Session, name: &str) -> Result<Option<EventTypeDocument>, Error> {
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

/// Whether what is in Svix is the object's: status records it, or the claim announced a write whose end nobody saw.
fn is_ours(
    session: &Session,
    object: &Object,
    wanted: &Desired,
    observed: Option<&Observed>,
    claim: Claim,
) -> bool {
    claim.is_recorded
        || observed.is_some_and(|observed| {
            let value = claim_value(session, object, object.connection_name(), &wanted.name, observed);
            claims::is_claimed(object.meta().annotations.as_ref(), &value)
        })
}

/// Returns the claim annotation that an object has if it wrote what is in Svix.
fn claim_value(
    session: &Session,
    object: &Object,
    connection: &str,
    name: &str,
    observed: &Observed,
) -> String {
    let resource = claims::thing(connection, name);
    let content = observed.content_digest();
    session.client.with_token(|token| claims::claim_value(token, object.uid(), &resource, content))
}

/// Records that what is in Svix is the next owner's, so that a crash before that one has it changes nothing.
async fn hand_over<H: Host>(
    ctx: &Context<H>,
    connection: &str,
    name: &str,
    next_owner: &ObjectKey,
) -> Result<(), Error> {
    let (Ok(session), Some(object)) = (ctx.session(connection), ctx.registry.get(next_owner)) else {
        return Ok(());
    };
    let Some(observed) = session.mirror.event_type(name) else { return Ok(()) };
    let value = claim_value(&session, &object, connection, name, &observed);
    match ctx.claim(&object, Some(&value)).await {
        Ok(_) => Ok(()),
        // Another one may be the next owner by now.
        Err(HostError::Gone) => Err(HostError::Conflict.into()),
        Err(error) => Err(error.into()),
    }
}
