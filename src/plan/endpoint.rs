//! Endpoints: the next step, from the desired and the observed endpoint.

mod desired;
mod hidden;
mod observed;
mod reachability;
mod url;

use std::collections::{BTreeMap, BTreeSet};

use ::url::Url;

use crate::api::{Action, Adoption, OWNER_METADATA_KEY, PREPARING_METADATA_KEY, Reason};

use super::{Difference, Field, OwnerMark, ReconcileError, channels};

pub use desired::{Desired, MAX_METADATA_BYTES, Owned, Resolved, check_metadata, desired, resolve};
pub use hidden::HiddenDifference;
pub use observed::{Observed, Ownership, ownership};
pub use reachability::{Unreachable, unreachable};
pub use url::{InvalidUrl, host_of, normal_url, pattern_mistake};

/// The fields of an endpoint to write; a field that is `None` is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct Change {
    /// Uid.
    pub uid: Option<String>,
    /// Address.
    pub url: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Event types.
    pub event_types: Option<BTreeSet<String>>,
    /// Channels; `Some(None)` clears.
    pub channels: Option<Option<BTreeSet<String>>>,
    /// Messages per second; `Some(None)` clears.
    pub throttle_rate: Option<Option<u16>>,
    /// Whether disabled.
    pub disabled: Option<bool>,
    /// The whole metadata: Svix has no partial change of it.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Whether a change sends events, headers included, to another host or port, or over another scheme.
#[must_use]
pub fn goes_to_another_host(change: &Change, observed: &Observed) -> bool {
    let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin());
    change.url.as_ref().is_some_and(|url| origin(url) != origin(&observed.url))
}

/// The next step for an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum EndpointStep {
    /// Nothing: it is as declared.
    InSync,
    /// It does not exist: create it.
    Create,
    /// It exists and has no owner: write the mark, and the fields that differ where that is allowed.
    Adopt(Change, Vec<Difference>),
    /// These fields differ: change them and no others.
    Change(Change, Vec<Difference>),
    /// It must not be changed.
    Refuse(ReconcileError),
}

/// The metadata to write: the observed entries, with ours set and the forgotten ones removed.
#[must_use]
pub fn merge_metadata(desired: &Desired, observed: Option<&Observed>) -> BTreeMap<String, String> {
    let mut metadata: BTreeMap<String, String> = observed
        .iter()
        .flat_map(|observed| observed.metadata.iter())
        .filter(|(key, value)| {
            !desired.forgotten_metadata.contains(&**key)
                && &**key != PREPARING_METADATA_KEY
                // The text of a channel; those in the spec are added below.
                && !channels::is_mapping(key, value)
        })
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    metadata.extend(desired.metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
    metadata.insert(OWNER_METADATA_KEY.to_owned(), desired.mark.clone());
    metadata
}

/// Returns the change that brings an endpoint to the desired state, and the differences, field by field. The owner mark
/// is in the change when it is missing, but it is no difference: it does not come from the spec.
#[must_use]
pub fn change(desired: &Desired, observed: &Observed) -> (Change, Vec<Difference>) {
    // No `..`: a new field must be handled here.
    let Desired {
        application: _,
        uid,
        mark: _,
        url,
        hides_url,
        event_types,
        description,
        channels,
        throttle_rate,
        disabled,
        metadata,
        forgotten_metadata,
        named: _,
        named_metadata: _,
        headers: _,
        signing_key: _,
    } = desired;
    let mut change = Change::default();
    let mut differences = Vec::new();
    let mut differs =
        |field, found: String, expected: String| differences.push(Difference { field, found, expected });

    if observed.uid.as_deref() != Some(uid) {
        differs(Field::Uid, display_one(observed.uid.as_deref()), display_one(Some(uid)));
        change.uid = Some(uid.clone());
    }
    if *observed.url != **url {
        let (found, expected) = match hides_url {
            true => ("another address (not shown)".to_owned(), "the one in the Secret".to_owned()),
            false => self::url::display_urls(&observed.url, url),
        };
        differs(Field::Url, found, expected);
        change.url = Some(url.clone());
    }
    if !is_same(observed.event_types.as_deref(), Some(event_types)) {
        differs(
            Field::EventTypes,
            display_observed(observed.event_types.as_deref()),
            display_set(Some(event_types)),
        );
        change.event_types = Some(event_types.clone());
    }
    if let Some(expected) = description.as_ref().filter(|expected| ***expected != *observed.description) {
        differs(Field::Description, super::quoted(&observed.description), super::quoted(expected));
        change.description = Some(expected.clone());
    }
    if !is_same(observed.channels.as_deref(), channels.as_ref()) {
        differs(
            Field::Channels,
            display_observed(observed.channels.as_deref()),
            display_set(channels.as_ref()),
        );
        change.channels = Some(channels.clone());
    }
    if let Some(expected) = throttle_rate.filter(|expected| *expected != observed.throttle_rate) {
        let display = |rate: Option<u16>| rate.map_or_else(|| "none".into(), |rate| rate.to_string());
        differs(Field::ThrottleRate, display(observed.throttle_rate), display(expected));
        change.throttle_rate = Some(expected);
    }
    if observed.is_preparing() {
        // The operator disabled it while creating it: that is no difference, but the last step of the creation.
        change.disabled = Some(disabled.unwrap_or(false));
    } else if let Some(expected) = disabled.filter(|expected| *expected != observed.disabled) {
        differs(Field::Disabled, observed.disabled.to_string(), expected.to_string());
        change.disabled = Some(expected);
    }
    let merged = merge_metadata(desired, Some(observed));
    if !(merged.len() == observed.metadata.len()
        && observed.metadata.iter().all(|(key, value)| merged.get(&**key).is_some_and(|v| **v == **value)))
    {
        for key in metadata.keys().chain(forgotten_metadata) {
            if observed.metadata(key) != merged.get(key).map(String::as_str) {
                differs(
                    Field::Metadata,
                    format!("{key}={}", display_one(observed.metadata(key))),
                    format!("{key}={}", display_one(merged.get(key).map(String::as_str))),
                );
            }
        }
        change.metadata = Some(merged);
    }
    (change, differences)
}

/// How far an object may take over an endpoint that is not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdoptionRequest {
    /// The adoption policy for one that has no owner.
    pub adoption: Adoption,
    /// Whether the object names the endpoint by its id. With `Override` it is then taken whatever its mark. Not set for
    /// an endpoint that this object lost to another: the two would take it from each other forever.
    pub by_id: bool,
}

/// Returns the next step for an endpoint, from the desired state, the observed endpoint and its ownership.
///
/// # Flow
/// 1. Nothing is observed: [`EndpointStep::Create`], if the metadata is within Svix's bound.
/// 2. [`change`] compares field by field. An equal endpoint of the object's own is [`EndpointStep::InSync`].
/// 3. An endpoint of another object is refused, and so is one of another `ownerId`, unless the object names it by its id
///    with `adoption: Override`.
/// 4. An endpoint without an owner is adopted as far as `adoption` goes: `Never` refuses it, `Match` adopts an equal one,
///    `Override` changes it.
/// 5. An endpoint of the object's own that differs is [`EndpointStep::Change`].
///
/// # Guarantees
/// - It is a pure function. Carrying out its steps ends in `InSync`, whatever is observed first.
/// - A change has only managed fields that differ. Metadata entries of others are kept.
/// - With `adoption: Never`, the message of a refusal shows nothing of the observed endpoint.
///
/// # Assumptions
/// - `ownership` is that of the same `observed`.
/// - `observed` may be old. The caller reads the endpoint again before it adopts, changes or refuses it.
///
/// # Caveats
/// - Headers and the signing key are not compared, since Svix's lists do not show them. The caller compares them before it
///   adopts an endpoint that must be equal.
/// - An endpoint whose creation was interrupted is disabled; its change enables it, after the caller has written its
///   headers.
#[must_use]
pub fn plan(
    desired: &Desired,
    observed: Option<&Observed>,
    ownership: Ownership,
    request: AdoptionRequest,
) -> EndpointStep {
    let Some(observed) = observed else {
        return match check_metadata(&merge_metadata(desired, None)) {
            Ok(()) => EndpointStep::Create,
            Err(error) => EndpointStep::Refuse(error),
        };
    };
    let (change, mut differences) = change(desired, observed);
    // One that is adopted by its id and has no uid gets ours with the mark: nothing refers to it by another.
    if ownership != Ownership::Ours && request.by_id && observed.uid.is_none() {
        differences.retain(|difference| difference.field != Field::Uid);
    }
    let nothing = change == Change::default();
    let refuse = |what: &str| EndpointStep::Refuse(not_ours(desired, observed, what));
    match (ownership, request.adoption) {
        (Ownership::Ours, _) if nothing => EndpointStep::InSync,
        (Ownership::OtherObject, _) => EndpointStep::Refuse(ReconcileError::new(
            Reason::Conflict,
            format!(
                "endpoint {} in application {} belongs to WebhookEndpoint {}, which also declares it; delete one of the \
                 two, or name another",
                observed.id,
                desired.application,
                observed.mark().and_then(OwnerMark::parse).map(|mark| mark.object()).unwrap_or_default()
            ),
        )),
        (Ownership::OtherOwner, adoption) if !(adoption == Adoption::Override && request.by_id) => {
            refuse(&format!(
                "is marked as {}; delete it there, or give this one another spec.uid",
                super::quoted(observed.mark().unwrap_or_default())
            ))
        }
        // The message shows nothing of an endpoint to an object that may not adopt it.
        (Ownership::Nobody, Adoption::Never) => refuse(
            "was not made by this object, which may not adopt it (adoption: Never); delete it in Svix, or give this one \
             another spec.uid",
        ),
        (Ownership::Nobody, Adoption::Match) if !differences.is_empty() => {
            EndpointStep::Refuse(refuse_adoption(desired, observed, &differences))
        }
        (ownership, _) => {
            if let Some(Err(error)) = change.metadata.as_ref().map(check_metadata) {
                return EndpointStep::Refuse(error);
            }
            match ownership {
                Ownership::Ours => EndpointStep::Change(change, differences),
                Ownership::Nobody | Ownership::OtherObject | Ownership::OtherOwner => {
                    EndpointStep::Adopt(change, differences)
                }
            }
        }
    }
}

/// The error for an endpoint without an owner that differs, when only an equal one is adopted.
#[must_use]
pub fn refuse_adoption(desired: &Desired, observed: &Observed, differences: &[Difference]) -> ReconcileError {
    let what = format!(
        "was not made by this object, and differs: {}. Make the spec equal to adopt it, set adoption: Override, or delete \
         it in Svix",
        super::describe(differences)
    );
    not_ours(desired, observed, &what)
}

fn not_ours(desired: &Desired, observed: &Observed, what: &str) -> ReconcileError {
    let Desired { uid, application, .. } = desired;
    let message =
        format!("endpoint {uid} in application {application} exists in Svix as {} and {what}", observed.id);
    ReconcileError::new(Reason::NotOurs, message)
}

/// The action that a step would be, for an object that is only compared; `None`: none.
#[must_use]
pub fn what_if(step: &EndpointStep) -> Option<(Action, &[Difference])> {
    match step {
        EndpointStep::InSync => None,
        EndpointStep::Create => Some((Action::Create, &[])),
        EndpointStep::Adopt(_, differences) => Some((Action::Adopt, differences)),
        EndpointStep::Change(_, differences) => Some((Action::Change, differences)),
        EndpointStep::Refuse(_) => Some((Action::Refuse, &[])),
    }
}

fn is_same(observed: Option<&[Box<str>]>, desired: Option<&BTreeSet<String>>) -> bool {
    match (observed, desired) {
        (None, None) => true,
        (Some(observed), Some(desired)) => {
            observed.len() == desired.len() && observed.iter().zip(desired).all(|(a, b)| **a == **b)
        }
        _ => false,
    }
}

fn display_one(text: Option<&str>) -> String {
    text.map_or_else(|| "none".into(), super::quoted)
}

fn display_set(set: Option<&BTreeSet<String>>) -> String {
    set.map_or_else(|| "all".into(), |set| super::quoted(&set.iter().cloned().collect::<Vec<_>>().join(", ")))
}

fn display_observed(set: Option<&[Box<str>]>) -> String {
    set.map_or_else(|| "all".into(), |set| super::quoted(&set.join(", ")))
}

#[cfg(test)]
mod tests;
