//! WebhookEndpoints: what Svix would refuse, and references that lead nowhere.

use crate::{
    admission::{Known, messages::Problem},
    api::{Address, DEFAULT_CONNECTION, JsonPointer, SvixConnectionSpec, WebhookEndpoint},
    plan::{
        endpoint::{Owned, Resolved, check_metadata, desired, merge_metadata, normal_url},
        headers, ids,
        signing::{self, TooManyKeys},
    },
};

use super::Findings;

/// Most channels of one endpoint.
const MAX_CHANNELS: usize = 10;

/// Judges an endpoint that is about to be stored.
pub(in crate::admission) fn endpoint(object: &WebhookEndpoint, known: &Known) -> Findings {
    let mut findings = Findings::default();
    let spec = &object.spec;
    findings.violations(spec.validate());
    if let Ok(Address::Url(url)) = spec.address()
        && let Err(error) = normal_url(url)
    {
        findings.problem("/spec/url", error);
    }
    for (field, error) in headers::check(spec.headers.as_deref().unwrap_or_default()) {
        findings.problem(field, error);
    }
    if let Some(Err(error)) = spec.signing_secret.as_ref().map(signing::check_rotation) {
        findings.problem(TooManyKeys::FIELD, error);
    }
    findings.uid("/spec/application", spec.application.as_ref());
    findings.uid("/spec/uid", spec.uid.as_ref());
    let connection = object.connection_name();
    let namespace = object.metadata.namespace.as_deref();
    let refused = super::not_permitted(known, connection, namespace, |grants, settings| {
        grants.endpoint(spec.application(settings), &spec.event_types, spec.adoption())
    });
    for (index, name) in spec.event_types.iter().enumerate() {
        if !ids::is_name(name) {
            let field = JsonPointer::from_static("/spec/eventTypes").index(index);
            findings.problem(field, "expected the name of an event type");
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
