//! The desired endpoint: the spec with the values of its Secrets, in the form in which Svix keeps it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    api::{Address, JsonPointer, Reason, SvixConnectionSpec, WebhookEndpoint, WebhookEndpointSpec},
    plan::{
        Field, OwnerMark, ReconcileError, channels, headers, ids,
        secrets::{self, Secrets, Sensitive},
        signing, storable,
    },
};

use super::url::normal_url;

/// Most bytes that an endpoint's metadata may take in Svix, as JSON.
pub const MAX_METADATA_BYTES: usize = 4096;

/// The endpoint that an object declares. An optional field that is `None` is not managed.
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
    /// Whether the address comes from a Secret. Then messages do not even show its host.
    pub hides_url: bool,
    /// The event types.
    pub event_types: BTreeSet<String>,
    /// The description.
    pub description: Option<String>,
    /// The channels as Svix sees them; `None`: no filter, so that it receives every event of its types.
    pub channels: Option<BTreeSet<String>>,
    /// Messages per second; `Some(None)`: no limit.
    pub throttle_rate: Option<Option<u16>>,
    /// Whether disabled.
    pub disabled: Option<bool>,
    /// Metadata entries beside the mark: those that the spec names, and the text of mapped channels.
    pub metadata: BTreeMap<String, String>,
    /// Metadata keys that an earlier spec named and this one does not.
    pub forgotten_metadata: BTreeSet<String>,
    /// The optional fields that the spec names, for status.
    pub named: Vec<Field>,
    /// The metadata keys that the spec names, for status.
    pub named_metadata: Vec<String>,
    /// The headers. Svix's lists do not show them, so the plan does not compare them.
    pub headers: Option<BTreeMap<String, Sensitive>>,
    /// The signing key, where it comes from a Secret; likewise.
    pub signing_key: Option<Sensitive>,
}

impl Desired {
    /// Whether it is created disabled, and enabled once its headers are written: nothing is sent without them.
    #[must_use]
    pub fn needs_preparing(&self) -> bool {
        self.headers.as_ref().is_some_and(|headers| !headers.is_empty())
    }

    /// Stops managing a field, because the server ignores it: writing it again would change nothing.
    #[must_use]
    pub fn without(mut self, field: Field) -> Self {
        match field {
            Field::Description => self.description = None,
            Field::Channels => self.channels = None,
            Field::ThrottleRate => self.throttle_rate = None,
            Field::Disabled => self.disabled = None,
            // An endpoint cannot be without these, or they are compared and written on their own.
            Field::Uid
            | Field::Url
            | Field::EventTypes
            | Field::Metadata
            | Field::Headers
            | Field::SigningSecret
            // Fields of event types.
            | Field::Schema
            | Field::Deprecated
            | Field::GroupName
            | Field::FeatureFlag
            | Field::FeatureFlags => {}
        }
        self
    }
}

/// The fields that an earlier spec named, from status.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owned<'a> {
    /// Optional fields.
    pub fields: &'a [Cow<'static, str>],
    /// Metadata keys.
    pub metadata_keys: &'a [String],
    /// The uid of the endpoint that status records: one that was adopted by its id keeps its own.
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

/// Resolves the values of a spec, those in Secrets included.
pub fn resolve(
    spec: &WebhookEndpointSpec,
    secrets: &Secrets,
    namespace: &str,
) -> Result<Resolved, ReconcileError> {
    let url = match spec.address().map_err(|rule| rule.at(JsonPointer::SPEC))? {
        Address::Url(url) => url.to_owned(),
        Address::Secret(reference) => {
            let field = JsonPointer::from_static("/spec/urlFrom/secretKeyRef");
            let text = secrets::value(secrets, reference, &field, namespace)?;
            let url = text.expose().to_owned();
            normal_url(&url).map_err(|problem| secrets::invalid(reference, &field, namespace, &problem))?;
            url
        }
    };
    let headers = spec.headers.as_ref().map(|all| headers::resolve(all, secrets, namespace)).transpose()?;
    let from = spec.signing_secret.as_ref().and_then(|signing| signing.from_secret.as_ref());
    let key = from.map(|reference| {
        let field = JsonPointer::from_static("/spec/signingSecret/fromSecret");
        let key = secrets::value(secrets, reference, &field, namespace)?;
        signing::check_key(key.expose())
            .map_err(|problem| secrets::invalid(reference, &field, namespace, &problem))?;
        Ok::<_, ReconcileError>(key)
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
    // No `..`: a new field of the spec must be handled here.
    let WebhookEndpointSpec {
        url: _,
        url_from: _,
        event_types: _,
        channels: _,
        application: _,
        uid: _,
        description: _,
        throttle_rate: _,
        metadata: _,
        headers: _,
        signing_secret: _,
        disabled: _,
        // Not written to Svix.
        statistics: _,
        adoption: _,
        management_policy: _,
        suspend: _,
        deletion_policy: _,
        connection_ref: _,
    } = spec;
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let invalid = |field: JsonPointer, detail: &dyn fmt::Display| {
        ReconcileError::at(Reason::InvalidSpec, field, detail)
    };

    let application = spec.application(connection).to_owned();
    for (field, uid) in [("/spec/application", Some(&application)), ("/spec/uid", spec.uid.as_ref())] {
        if let Some(uid) = uid {
            ids::check_uid(uid).map_err(|error| invalid(field.into(), &error))?;
        }
    }
    if let Some(violation) = spec.validate().into_iter().next() {
        return Err(violation.into());
    }
    // No object takes the uid that is another namespace's by default.
    let of_owner_prefix = ids::default_uid_prefix(&connection.owner_id);
    let of_owner = spec.uid.as_deref().and_then(|uid| uid.strip_prefix(&of_owner_prefix));
    if let Some(rest) = of_owner
        && !rest.starts_with(&format!("{namespace}."))
        && owned.uid != spec.uid.as_deref()
    {
        let detail = format!(
            "uids that begin with {:?} are those that endpoints have by default; expected another, or one that begins \
             with {:?}",
            of_owner_prefix,
            format!("{of_owner_prefix}{namespace}.")
        );
        return Err(invalid("/spec/uid".into(), &detail));
    }
    if let Some(signing) = &spec.signing_secret {
        signing::check_rotation(signing)?;
    }
    if let Some((index, bad)) = spec.event_types.iter().enumerate().find(|(_, name)| !ids::is_name(name)) {
        let field = JsonPointer::from_static("/spec/eventTypes").index(index);
        return Err(invalid(field, &format_args!("found {bad:?}, expected the name of an event type")));
    }
    let throttle_rate = match spec.throttle_rate.map(u16::try_from) {
        None => None,
        Some(Ok(rate)) if rate > 0 => Some(rate),
        Some(_) => {
            return Err(invalid("/spec/throttleRate".into(), &"expected 1 to 65535 messages per second"));
        }
    };
    check_storable(spec)?;
    let encoding = connection.channel_encoding();
    let mut metadata = spec.metadata.clone().unwrap_or_default();
    let named_metadata: Vec<_> = metadata.keys().cloned().collect();
    for (key, channel) in channels::metadata(spec.channels.as_deref().unwrap_or_default(), encoding) {
        metadata.entry(key).or_insert(channel);
    }
    // Left out, they are declared to be none: a filter that somebody adds in Svix would lose events.
    let channels: Option<BTreeSet<_>> = spec
        .channels
        .as_ref()
        .map(|channels| channels.iter().map(|channel| channels::encode(channel, encoding)).collect());

    let was_named = |field: Field| owned.fields.iter().any(|owned| owned == field.as_str());
    // A field that the spec stopped naming goes back to Svix's default.
    fn or_reset<T>(named: Option<T>, was_named: bool, default: T) -> Option<T> {
        named.or_else(|| was_named.then_some(default))
    }
    let uid = spec.uid.as_deref().or(owned.uid).map(str::to_owned);
    let url = resolved.url.as_deref().map(normal_url).transpose();
    Ok(Desired {
        application,
        uid: uid.unwrap_or_else(|| ids::default_uid(&connection.owner_id, namespace, name)),
        mark: OwnerMark { owner: &connection.owner_id, namespace, name }.to_string(),
        url: url.map_err(|error| invalid("/spec/url".into(), &error))?.unwrap_or_default(),
        hides_url: spec.url_from.is_some(),
        event_types: spec.event_types.iter().cloned().collect(),
        description: or_reset(spec.description.clone(), was_named(Field::Description), String::new()),
        channels,
        throttle_rate: or_reset(throttle_rate.map(Some), was_named(Field::ThrottleRate), None),
        disabled: or_reset(spec.disabled, was_named(Field::Disabled), false),
        forgotten_metadata: owned
            .metadata_keys
            .iter()
            .filter(|key| !metadata.contains_key(*key))
            .cloned()
            .collect(),
        metadata,
        headers: or_reset(resolved.headers, was_named(Field::Headers), BTreeMap::new()),
        signing_key: resolved.signing_key,
        named: Field::ALL.iter().copied().filter(|field| is_named(spec, *field)).collect(),
        named_metadata,
    })
}

/// Refuses texts that Svix can never store. The text of a mapped channel is stored in metadata.
fn check_storable(spec: &WebhookEndpointSpec) -> Result<(), ReconcileError> {
    let nul = |field: JsonPointer| Err(ReconcileError::at(Reason::InvalidSpec, field, storable::NUL));
    if let Some(Err(error)) = spec.description.as_deref().map(storable::check_description) {
        return Err(ReconcileError::at(Reason::InvalidSpec, "/spec/description", error));
    }
    if let Some(pointer) = spec.metadata.as_ref().and_then(storable::find_nul_in_metadata) {
        return nul(JsonPointer::from_static("/spec/metadata").join(&pointer));
    }
    let channels = spec.channels.as_deref().unwrap_or_default();
    match channels.iter().position(|channel| storable::has_nul(channel)) {
        Some(index) => nul(JsonPointer::from_static("/spec/channels").index(index)),
        None => Ok(()),
    }
}

/// Whether a spec names a field that it may leave out. A field that it stops naming is set back to Svix's default.
fn is_named(spec: &WebhookEndpointSpec, field: Field) -> bool {
    match field {
        Field::Description => spec.description.is_some(),
        Field::Channels => spec.channels.is_some(),
        Field::ThrottleRate => spec.throttle_rate.is_some(),
        Field::Disabled => spec.disabled.is_some(),
        Field::Headers => spec.headers.is_some(),
        // Always managed; of the metadata, status records the keys.
        Field::Uid | Field::Url | Field::EventTypes | Field::Metadata => false,
        // A signing key stays as it is when the spec stops naming it.
        Field::SigningSecret => false,
        // Fields of event types.
        Field::Schema | Field::Deprecated | Field::GroupName | Field::FeatureFlag | Field::FeatureFlags => {
            false
        }
    }
}

/// Checks the size of metadata, which Svix bounds.
pub fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), ReconcileError> {
    let bytes = serde_json::to_string(metadata).map_or(0, |text| text.len());
    if bytes > MAX_METADATA_BYTES {
        return Err(ReconcileError::at(
            Reason::InvalidSpec,
            "/spec/metadata",
            format_args!(
                "with the owner mark, the text of mapped channels and the entries that Svix already has it takes \
                 {bytes} bytes of JSON, at most {MAX_METADATA_BYTES} are allowed; shorten the metadata or the channels"
            ),
        ));
    }
    Ok(())
}
