//! Whether the payload of an event may be sent.

use crate::{
    api::{PayloadPolicy, Reason, WebhookEvent},
    catalogue::{Declared, Judgement},
    plan::{
        ReconcileError,
        digest::Digest,
        event::{self, Desired},
    },
    schema::{Effort, InvalidSchema, Place},
};

use super::super::{
    super::{
        context::Context,
        host::Host,
        object::{Object, SvixResource},
        outcome::Error,
        queue::Next,
        session::Session,
        waiters::Awaited,
    },
    schema_source::{self, SchemaError},
};

/// What `Accepted` says of a payload that may be sent.
pub(super) struct Accepted {
    pub condition: (Reason, String),
    /// How it does not match, if it is sent all the same.
    pub mismatch: Option<Mismatch>,
}

/// A payload that does not match the schema of its event type.
pub(super) struct Mismatch {
    /// The object that owns the event type.
    pub event_type: Object,
    pub schema_digest: String,
    pub places: Vec<Place>,
}

impl Accepted {
    fn new(reason: Reason, message: String) -> Self {
        Self { condition: (reason, message), mismatch: None }
    }
}

/// Judges a payload by the schema of the object that owns its event type. Returns what `Accepted` says of it.
pub(super) async fn judge<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event: &WebhookEvent,
    session: &Session,
    desired: &Desired,
) -> Result<Accepted, Error> {
    let (connection, name) = (event.connection_name(), desired.event_type.as_str());
    let awaited = Awaited::EventType(name.into());
    // The object waits before the check that decides: what comes in between wakes it. That also wakes one whose payload
    // was refused, when the schema changes.
    ctx.waiters.add(connection, awaited.clone(), &object.key());
    let resource = SvixResource::EventType(name.into());
    let Some(Object::EventType(owner)) = ctx.registry.owner(connection, resource) else {
        let advice = "a WebhookEventType that declares it is enough";
        return Err(waiting(format!("no object declares event type {name}; {advice}"), Next::Settled));
    };
    let owner_key = Object::EventType(owner.clone()).key();
    let not_there = |next| {
        let advice = format!("{owner_key} declares it, and its status says why it is not there");
        waiting(format!("event type {name} is not in Svix yet; {advice}"), next)
    };
    if !session.mirror.event_type_live(name) {
        return Err(not_there(Next::Settled));
    }
    let schema = schema_source::read(ctx, &owner).await.map_err(|error| match error {
        SchemaError::Refused(_) => not_there(Next::Settled),
        SchemaError::Unreadable(_) => not_there(Next::Failed),
    })?;
    let declared = Declared {
        schema,
        format_assertion: owner.spec.format_assertion(),
        policy: owner.spec.payload_policy(),
    };
    let judgement = ctx.judge(object, desired.payload_text.len(), {
        let (catalogue, connection, name) = (ctx.catalogue.clone(), connection.to_owned(), name.to_owned());
        let text = desired.payload_text.clone();
        move |effort: &Effort| {
            catalogue.put_within(&connection, &name, declared.clone(), effort)?;
            let judgement = catalogue.judge_text(&connection, &name, text.as_bytes(), effort);
            let is_counted = matches!(
                judgement,
                Judgement::Invalid { policy: PayloadPolicy::Warn | PayloadPolicy::Audit, .. }
            );
            let digest = is_counted.then(|| schema_digest(&declared));
            Ok((judgement, digest))
        }
    });
    let judgement: Result<_, InvalidSchema> = judgement.await?;
    // What is left are calls to Svix, which may overlap with the validation of the next event.
    ctx.end_long_work(&object.key());
    let Ok((judgement, digest)) = judgement else { return Err(not_there(Next::Settled)) };
    let (policy, violations, more, places, is_given_up) = match judgement {
        Judgement::Undeclared => return Err(not_there(Next::Settled)),
        Judgement::Valid => {
            ctx.waiters.remove(connection, awaited, &object.key());
            let message = format!("the payload matches the schema of {owner_key}");
            return Ok(Accepted::new(Reason::PayloadValid, message));
        }
        Judgement::NotValidated => {
            ctx.waiters.remove(connection, awaited, &object.key());
            let message = format!("{owner_key} declares no schema, so any payload passes");
            return Ok(Accepted::new(Reason::PayloadNotValidated, message));
        }
        Judgement::Invalid { policy, violations, more, places, is_given_up } => {
            (policy, violations, more, places, is_given_up)
        }
    };
    ctx.metrics.payload_mismatch(policy.as_str());
    let text = event::describe_violations(event, &violations, more);
    let what = if is_given_up { "cannot be validated by" } else { "does not match" };
    let message = format!("the payload {what} the schema of {owner_key}: {text}");
    // What the payload holds is for readers of the object only.
    let redacted = format!(
        "the payload {what} the schema of {owner_key} at {}",
        event::violated_places(&violations, more)
    );
    if policy == PayloadPolicy::Enforce {
        let advice = "create another WebhookEvent, or change the schema";
        let reason = if is_given_up { Reason::ValidationLimitExceeded } else { Reason::InvalidPayload };
        return Err(ReconcileError::new(reason, format!("{message}; {advice}"))
            .with_redacted(format!("{redacted}; see the status"))
            .with_field(event::violated_field(event, &violations))
            .into());
    }
    ctx.waiters.remove(connection, awaited, &object.key());
    let passed = if is_given_up { Reason::ValidationLimitExceeded } else { Reason::PayloadMismatch };
    if policy == PayloadPolicy::Warn {
        ctx.publish_warning(object, passed.as_str(), format!("{redacted}; it is sent"));
    }
    let event_type = Object::EventType(owner);
    let mismatch = digest.map(|schema_digest| Mismatch { event_type, schema_digest, places });
    Ok(Accepted { condition: (passed, message), mismatch })
}

/// Returns a digest of what payloads are judged by.
fn schema_digest(declared: &Declared) -> String {
    let schema = declared.schema.as_ref().map(|schema| Digest::of_json_text(schema.as_str()));
    let schema = schema.map(|digest| digest.to_string()).unwrap_or_default();
    Digest::of_text(&format!("{schema} {}", declared.format_assertion)).to_string()
}

fn waiting(message: String, next: Next) -> Error {
    Error::Waiting(ReconcileError::new(Reason::WaitingForEventType, message), next)
}
