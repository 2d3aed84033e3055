//! Event types: the reconciler, as one pipeline of steps.

mod apply;
mod claim;
mod compatibility;
mod delete;
mod history;
mod kind;

use std::fmt::Write as _;

use crate::{
    api::{EventTypeInSvix, SvixConnection, WebhookEventType},
    plan::{
        Field, compatibility as compatibility_plan,
        event_type::{self, Desired, EventTypeStep},
        schema_source::{examples_size, memory, validate_within},
        status::ReadyState,
    },
    schema::Effort,
};

use super::{
    super::{
        context::Context,
        host::Host,
        object::{Mode, Object},
        outcome::{Details, Error, Outcome, RemoteRef},
        review::Proposal,
    },
    contention::{name_other_declarers, require_ownership},
    ignored_fields, observe,
    prepare::{AccessCheck, Prepared, prepare},
    schema_source,
};

use claim::{Claim, claim_of, is_ours};
use compatibility::{Gate, NotWritten};
use history::Recorded;

/// Makes Svix hold what an event type declares.
async fn sync<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event_type: &WebhookEventType,
) -> Result<Outcome, Error> {
    // 1. A connection that may be used for it.
    let prepared = prepare(ctx, object, AccessCheck::Required).await?;
    let session = &*prepared.session;

    // 2. What Svix is to hold, and memory for it.
    let _memory = ctx.reserve(object, memory(event_type)).await;
    let desired = desired(ctx, object, event_type, &prepared.connection).await?;

    // 3. No other object owns it. One whose spec is invalid says that, and is not named as another declarer.
    if prepared.mode == Mode::Manage {
        require_ownership(ctx, object, || format!("event type {}", event_type.event_type_name()))?;
    }
    let ignored = ignored_fields::known(ctx, object);
    let wanted = ignored.iter().fold(desired, |desired, field| desired.without(*field));

    // 4. Only compared, if the object or its connection says so.
    let claim = claim_of(ctx, object, event_type, &prepared, &wanted.name);
    let gate = Gate { object, event_type, connection: &prepared.connection };
    if prepared.mode != Mode::Manage {
        return observe_only(ctx, object, &prepared, &wanted, claim, gate).await;
    }

    // 5. Svix is made to hold it.
    let unapplied = apply::apply(ctx, object, session, &wanted, claim, gate).await?;

    // 6. What Svix has now is kept as a revision.
    let history = match &wanted.schema {
        Some(schema) if !unapplied.has_altered(Field::Schema) => {
            let policies = compatibility_plan::policies(event_type, Some(&prepared.connection.spec));
            history::record(ctx, object, event_type, schema, compatibility_plan::levels(&policies)).await?
        }
        _ => Recorded::Unchanged,
    };

    // 7. What status says.
    let remote = RemoteRef::EventType(EventTypeInSvix {
        connection: event_type.connection_name().to_owned(),
        name: wanted.name.clone(),
        fields: Field::names(&wanted.named),
    });
    let mut outcome = ignored_fields::in_sync_except(ctx, object, ignored, unapplied, remote);
    if let ReadyState::Ready(_, message) = &mut outcome.ready {
        if wanted.schema.is_none() {
            message.to_mut().push_str("; no schema is declared, so any payload passes");
        }
        name_other_declarers(ctx, object, message);
    }
    let mut details = Details::default();
    match history {
        Recorded::Unchanged => {}
        Recorded::Changed(history) => details.schema_history = Some(history),
        Recorded::Failed { message, next } => {
            outcome.next = next;
            if let ReadyState::Ready(_, text) = &mut outcome.ready {
                let _ = write!(
                    text.to_mut(),
                    "; the version of the schema is not kept in the history: {message}"
                );
            }
        }
    }
    outcome.details = Some(Box::new(details));
    Ok(outcome)
}

/// Returns what Svix is to hold.
async fn desired<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    event_type: &WebhookEventType,
    connection: &SvixConnection,
) -> Result<Desired, Error> {
    let recorded = event_type.status.as_ref().and_then(|status| status.svix.as_ref());
    let owned_fields = recorded.map_or(&[][..], |svix| &svix.fields);
    let (schema, examples) = match schema_source::read(ctx, event_type).await? {
        Some(schema) => {
            let bytes = schema.as_str().len() + examples_size(event_type);
            let owned = event_type.clone();
            let validate = move |effort: &Effort| validate_within(&owned, schema.to_value(), effort);
            let (schema, examples) = ctx.judge(object, bytes, validate).await??;
            (Some(schema), examples)
        }
        None => (None, Vec::new()),
    };
    let names = connection.spec.event_type_names();
    Ok(event_type::desired(event_type, schema, examples, names, owned_fields)?)
}

/// Compares an event type with Svix; writes nothing.
async fn observe_only<H: Host>(
    ctx: &Context<H>,
    object: &Object,
    prepared: &Prepared,
    wanted: &Desired,
    claim: Claim,
    gate: Gate<'_>,
) -> Result<Outcome, Error> {
    let session = &*prepared.session;
    let mut observed = session.mirror.event_type(&wanted.name).map(|observed| (*observed).clone());
    let mut schemas = None;
    // The mirror has no schemas, only their digests: where they differ is read.
    let differs_in_schema = wanted.schema.as_ref().is_some_and(|schema| {
        observed.as_ref().is_some_and(|observed| observed.schema_digest != Some(schema.digest))
    });
    if claim.reads_svix || differs_in_schema {
        let document = apply::read(session, &wanted.name).await?;
        (observed, schemas) = document.map(|document| (document.observed, document.schemas)).unzip();
    }
    let schemas = schemas.flatten();
    let is_ours = is_ours(session, object, wanted, observed.as_ref(), claim);
    let step = event_type::plan(wanted, observed.as_ref(), schemas.as_ref(), is_ours, claim.adoption);
    let mut step = apply::unless_refused(ctx, object, wanted, step).await?;
    let (mut refused_change, mut warning) = (None, None);
    match gate.check(ctx, wanted, &step, schemas.as_ref()).await {
        Ok(reported) => warning = reported,
        Err(NotWritten::Refused(refused)) => {
            step = EventTypeStep::Refuse(refused.error);
            refused_change = Some(refused.change);
        }
        Err(NotWritten::Failed(error)) => return Err(error),
    }
    ctx.propose(
        object,
        Proposal::EventType {
            desired: wanted,
            observed: observed.as_ref(),
            schemas: schemas.as_ref(),
            step: &step,
            warning: warning.as_deref(),
        },
    );
    let refusal = match &step {
        EventTypeStep::Refuse(refusal) => Some(refusal),
        _ => None,
    };
    let mut outcome = observe::outcome(prepared.mode, event_type::what_if(&step), refusal);
    if let Some(details) = &mut outcome.details {
        details.refused_change = refused_change;
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests;
