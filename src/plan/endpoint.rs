//! Endpoints: from spec and what Svix holds to the next step.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::api::{
    Action, Adoption, OWNER_METADATA_KEY, PREPARING_METADATA_KEY, RESERVED_METADATA_PREFIX, Reason,
    SvixConnectionSpec, WebhookEndpoint, WebhookEndpointSpec,
};

use super::{
    Difference, Refusal, channels, headers, ids,
    secrets::{Secrets, Sensitive, look_up},
    signing,
};

/// Most bytes that an endpoint's metadata may take in Svix, as JSON.
pub const MAX_METADATA_BYTES: usize = 4096;

/// What an object declares. In the optional fields `None` means: not ours to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Uid of the application.
    pub application: String,
    /// Uid of the endpoint.
    pub uid: String,
    /// The owner mark.
    pub mark: String,
    /// The address, in the form in which Svix keeps it.
    pub url: String,
    /// The event types.
    pub event_types: BTreeSet<String>,
    /// The description.
    pub description: Option<String>,
    /// The channels as Svix sees them; `Some(None)`: none.
    pub channels: Option<Option<BTreeSet<String>>>,
    /// Messages per second; `Some(None)`: no limit.
    pub throttle_rate: Option<Option<u16>>,
    /// Whether disabled.
    pub disabled: Option<bool>,
    /// Metadata entries beside the mark: those that the spec names, and the text of mapped channels.
    pub metadata: BTreeMap<String, String>,
    /// Metadata keys that an earlier spec named and this one does not.
    pub forgotten_metadata: BTreeSet<String>,
    /// The optional fields that the spec names, for status.
    pub named: Vec<String>,
    /// The metadata keys that the spec names, for status.
    pub named_metadata: Vec<String>,
    /// The headers. Svix's lists do not show them, so they are no part of [`change`].
    pub headers: Option<BTreeMap<String, Sensitive>>,
    /// The signing key, where it comes from a Secret; likewise.
    pub signing_key: Option<Sensitive>,
}

impl Desired {
    /// Whether it is made disabled, and enabled once its headers are written: nothing is sent without them.
    #[must_use]
    pub fn needs_preparing(&self) -> bool {
        self.headers.as_ref().is_some_and(|headers| !headers.is_empty())
    }

    /// The same, with a field that the server ignores no longer ours to say: writing it again and again
    /// would change nothing.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        match field {
            "description" => self.description = None,
            "channels" => self.channels = None,
            "throttleRate" => self.throttle_rate = None,
            "disabled" => self.disabled = None,
            _ => {}
        }
        self
    }
}

/// What Svix holds, as the mirror keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Id, given by Svix.
    pub id: Box<str>,
    /// Uid, given by whoever made it.
    pub uid: Option<Box<str>>,
    /// The address.
    pub url: Box<str>,
    /// The description.
    pub description: Box<str>,
    /// The event types, sorted; `None`: all.
    pub event_types: Option<Box<[Box<str>]>>,
    /// The channels, sorted; `None`: all.
    pub channels: Option<Box<[Box<str>]>>,
    /// Messages per second.
    pub throttle_rate: Option<u16>,
    /// Whether disabled.
    pub disabled: bool,
    /// Metadata, sorted by key.
    pub metadata: Box<[(Box<str>, Box<str>)]>,
    /// When it last changed, in microseconds since 1970; 0 where the server does not say. It moves with writes that
    /// show nowhere else in a list: of headers and of the signing key.
    pub updated_at: i64,
}

impl Observed {
    /// A metadata value.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(found, _)| &**found == key).map(|(_, value)| &**value)
    }

    /// Whether events of a type on these channels are delivered to it. One without channels receives them all, one
    /// with channels only those that share one.
    #[must_use]
    pub fn receives(&self, event_type: &str, channels: Option<&BTreeSet<String>>) -> bool {
        !self.disabled
            && self.event_types.as_ref().is_none_or(|all| all.iter().any(|name| &**name == event_type))
            && self.channels.as_ref().is_none_or(|mine| {
                channels.is_some_and(|its| mine.iter().any(|channel| its.contains(&**channel)))
            })
    }

    /// Whether it is being made, and not enabled yet.
    #[must_use]
    pub fn is_preparing(&self) -> bool {
        self.metadata(PREPARING_METADATA_KEY).is_some()
    }

    /// The owner mark.
    #[must_use]
    pub fn mark(&self) -> Option<&str> {
        self.metadata(OWNER_METADATA_KEY)
    }
}

/// Whose an endpoint in Svix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Ours: it carries our mark, or status names its id, or its mark is of an object of our namespace that is gone.
    Ours,
    /// It carries no mark, or that of an object of another namespace that is gone.
    Nobody,
    /// It carries the mark of another object of this owner, which is there: that one keeps it.
    Held,
    /// It carries the mark of another owner.
    Other,
}

/// Whose an endpoint in Svix is: by its mark, and by the id that status holds where the mark was lost.
/// `of_other` says of another mark whose it is.
#[must_use]
pub fn ownership(
    observed: &Observed,
    mark: &str,
    held_id: Option<&str>,
    of_other: impl FnOnce(&str) -> Ownership,
) -> Ownership {
    match observed.mark() {
        Some(found) if found == mark => Ownership::Ours,
        None if held_id == Some(&*observed.id) => Ownership::Ours,
        None => Ownership::Nobody,
        Some(found) => of_other(found),
    }
}

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
    Refuse(Refusal),
}

/// What an earlier spec named, from status.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owned<'a> {
    /// Optional fields.
    pub fields: &'a [String],
    /// Metadata keys.
    pub metadata_keys: &'a [String],
    /// The uid of the endpoint that status says is held: one that was adopted by its id keeps its own.
    pub uid: Option<&'a str>,
}

/// The values of a spec, those in Secrets included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved {
    /// The address; `None`: in a Secret that is not known here.
    pub url: Option<String>,
    /// The headers.
    pub headers: Option<BTreeMap<String, Sensitive>>,
    /// The signing key.
    pub signing_key: Option<Sensitive>,
}

/// Looks up the values of a spec that are in Secrets.
pub fn resolve(spec: &WebhookEndpointSpec, secrets: &Secrets, namespace: &str) -> Result<Resolved, Refusal> {
    let url = match (&spec.url, &spec.url_from) {
        (Some(url), None) => url.clone(),
        (None, Some(source)) => {
            let field = "/spec/urlFrom/secretKeyRef";
            let text = look_up(secrets, &source.secret_key_ref, field, namespace)?;
            let url = text.expose().trim().to_owned();
            normal_url(&url).map_err(|problem| {
                let reference = &source.secret_key_ref;
                let place = format!("key {:?} of Secret {namespace}/{}", reference.key, reference.name);
                Refusal::new(Reason::InvalidSecret, format!("{field}: {place}: {problem}"))
            })?;
            url
        }
        _ => {
            let message = "/spec: exactly one of url and urlFrom must be given";
            return Err(Refusal::new(Reason::InvalidSpec, message));
        }
    };
    let headers = spec.headers.as_ref().map(|all| headers::resolve(all, secrets, namespace)).transpose()?;
    let from = spec.signing_secret.as_ref().and_then(|signing| signing.from_secret.as_ref());
    let key = from.map(|reference| {
        let field = "/spec/signingSecret/fromSecret";
        let key = look_up(secrets, reference, field, namespace)?;
        let key = Sensitive::new(key.expose().trim());
        signing::check_key(key.expose()).map_err(|problem| {
            let place = format!("key {:?} of Secret {namespace}/{}", reference.key, reference.name);
            Refusal::new(Reason::InvalidSecret, format!("{field}: {place}: {problem}"))
        })?;
        Ok(key)
    });
    Ok(Resolved { url: Some(url), headers, signing_key: key.transpose()? })
}

/// Builds what an object declares; `owned` is what an earlier spec named.
pub fn desired(
    object: &WebhookEndpoint,
    connection: &SvixConnectionSpec,
    owned: Owned<'_>,
    resolved: Resolved,
) -> Result<Desired, Refusal> {
    let spec = &object.spec;
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let invalid = |message: String| Refusal::new(Reason::InvalidSpec, message);

    let application = spec.application(connection).to_owned();
    for (field, uid) in [("/spec/application", Some(&application)), ("/spec/uid", spec.uid.as_ref())] {
        if let Some(uid) = uid.filter(|uid| !ids::is_uid(uid)) {
            return Err(invalid(format!(
                "{field}: found {uid:?}, expected letters, digits, `-`, `_` and `.`, not starting with app_, ep_ or msg_"
            )));
        }
    }
    // Nobody takes the uid that is another namespace's by default.
    let of_owner_prefix = ids::default_uid_prefix(&connection.owner_id);
    let of_owner = spec.uid.as_deref().and_then(|uid| uid.strip_prefix(&of_owner_prefix));
    if let Some(rest) = of_owner
        && !rest.starts_with(&format!("{namespace}."))
        && owned.uid != spec.uid.as_deref()
    {
        return Err(invalid(format!(
            "/spec/uid: uids that begin with {:?} are those that endpoints have by default; expected another, or one \
             that begins with {:?}",
            of_owner_prefix,
            format!("{of_owner_prefix}{namespace}.")
        )));
    }
    if let Some(signing) = &spec.signing_secret {
        signing::check(signing).map_err(invalid)?;
    }
    if let Some((index, bad)) = spec.event_types.iter().enumerate().find(|(_, name)| !ids::is_name(name)) {
        return Err(invalid(format!(
            "/spec/eventTypes/{index}: found {bad:?}, expected the name of an event type"
        )));
    }
    let throttle_rate = match spec.throttle_rate.map(u16::try_from) {
        None => None,
        Some(Ok(rate)) if rate > 0 => Some(rate),
        Some(_) => return Err(invalid("/spec/throttleRate: expected 1 to 65535 messages per second".into())),
    };
    let encoding = connection.channel_encoding();
    let mut metadata = spec.metadata.clone().unwrap_or_default();
    if let Some(key) = metadata.keys().find(|key| key.starts_with(RESERVED_METADATA_PREFIX)) {
        return Err(invalid(format!("/spec/metadata: key {key:?} is reserved; use another prefix")));
    }
    let named_metadata: Vec<_> = metadata.keys().cloned().collect();
    for (key, channel) in channels::metadata(spec.channels.as_deref().unwrap_or_default(), encoding) {
        metadata.entry(key).or_insert(channel);
    }
    let encoded: Option<BTreeSet<_>> = spec
        .channels
        .as_ref()
        .map(|channels| channels.iter().map(|channel| channels::encode(channel, encoding)).collect());

    let was_named = |field: &str| owned.fields.iter().any(|owned| owned == field);
    // A field that the spec stopped naming goes back to what Svix would have made of it.
    fn or_reset<T>(named: Option<T>, was_named: bool, default: T) -> Option<T> {
        named.or_else(|| was_named.then_some(default))
    }
    let named = [
        ("description", spec.description.is_some()),
        ("channels", spec.channels.is_some()),
        ("throttleRate", throttle_rate.is_some()),
        ("disabled", spec.disabled.is_some()),
        ("headers", spec.headers.is_some()),
    ];
    let uid = spec.uid.as_deref().or(owned.uid).map(str::to_owned);
    let url = resolved.url.as_deref().map(normal_url).transpose();
    Ok(Desired {
        application,
        uid: uid.unwrap_or_else(|| ids::default_uid(&connection.owner_id, namespace, name)),
        mark: ids::owner_mark(&connection.owner_id, namespace, name),
        url: url.map_err(|problem| invalid(format!("/spec/url: {problem}")))?.unwrap_or_default(),
        event_types: spec.event_types.iter().cloned().collect(),
        description: or_reset(spec.description.clone(), was_named("description"), String::new()),
        channels: or_reset(encoded.map(Some), was_named("channels"), None),
        throttle_rate: or_reset(throttle_rate.map(Some), was_named("throttleRate"), None),
        disabled: or_reset(spec.disabled, was_named("disabled"), false),
        forgotten_metadata: owned
            .metadata_keys
            .iter()
            .filter(|key| !metadata.contains_key(*key))
            .cloned()
            .collect(),
        metadata,
        headers: or_reset(resolved.headers, was_named("headers"), BTreeMap::new()),
        signing_key: resolved.signing_key,
        named: named.iter().filter(|(_, named)| *named).map(|(field, _)| (*field).to_owned()).collect(),
        named_metadata,
    })
}

/// A URL in the form in which Svix keeps it (`https://a.example` becomes `https://a.example/`): Svix parses
/// it by the same WHATWG rules. The message never repeats the URL, which may be a credential.
pub fn normal_url(text: &str) -> Result<String, String> {
    let expected = "expected an absolute http or https URL";
    let url = Url::parse(text).map_err(|error| format!("not a URL ({error}); {expected}"))?;
    match (url.scheme(), url.host_str()) {
        ("http" | "https", Some(host)) if !host.is_empty() => Ok(url.into()),
        ("http" | "https", _) => Err(format!("the URL has no host; {expected}")),
        (scheme, _) => Err(format!("found scheme {scheme:?}; {expected}")),
    }
}

/// What may be said of a URL in messages, logs and metrics: its scheme and host. The rest can be a credential.
#[must_use]
pub fn host_of(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => format!("{}://{}/…", url.scheme(), url.host_str().unwrap_or("?")),
        Err(_) => "(not a URL)".to_owned(),
    }
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

/// Refuses metadata that Svix would refuse.
pub fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let bytes = serde_json::to_string(metadata).map_or(0, |text| text.len());
    if bytes > MAX_METADATA_BYTES {
        return Err(Refusal::new(
            Reason::InvalidSpec,
            format!(
                "/spec/metadata: with the owner mark, the text of mapped channels and what Svix already holds it takes \
                 {bytes} bytes of JSON, at most {MAX_METADATA_BYTES} are allowed; shorten the metadata or the channels"
            ),
        ));
    }
    Ok(())
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
        differs("url", host_of(&observed.url), host_of(url));
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
        (Ownership::Held, _) => Step::Refuse(Refusal::new(
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
pub fn refuse_adoption(desired: &Desired, observed: &Observed, differences: &[Difference]) -> Refusal {
    let what = format!(
        "was not made by this object, and differs: {}. Make the spec equal to adopt it, set adoption: Override, or delete \
         it in Svix",
        super::describe(differences)
    );
    not_ours(desired, observed, &what)
}

fn not_ours(desired: &Desired, observed: &Observed, what: &str) -> Refusal {
    let Desired { uid, application, .. } = desired;
    let message =
        format!("endpoint {uid} in application {application} exists in Svix as {} and {what}", observed.id);
    Refusal::new(Reason::NotOurs, message)
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
