//! Endpoints: from spec and what Svix holds to the next step.

mod desired;
mod observed;

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::api::{Action, Adoption, OWNER_METADATA_KEY, PREPARING_METADATA_KEY, Reason};

use super::{Difference, ReconcileError, channels};

pub use desired::{
    Desired, MAX_METADATA_BYTES, Owned, Resolved, check_metadata, desired, host_of, normal_url, resolve,
};
pub use observed::{Observed, Ownership, ownership};

/// The fields of an endpoint to write; `None`: leave as it is.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// The whole metadata: Svix knows no partial change of it.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Whether a change has what is sent, headers included, go to another host or port, or over another scheme.
#[must_use]
pub fn goes_to_another_host(change: &Change, observed: &Observed) -> bool {
    let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin());
    change.url.as_ref().is_some_and(|url| origin(url) != origin(&observed.url))
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing: Svix holds what is declared.
    InSync,
    /// It is not there: make it.
    Create,
    /// It is there and nobody's: write the mark, and what differs where that is allowed.
    Adopt(Change, Vec<Difference>),
    /// These fields differ: change them and no others.
    Change(Change, Vec<Difference>),
    /// It must not be touched.
    Refuse(ReconcileError),
}

/// What metadata has to become: what Svix holds, with our entries set and the forgotten ones removed.
#[must_use]
pub fn merge_metadata(desired: &Desired, held: Option<&Observed>) -> BTreeMap<String, String> {
    let mut metadata: BTreeMap<String, String> = held
        .iter()
        .flat_map(|held| held.metadata.iter())
        .filter(|(key, value)| {
            !desired.forgotten_metadata.contains(&**key)
                && &**key != PREPARING_METADATA_KEY
                // The text of a channel that is gone from the spec, while the channels are ours to say.
                && (desired.channels.is_none() || !channels::is_mapping(key, value))
        })
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    metadata.extend(desired.metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
    metadata.insert(OWNER_METADATA_KEY.to_owned(), desired.mark.clone());
    metadata
}

/// The change that makes Svix hold what is declared, and what differs, field by field. The owner mark is in
/// the change when it is missing, but it is no difference: it does not come from the spec.
#[must_use]
pub fn change(desired: &Desired, observed: &Observed) -> (Change, Vec<Difference>) {
    // No `..`: a new field must be thought of here.
    let Desired {
        application: _,
        uid,
        mark: _,
        url,
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
        differs("uid", say_one(observed.uid.as_deref()), say_one(Some(uid)));
        change.uid = Some(uid.clone());
    }
    if *observed.url != **url {
        let (found, expected) = desired::said_urls(&observed.url, url);
        differs("url", found, expected);
        change.url = Some(url.clone());
    }
    if !same(observed.event_types.as_deref(), Some(event_types)) {
        differs("eventTypes", say_held(observed.event_types.as_deref()), say(Some(event_types)));
        change.event_types = Some(event_types.clone());
    }
    if let Some(expected) = description.as_ref().filter(|expected| ***expected != *observed.description) {
        differs("description", super::quoted(&observed.description), super::quoted(expected));
        change.description = Some(expected.clone());
    }
    if let Some(expected) = channels.as_ref().filter(|set| !same(observed.channels.as_deref(), set.as_ref()))
    {
        differs("channels", say_held(observed.channels.as_deref()), say(expected.as_ref()));
        change.channels = Some(expected.clone());
    }
    if let Some(expected) = throttle_rate.filter(|expected| *expected != observed.throttle_rate) {
        let say = |rate: Option<u16>| rate.map_or_else(|| "none".into(), |rate| rate.to_string());
        differs("throttleRate", say(observed.throttle_rate), say(expected));
        change.throttle_rate = Some(expected);
    }
    if observed.is_preparing() {
        // Disabled by us: that is no difference, but the end of making it.
        change.disabled = Some(disabled.unwrap_or(false));
    } else if let Some(expected) = disabled.filter(|expected| *expected != observed.disabled) {
        differs("disabled", observed.disabled.to_string(), expected.to_string());
        change.disabled = Some(expected);
    }
    let merged = merge_metadata(desired, Some(observed));
    if !(merged.len() == observed.metadata.len()
        && observed.metadata.iter().all(|(key, value)| merged.get(&**key).is_some_and(|v| **v == **value)))
    {
        for key in metadata.keys().chain(forgotten_metadata) {
            if observed.metadata(key) != merged.get(key).map(String::as_str) {
                differs(
                    "metadata",
                    format!("{key}={}", say_one(observed.metadata(key))),
                    format!("{key}={}", say_one(merged.get(key).map(String::as_str))),
                );
            }
        }
        change.metadata = Some(merged);
    }
    (change, differences)
}

/// How far an object goes with an endpoint that is not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What happens to one that is nobody's.
    pub adoption: Adoption,
    /// Whether the object names the endpoint by its id, and so means that one. With `Override` it is then taken
    /// whosever it is; but never one that this object lost to somebody else, which is not said to be named here: they
    /// would take it from each other for ever.
    pub named: bool,
}

/// What has to be done, given what Svix holds and whose it is.
#[must_use]
pub fn plan(desired: &Desired, observed: Option<&Observed>, ownership: Ownership, claim: Claim) -> Step {
    let Some(observed) = observed else {
        return match check_metadata(&merge_metadata(desired, None)) {
            Ok(()) => Step::Create,
            Err(refusal) => Step::Refuse(refusal),
        };
    };
    let (change, mut differences) = change(desired, observed);
    // One that is taken by its id and has no uid is given ours with the mark: nobody knows it by another.
    if ownership != Ownership::Ours && claim.named && observed.uid.is_none() {
        differences.retain(|difference| difference.field != "uid");
    }
    let nothing = change == Change::default();
    let refuse = |what: &str| Step::Refuse(not_ours(desired, observed, what));
    match (ownership, claim.adoption) {
        (Ownership::Ours, _) if nothing => Step::InSync,
        (Ownership::Held, _) => Step::Refuse(ReconcileError::new(
            Reason::Conflict,
            format!(
                "endpoint {} in application {} is held by WebhookEndpoint {}, which declares it, too; delete one of the \
                 two, or name another",
                observed.id,
                desired.application,
                observed.mark().and_then(|mark| mark.split_once('/')).map_or("", |(_, object)| object)
            ),
        )),
        (Ownership::Other, adoption) if !(adoption == Adoption::Override && claim.named) => refuse(&format!(
            "is marked as {}; delete it there, or give this one another spec.uid",
            super::quoted(observed.mark().unwrap_or_default())
        )),
        // Who may not adopt is not told what is there.
        (Ownership::Nobody, Adoption::Never) => refuse(
            "was not made by this object, which may not adopt it (adoption: Never); delete it in Svix, or give this one \
             another spec.uid",
        ),
        (Ownership::Nobody, Adoption::Match) if !differences.is_empty() => {
            Step::Refuse(refuse_adoption(desired, observed, &differences))
        }
        (ownership, _) => {
            if let Some(Err(refusal)) = change.metadata.as_ref().map(check_metadata) {
                return Step::Refuse(refusal);
            }
            match ownership {
                Ownership::Ours => Step::Change(change, differences),
                Ownership::Nobody | Ownership::Held | Ownership::Other => Step::Adopt(change, differences),
            }
        }
    }
}

/// Why an endpoint that is nobody's is not adopted, when only an equal one would be.
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

/// What a step would do, for an object that is only compared; `None`: nothing.
#[must_use]
pub fn what_if(step: &Step) -> Option<(Action, &[Difference])> {
    match step {
        Step::InSync => None,
        Step::Create => Some((Action::Create, &[])),
        Step::Adopt(_, differences) => Some((Action::Adopt, differences)),
        Step::Change(_, differences) => Some((Action::Change, differences)),
        Step::Refuse(_) => Some((Action::Refuse, &[])),
    }
}

fn same(held: Option<&[Box<str>]>, wanted: Option<&BTreeSet<String>>) -> bool {
    match (held, wanted) {
        (None, None) => true,
        (Some(held), Some(wanted)) => {
            held.len() == wanted.len() && held.iter().zip(wanted).all(|(held, wanted)| **held == **wanted)
        }
        _ => false,
    }
}

fn say_one(text: Option<&str>) -> String {
    text.map_or_else(|| "none".into(), super::quoted)
}

fn say(set: Option<&BTreeSet<String>>) -> String {
    set.map_or_else(|| "all".into(), |set| super::quoted(&set.iter().cloned().collect::<Vec<_>>().join(", ")))
}

fn say_held(set: Option<&[Box<str>]>) -> String {
    set.map_or_else(|| "all".into(), |set| super::quoted(&set.join(", ")))
}

#[cfg(test)]
mod tests;
