//! What status says of an endpoint that Svix holds as declared.

use crate::{
    api::{ConditionStatus, ConditionType, EndpointInSvix, Reason, SigningKeyStatus, Statistics},
    plan::{
        Field, ReconcileError, adopt_id,
        endpoint::Desired,
        status::{ExtraCondition, ReadyState},
    },
};

use super::{
    super::{
        super::{
            host::Host,
            object::Object,
            outcome::{Details, Outcome, RemoteRef},
            queue::Next,
        },
        contention::name_other_declarers,
        ignored_fields,
    },
    event_types,
    pass::Pass,
    progress::Applied,
    synced::SyncedDetails,
};

/// What is said of an endpoint that is disabled and was not meant to be.
const DISABLED: &str = "the endpoint is disabled in Svix, by hand or because it failed for five days, and receives \
                        nothing; repair the receiver and enable it in Svix, or change the spec with disabled: false";

/// Returns the outcome of a reconcile that carried out what is declared.
pub(super) fn outcome<H: Host>(
    pass: &Pass<'_, H>,
    applied: Applied,
    wanted: &Desired,
    ignored: Vec<Field>,
    synced: SyncedDetails,
    statistics: Option<Statistics>,
) -> Outcome {
    let remote = RemoteRef::Endpoint(Box::new(EndpointInSvix {
        connection: pass.endpoint.connection_name().to_owned(),
        application: wanted.application.clone(),
        id: applied.observed.id.to_string(),
        uid: wanted.uid.clone(),
        fields: Field::names(&wanted.named),
        metadata_keys: wanted.named_metadata.clone(),
        generation: pass.object.generation(),
        verified: synced.verified.map(Box::new),
    }));
    let is_disabled = applied.observed.disabled && pass.endpoint.spec.disabled != Some(true);
    let mut outcome =
        ignored_fields::in_sync_except(pass.ctx, pass.object, ignored, applied.unapplied, remote);
    let is_blocked = synced.blocked.is_some();
    if let (Some(blocked), true) = (synced.blocked, outcome.ready.is_ready()) {
        outcome.ready = blocked;
    }
    if let ReadyState::Ready(reason, message) = &mut outcome.ready {
        if is_disabled && pass.leaves_disabled() {
            let detail = format_args!("found true in Svix, declared false. {DISABLED}");
            let cause = ReconcileError::at(Reason::DisabledInSvix, "/spec/disabled", detail);
            outcome.ready = ReadyState::Stalled(cause);
        } else {
            if is_disabled {
                *reason = Reason::DisabledInSvix;
                *message = DISABLED.into();
            }
            if let Some(error) = adopt_id::ignored(&pass.endpoint.metadata) {
                message.to_mut().push_str(&format!("; {error}"));
            }
            name_other_declarers(pass.ctx, pass.object, message);
        }
    }
    event_types::check(pass.ctx, pass.object, pass.session, &wanted.event_types, &mut outcome.ready);
    let resync = pass.connection.spec.resync_interval().unwrap_or_default();
    let for_statistics = (pass.endpoint.spec.statistics == Some(true)).then_some(resync);
    outcome.next = match (&outcome.ready, synced.next.into_iter().chain(for_statistics).min()) {
        (ReadyState::Waiting(_), Some(delay)) => Next::After(delay),
        (_, Some(delay)) => Next::Later(delay),
        (_, None) => Next::Settled,
    };
    let disabled_condition = is_disabled.then(|| ExtraCondition {
        type_: ConditionType::DisabledInSvix,
        status: ConditionStatus::True,
        reason: Reason::DisabledInSvix,
        message: DISABLED.to_owned(),
    });
    outcome.details = Some(Box::new(Details {
        extra_conditions: Vec::from_iter(disabled_condition),
        statistics,
        // What stands in the way says nothing of the key that was written before.
        signing_key: synced.signing_key.or_else(|| stored_signing_key(pass).filter(|_| is_blocked)),
        handled_rotate_at: synced.handled_rotate_at,
        ..Details::default()
    }));
    outcome
}

/// Returns what status says of the signing key by now.
fn stored_signing_key<H: Host>(pass: &Pass<'_, H>) -> Option<SigningKeyStatus> {
    match pass.ctx.registry.get(&pass.object.key())? {
        Object::Endpoint(endpoint) => endpoint.status.as_ref()?.signing_key.as_deref().cloned(),
        _ => None,
    }
}
