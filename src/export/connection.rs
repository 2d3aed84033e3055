//! The SvixConnection of an environment.

use url::Url;

use crate::{
    api::{ChannelEncoding, EventTypeNames, SecretKeyRef, SvixConnection, SvixConnectionSpec},
    manifests::check::Checker,
};

use super::{exported::manifest, limitation::Limitation, options::Options};

/// Returns what the connection says that decides about manifests of endpoints.
#[must_use]
pub fn spec(server_url: &str, owner_id: &str, encoding: ChannelEncoding) -> SvixConnectionSpec {
    SvixConnectionSpec {
        server_url: Some(without_credentials(server_url)),
        token_secret_ref: SecretKeyRef { name: "svix-token".to_owned(), key: "token".to_owned() },
        owner_id: owner_id.to_owned(),
        channel_encoding: Some(encoding).filter(|encoding| *encoding != ChannelEncoding::default()),
        ..SvixConnectionSpec::default()
    }
}

/// Returns the manifest of the connection. `names`: which names its event types have.
pub fn export(
    spec: &SvixConnectionSpec,
    names: EventTypeNames,
    options: &Options,
    checker: &Checker,
) -> Result<serde_json::Value, Limitation> {
    let names = Some(names).filter(|names| *names != EventTypeNames::default());
    let spec = SvixConnectionSpec { event_type_names: names, ..spec.clone() };
    manifest(&SvixConnection::new(&options.connection, spec), checker)
}

/// The encoding as manifests name it.
#[must_use]
pub fn encoding_name(encoding: ChannelEncoding) -> &'static str {
    match encoding {
        ChannelEncoding::WhenNeeded => "WhenNeeded",
        ChannelEncoding::WhenNeededOnCloud => "WhenNeededOnCloud",
        ChannelEncoding::Always => "Always",
    }
}

/// An address without user and password, which belong in no manifest.
fn without_credentials(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else { return url.to_owned() };
    if parsed.username().is_empty() && parsed.password().is_none() {
        return url.to_owned();
    }
    // An http URL can have neither.
    let _ = parsed.set_username("").and_then(|()| parsed.set_password(None));
    parsed.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_has_no_credentials() {
        let url = |url: &str| spec(url, "o", ChannelEncoding::Always).server_url.unwrap_or_default();
        assert_eq!(url("http://u:pw@a.example/x"), "http://a.example/x");
        assert_eq!(url("http://127.0.0.1:8071"), "http://127.0.0.1:8071");
    }
}
