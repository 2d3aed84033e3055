//! What an endpoint's object declares, with the values of its Secrets, in the form in which Svix keeps it.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::{
    api::{RESERVED_METADATA_PREFIX, Reason, SvixConnectionSpec, WebhookEndpoint, WebhookEndpointSpec},
    plan::{
        ReconcileError, channels, headers, ids,
        secrets::{Secrets, Sensitive, look_up},
        signing, storable,
    },
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
pub fn resolve(
    spec: &WebhookEndpointSpec,
    secrets: &Secrets,
    namespace: &str,
) -> Result<Resolved, ReconcileError> {
    let url = match (&spec.url, &spec.url_from) {
        (Some(url), None) => url.clone(),
        (None, Some(source)) => {
            let field = "/spec/urlFrom/secretKeyRef";
            let text = look_up(secrets, &source.secret_key_ref, field, namespace)?;
            let url = text.expose().trim().to_owned();
            normal_url(&url).map_err(|problem| {
                let reference = &source.secret_key_ref;
                let place = format!("key {:?} of Secret {namespace}/{}", reference.key, reference.name);
                ReconcileError::new(Reason::InvalidSecret, format!("{field}: {place}: {problem}"))
            })?;
            url
        }
        _ => {
            let message = "/spec: exactly one of url and urlFrom must be given";
            return Err(ReconcileError::new(Reason::InvalidSpec, message));
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
            ReconcileError::new(Reason::InvalidSecret, format!("{field}: {place}: {problem}"))
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
) -> Result<Desired, ReconcileError> {
    let spec = &object.spec;
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let invalid = |message: String| ReconcileError::new(Reason::InvalidSpec, message);

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
    check_storable(spec).map_err(invalid)?;
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

/// Refuses texts that Svix can never store. The text of a mapped channel is stored in metadata.
fn check_storable(spec: &WebhookEndpointSpec) -> Result<(), String> {
    let nul = |field: &str, pointer: &str| Err(format!("{field}{pointer}: {}", storable::NUL));
    if spec.description.as_deref().is_some_and(storable::has_nul) {
        return nul("/spec/description", "");
    }
    if let Some(pointer) = spec.metadata.as_ref().and_then(storable::find_nul_in_metadata) {
        return nul("/spec/metadata", &pointer);
    }
    let channels = spec.channels.as_deref().unwrap_or_default();
    match channels.iter().position(|channel| storable::has_nul(channel)) {
        Some(index) => nul("/spec/channels", &format!("/{index}")),
        None => Ok(()),
    }
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

/// Two URLs that differ, for messages: scheme, host and port of each. Where these are the same, it is said what
/// differs, and not how.
pub(super) fn said_urls(found: &str, expected: &str) -> (String, String) {
    let said = |text: &str| match Url::parse(text) {
        Ok(url) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}/…", url.scheme(), url.host_str().unwrap_or("?"))
        }
        Err(_) => "(not a URL)".to_owned(),
    };
    let (found, expected) = (said(found), said(expected));
    let what = if found == expected { " (the path, query or user differs, and is not shown)" } else { "" };
    (found, format!("{expected}{what}"))
}

/// Refuses metadata that Svix would refuse.
pub fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), ReconcileError> {
    let bytes = serde_json::to_string(metadata).map_or(0, |text| text.len());
    if bytes > MAX_METADATA_BYTES {
        return Err(ReconcileError::new(
            Reason::InvalidSpec,
            format!(
                "/spec/metadata: with the owner mark, the text of mapped channels and what Svix already holds it takes \
                 {bytes} bytes of JSON, at most {MAX_METADATA_BYTES} are allowed; shorten the metadata or the channels"
            ),
        ));
    }
    Ok(())
}
