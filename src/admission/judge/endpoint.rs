//! WebhookEndpoints: what Svix would refuse, and references that lead nowhere.

use crate::{
    admission::{Known, messages::Problem},
    api::{DEFAULT_CONNECTION, RESERVED_METADATA_PREFIX, Reason, SvixConnectionSpec, WebhookEndpoint},
    plan::{
        self, ReconcileError,
        endpoint::{Owned, Resolved, check_metadata, desired, merge_metadata, normal_url},
        headers, ids, signing,
    },
};

use super::Findings;

/// Most channels of one endpoint.
const MAX_CHANNELS: usize = 10;

/// Judges an endpoint that is about to be stored.
pub(in crate::admission) fn endpoint(object: &WebhookEndpoint, known: &Known) -> Findings {
    let mut findings = Findings::default();
    let spec = &object.spec;
    match (&spec.url, &spec.url_from) {
        (Some(url), None) => {
            if let Err(message) = normal_url(url) {
                findings.problem("/spec/url", message);
            }
        }
        (None, Some(_)) => {}
        _ => findings.problem("/spec", "exactly one of url and urlFrom must be given"),
    }
    for (field, message) in headers::problems(spec.headers.as_deref().unwrap_or_default()) {
        findings.problem(field, message);
    }
    if let Some(Err(message)) = spec.signing_secret.as_ref().map(signing::check) {
        findings.problems.push(ReconcileError::new(Reason::InvalidSpec, message).into());
    }
    for (field, uid) in [("/spec/application", &spec.application), ("/spec/uid", &spec.uid)] {
        if uid.as_ref().is_some_and(|uid| !ids::is_uid(uid)) {
            findings.problem(
                field,
                "expected letters, digits, `-`, `_` and `.`, not starting with app_, ep_ or msg_",
            );
        }
    }
    let connection = object.connection_name();
    let namespace = object.metadata.namespace.as_deref();
    let refused = super::not_permitted(known, connection, namespace, |grants, settings| {
        grants.endpoint(spec.application(settings), &spec.event_types, spec.adoption())
    });
    for (index, name) in spec.event_types.iter().enumerate() {
        if !ids::is_name(name) {
            findings.problem(format!("/spec/eventTypes/{index}"), "expected the name of an event type");
        } else if refused.is_none()
            && known.directory.connection(connection).is_some()
            && known.directory.holder(connection, name).is_none()
        {
            findings.warnings.push(format!(
                "/spec/eventTypes/{index}: no WebhookEventType declares {name:?} through connection {connection:?}; \
                 the endpoint waits until it is in Svix"
            ));
        }
    }
    findings.warnings.extend(refused);
    super::channels(spec.channels.as_deref(), MAX_CHANNELS, &mut findings);
    let reserved =
        spec.metadata.iter().flatten().filter(|(key, _)| key.starts_with(RESERVED_METADATA_PREFIX));
    for (key, _) in reserved {
        let key = plan::quoted(key);
        findings.problem("/spec/metadata", format!("key {key} is reserved; use another prefix"));
    }
    if findings.problems.is_empty() {
        // The rest is what the plan says of the whole; only the first of it is told.
        let settings = known.directory.connection(connection);
        let unknown = unknown_connection();
        let settings = settings.as_deref().unwrap_or(&unknown);
        let whole = desired(
            object,
            settings,
            owned(object),
            Resolved { url: spec.url.clone(), ..Resolved::default() },
        )
        .and_then(|desired| check_metadata(&merge_metadata(&desired, None)));
        findings.problems.extend(whole.err().map(Problem::from));
    }
    findings
}

/// What is assumed of a connection that is not there yet: nothing that it could say otherwise.
fn unknown_connection() -> SvixConnectionSpec {
    SvixConnectionSpec { owner_id: DEFAULT_CONNECTION.to_owned(), ..SvixConnectionSpec::default() }
}

/// What the object holds already: a uid that it adopted is not refused.
fn owned(object: &WebhookEndpoint) -> Owned<'_> {
    let svix = object.status.as_ref().and_then(|status| status.svix.as_ref());
    Owned { uid: svix.map(|svix| svix.uid.as_str()), ..Owned::default() }
}
