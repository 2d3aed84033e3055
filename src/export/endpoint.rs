//! An endpoint in Svix as a WebhookEndpoint, and its credentials as a Secret.

use std::collections::BTreeMap;

use crate::{
    api::{
        ADOPT_ID_ANNOTATION, Header, OWNER_METADATA_KEY, RESERVED_METADATA_PREFIX, SecretKeyRef,
        SecretSource, SigningSecret, SvixConnectionSpec, WebhookEndpoint, WebhookEndpointSpec,
    },
    manifests::check::Checker,
    plan::{
        Field, describe,
        endpoint::{self, Observed, Owned, Resolved},
        headers, quoted,
        secrets::Sensitive,
        signing, single_line,
    },
};

use super::{
    channel_texts,
    credentials::{self, SIGNING_KEY, URL_KEY},
    event_type::MAX_DESCRIPTION,
    exported::{Exported, manifest},
    identity::{Identity, Uid},
    limitation::Limitation,
    options::Options,
    swh,
};

/// Most entries of metadata that a resource has.
const MAX_METADATA: usize = 50;
/// Most headers that a resource has.
const MAX_HEADERS: usize = 50;
/// Longest value in metadata, in characters.
const MAX_METADATA_VALUE: usize = 4096;

/// What Svix's lists do not show of an endpoint.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// Its headers.
    pub headers: headers::Observed,
    /// Its signing key, if it was read.
    pub signing_key: Option<Sensitive>,
}

/// What all endpoints of an export have in common.
pub struct Exporter<'a> {
    /// The options.
    pub options: &'a Options,
    /// The connection that is exported with them.
    pub connection: &'a SvixConnectionSpec,
    /// The checker of manifests.
    pub checker: &'a Checker,
}

/// An endpoint, and where its application is.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Uid of its application.
    pub application: &'a str,
    /// The event type that the application is of, if swh-webhooks made it.
    pub swh_event_type: Option<&'a str>,
    /// The endpoint.
    pub observed: &'a Observed,
    /// What lists do not show.
    pub details: &'a Details,
}

impl Exporter<'_> {
    /// Returns the manifests of an endpoint, or why there can be none.
    pub fn export(&self, found: &Found<'_>, identity: &Identity) -> Result<Exported, Limitation> {
        let observed = found.observed;
        let mut credentials = Credentials::new(self.options, identity);
        let mut limitations = Vec::new();
        let spec = self.spec(found, identity, &mut credentials, &mut limitations)?;
        let mut object = WebhookEndpoint::new(&identity.name, spec);
        object.metadata.namespace.clone_from(&identity.namespace);
        match &identity.uid {
            Uid::Declared(_) | Uid::Default => {}
            Uid::ById(uid) if self.options.portable => limitations.push(Limitation::NotPortable(uid.clone())),
            Uid::ById(uid) => {
                let id = (ADOPT_ID_ANNOTATION.to_owned(), observed.id.to_string());
                object.metadata.annotations = Some(BTreeMap::from([id]));
                limitations.push(Limitation::AdoptedById(uid.clone()));
            }
        }
        let manifest = manifest(&object, self.checker)?;
        self.check_adoption(&object, observed, identity)?;
        Ok(Exported { manifest, secret: credentials.manifest(identity), limitations })
    }

    /// Returns what a manifest says of an endpoint.
    fn spec(
        &self,
        found: &Found<'_>,
        identity: &Identity,
        credentials: &mut Credentials<'_>,
        limitations: &mut Vec<Limitation>,
    ) -> Result<WebhookEndpointSpec, Limitation> {
        let observed = found.observed;
        let event_types = observed.event_types.as_ref().ok_or(Limitation::AllEventTypes)?;
        let channels = self.channels(observed)?;
        let description = match observed.description.chars().count() {
            0 => None,
            1..=MAX_DESCRIPTION => Some(observed.description.to_string()),
            _ => {
                let problem = "it is longer than 16384 characters".to_owned();
                limitations.push(Limitation::Field { field: "description", problem });
                None
            }
        };
        let is_credential = self.options.secret_urls || credentials::has_credential(&observed.url);
        let (url, url_from) = match is_credential {
            false => (Some(observed.url.to_string()), None),
            true => {
                if !self.options.with_secrets {
                    limitations.push(Limitation::UrlInSecret(credentials.name.clone()));
                }
                (None, Some(credentials.add(URL_KEY.to_owned(), Sensitive::new(&*observed.url))))
            }
        };
        if observed.is_preparing() {
            limitations.push(Limitation::Preparing);
        }
        let metadata = self.metadata(observed, channels.as_deref().unwrap_or_default(), limitations);
        // No `..`: a new field must be thought of here.
        Ok(WebhookEndpointSpec {
            url,
            url_from: url_from.map(Box::new),
            event_types: event_types.iter().map(ToString::to_string).collect(),
            channels,
            application: Some(found.application.to_owned()),
            uid: match &identity.uid {
                Uid::Declared(uid) => Some(uid.clone()),
                Uid::Default | Uid::ById(_) => None,
            },
            description,
            throttle_rate: observed.throttle_rate.map(i32::from),
            metadata,
            headers: self.headers(found, credentials, limitations),
            signing_secret: self.signing_secret(found.details, credentials, limitations).map(Box::new),
            // One that is enabled stays so, and Svix may disable it when deliveries fail.
            disabled: (observed.disabled && !observed.is_preparing()).then_some(true),
            statistics: None,
            adoption: None,
            management_policy: None,
            suspend: None,
            deletion_policy: None,
            connection_ref: self.options.connection_ref(),
        })
    }

    fn channels(&self, observed: &Observed) -> Result<Option<Vec<String>>, Limitation> {
        let encoding = self.connection.channel_encoding();
        let text = |channel: &str| {
            let text = channel_texts::text(observed, channel, encoding).map(ToOwned::to_owned);
            text.ok_or_else(|| Limitation::Channel {
                channel: channel.to_owned(),
                encoding: super::connection::encoding_name(encoding),
            })
        };
        let channels = observed.channels.as_ref();
        channels.map(|channels| channels.iter().map(|channel| text(channel)).collect()).transpose()
    }

    /// Returns the metadata beside the marks of the operator and what channels bring with them.
    fn metadata(
        &self,
        observed: &Observed,
        channels: &[String],
        limitations: &mut Vec<Limitation>,
    ) -> Option<BTreeMap<String, String>> {
        let mut metadata =
            channel_texts::other_metadata(observed, channels, self.connection.channel_encoding());
        let ours = [OWNER_METADATA_KEY, crate::api::PREPARING_METADATA_KEY];
        metadata.retain(|key, _| !ours.contains(&key.as_str()));
        let mut left_out = Vec::new();
        metadata.retain(|key, value| {
            let is_kept =
                !key.starts_with(RESERVED_METADATA_PREFIX) && value.chars().count() <= MAX_METADATA_VALUE;
            if !is_kept {
                left_out.push(quoted(key));
            }
            is_kept
        });
        while metadata.len() > MAX_METADATA {
            left_out.extend(metadata.pop_last().map(|(key, _)| quoted(&key)));
        }
        if !left_out.is_empty() {
            limitations.push(Limitation::Metadata(left_out.join(", ")));
        }
        (!metadata.is_empty()).then_some(metadata)
    }

    /// Returns the headers, if the manifests may have all of them: a manifest has all headers or none.
    fn headers(
        &self,
        found: &Found<'_>,
        credentials: &mut Credentials<'_>,
        limitations: &mut Vec<Limitation>,
    ) -> Option<Vec<Header>> {
        let headers::Observed { shown, hidden } = &found.details.headers;
        if shown.is_empty() && hidden.is_empty() {
            return None;
        }
        if !hidden.is_empty() {
            let names: Vec<_> = hidden.iter().map(String::as_str).collect();
            limitations.push(Limitation::HiddenHeaders(names.join(", ")));
            return None;
        }
        let is_plain = |name: &str, value: &Sensitive| {
            let is_swh =
                name.eq_ignore_ascii_case(swh::HEADER) && found.swh_event_type == Some(value.expose());
            is_swh || self.options.plain_headers.contains(&name.to_ascii_lowercase())
        };
        let secret: Vec<_> = shown
            .iter()
            .filter(|(name, value)| !is_plain(name, value))
            .map(|(name, _)| name.as_str())
            .collect();
        if !secret.is_empty() && !self.options.with_secrets {
            limitations.push(Limitation::Headers(secret.join(", ")));
            return None;
        }
        let inline: Vec<_> = shown
            .iter()
            .map(|(name, value)| Header {
                name: name.clone(),
                value: Some(value.expose().to_owned()),
                value_from: None,
            })
            .collect();
        let problem = match headers::check(&inline).into_iter().next() {
            Some((field, error)) => Some(format!("{field}: {error}")),
            None if inline.len() > MAX_HEADERS => Some(format!("there are more than {MAX_HEADERS}")),
            // White space at the ends of a value in a Secret is no part of it.
            None => shown
                .iter()
                .filter(|(name, value)| !is_plain(name, value))
                .find(|(_, value)| single_line::trimmed(value.expose().as_bytes()) != Ok(value.expose()))
                .map(|(name, _)| format!("the value of {name} cannot be one in a Secret; --plain-header {name} writes it inline")),
        };
        if let Some(problem) = problem {
            limitations.push(Limitation::InvalidHeaders(problem));
            return None;
        }
        let all = inline.into_iter().zip(shown).enumerate().map(|(index, (header, (name, value)))| {
            if is_plain(name, value) {
                return header;
            }
            let source = credentials.add(credentials::header_key(index, name), value.clone());
            Header { value: None, value_from: Some(source), ..header }
        });
        Some(all.collect())
    }

    fn signing_secret(
        &self,
        details: &Details,
        credentials: &mut Credentials<'_>,
        limitations: &mut Vec<Limitation>,
    ) -> Option<SigningSecret> {
        let key = details.signing_key.as_ref().filter(|_| self.options.with_secrets)?;
        if let Err(error) = signing::check_key(key.expose()) {
            limitations.push(Limitation::SigningKey(error.to_string()));
            return None;
        }
        let source = credentials.add(SIGNING_KEY.to_owned(), key.clone());
        Some(SigningSecret {
            from_secret: Some(source.secret_key_ref),
            to_secret: None,
            rotate_after: None,
            grace_period: None,
        })
    }

    /// Checks with the plan that the operator adopts what the manifest declares, and writes its mark and nothing else.
    fn check_adoption(
        &self,
        object: &WebhookEndpoint,
        observed: &Observed,
        identity: &Identity,
    ) -> Result<(), Limitation> {
        let mut object = object.clone();
        object.metadata.namespace.get_or_insert_with(|| "default".to_owned());
        let url = Some(observed.url.to_string());
        let resolved = Resolved { url, headers: None, signing_key: None };
        let refused = |error: crate::plan::ReconcileError| Limitation::NotAdopted(error.to_string());
        let desired =
            endpoint::desired(&object, self.connection, Owned::default(), resolved).map_err(refused)?;
        let (change, mut differences) = endpoint::change(&desired, observed);
        if matches!(identity.uid, Uid::ById(_)) {
            differences.retain(|difference| difference.field != Field::Uid);
        }
        if !differences.is_empty() {
            return Err(Limitation::NotAdopted(describe(&differences)));
        }
        change.metadata.as_ref().map_or(Ok(()), endpoint::check_metadata).map_err(refused)
    }
}

/// The credentials of an endpoint, in a Secret.
struct Credentials<'a> {
    options: &'a Options,
    name: String,
    values: BTreeMap<String, Sensitive>,
}

impl<'a> Credentials<'a> {
    fn new(options: &'a Options, identity: &Identity) -> Self {
        Self { options, name: credentials::secret_name(&identity.name), values: BTreeMap::new() }
    }

    /// Adds a value, and returns the reference to it.
    fn add(&mut self, key: String, value: Sensitive) -> SecretSource {
        self.values.insert(key.clone(), value);
        SecretSource { secret_key_ref: SecretKeyRef { name: self.name.clone(), key } }
    }

    /// Returns the Secret, if one is asked for and needed.
    fn manifest(&self, identity: &Identity) -> Option<serde_json::Value> {
        let is_written = self.options.with_secrets && !self.values.is_empty();
        is_written.then(|| credentials::secret(&self.name, identity.namespace.as_deref(), &self.values))
    }
}

#[cfg(test)]
mod tests;
