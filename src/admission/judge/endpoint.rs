//! WebhookEndpoints: content that Svix would refuse, and references to event types that nothing declares.

use crate::{
    admission::{Known, messages::Problem},
    api::{Address, DEFAULT_CONNECTION, JsonPointer, SvixConnectionSpec, WebhookEndpoint},
    plan::{
        adopt_id::{self, IgnoredAdoptId},
        endpoint::{Owned, Resolved, check_metadata, desired, merge_metadata, normal_url, unreachable},
        headers, ids,
        signing::{self, TooManyKeys},
    },
};

use super::Findings;

/// Most channels of one endpoint.
const MAX_CHANNELS: usize = 10;

/// Validates an endpoint before it is stored.
#[must_use]
pub fn endpoint(object: &WebhookEndpoint, known: &Known) -> Findings {
    let mut findings = Findings::default();
    let spec = &object.spec;
    findings.violations(spec.validate());
    if let Ok(Address::Url(url)) = spec.address() {
        if let Err(error) = normal_url(url) {
            findings.problem("/spec/url", error);
        }
        findings.warnings.extend(unreachable(url).map(|why| Problem::new("/spec/url", why)));
    }
    for (field, error) in headers::check(spec.headers.as_deref().unwrap_or_default()) {
        findings.problem(field, error);
    }
    if let Some(Err(error)) = spec.signing_secret.as_deref().map(signing::check_rotation) {
        findings.problem(TooManyKeys::FIELD, error);
    }
    findings.uid("/spec/application", spec.application.as_ref());
    findings.uid("/spec/uid", spec.uid.as_ref());
    let connection = object.connection_name();
    let namespace = object.metadata.namespace.as_deref();
    let not_permitted = super::not_permitted(known, connection, namespace, object);
    for (index, name) in spec.event_types.iter().enumerate() {
        let field = JsonPointer::from_static("/spec/eventTypes").index(index);
        if !ids::is_name(name) {
            findings.problem(field, "expected the name of an event type");
        } else if not_permitted.is_none()
            && known.directory.connection(connection).is_some()
            && known.directory.holder(connection, name).is_none()
        {
            let message = format!(
                "no WebhookEventType declares {name:?} through connection {connection:?}; the endpoint waits until \
                 it is in Svix"
            );
            findings.warnings.push(Problem::new(field, message));
        }
    }
    findings.warnings.extend(
        adopt_id::ignored(&object.metadata).map(|error| Problem::new(IgnoredAdoptId::field(), error)),
    );
    findings.warnings.extend(not_permitted);
    super::channels(spec.channels.as_deref(), MAX_CHANNELS, &mut findings);
    if findings.problems.is_empty() {
        // The plan checks the rest, and returns its first error.
        let settings = known.directory.connection(connection);
        let unknown = unknown_connection();
        let settings = settings.as_deref().unwrap_or(&unknown);
        let error = desired(
            object,
            settings,
            owned(object),
            Resolved { url: spec.url.clone(), ..Resolved::default() },
        )
        .and_then(|desired| check_metadata(&merge_metadata(&desired, None)));
        findings.problems.extend(error.err().map(Problem::from));
    }
    findings
}

/// Stands for a connection that does not exist yet: the defaults, so that nothing is refused that it may allow.
fn unknown_connection() -> SvixConnectionSpec {
    SvixConnectionSpec { owner_id: DEFAULT_CONNECTION.to_owned(), ..SvixConnectionSpec::default() }
}

/// The fields that status records: a uid that the object adopted is not refused.
fn owned(object: &WebhookEndpoint) -> Owned<'_> {
    let svix = object.status.as_ref().and_then(|status| status.svix.as_ref());
    Owned { uid: svix.map(|svix| svix.uid.as_str()), ..Owned::default() }
}
