//! What is a credential, and the Secrets that credentials are exported as.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;

use crate::plan::secrets::Sensitive;

/// Key of the address in a Secret.
pub const URL_KEY: &str = "url";
/// Key of the signing key.
pub const SIGNING_KEY: &str = "signingKey";

/// Parts of names of query parameters that are credentials, in lower case.
const CREDENTIAL_WORDS: [&str; 9] =
    ["token", "key", "secret", "signature", "auth", "passw", "credential", "session", "jwt"];
/// Whole names of such parameters: as parts, these words have other meanings.
const CREDENTIAL_NAMES: [&str; 4] = ["code", "sig", "pwd", "pass"];

/// Whether an address contains a credential: a user or password, or a query parameter that is named like one or has no value.
#[must_use]
pub fn has_credential(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return true };
    let is_credential = |name: &str| {
        let name = name.to_ascii_lowercase();
        CREDENTIAL_WORDS.iter().any(|word| name.contains(word)) || CREDENTIAL_NAMES.contains(&name.as_str())
    };
    !url.username().is_empty()
        || url.password().is_some()
        || url.query_pairs().any(|(name, value)| value.is_empty() || is_credential(&name))
}

/// The name of the Secret of an endpoint.
#[must_use]
pub fn secret_name(endpoint: &str) -> String {
    format!("{endpoint}-svix")
}

/// The key of a header in the Secret; the index makes it unique.
#[must_use]
pub fn header_key(index: usize, name: &str) -> String {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match name.bytes().all(is_valid) && name.len() <= 200 {
        true => format!("header.{index}.{name}"),
        false => format!("header.{index}"),
    }
}

/// Returns the manifest of a Secret.
#[must_use]
pub fn secret(name: &str, namespace: Option<&str>, values: &BTreeMap<String, Sensitive>) -> Value {
    let values: BTreeMap<_, _> = values.iter().map(|(key, value)| (key, value.expose())).collect();
    let mut secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "stringData": values,
    });
    if let Some(namespace) = namespace {
        secret["metadata"]["namespace"] = namespace.into();
    }
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_credentials_are_recognised() {
        for url in [
            "https://user:pw@a.example/",
            "https://user@a.example/",
            "https://a.example/?access_token=x",
            "https://a.example/x?a=b&apiKey=x",
            "https://a.example/x?X-Amz-Signature=x",
            "https://a.example/api/f?code=x",
            // A bare word in the query.
            "https://a.example/?3f2b8c",
            "no URL",
        ] {
            assert!(has_credential(url), "{url}");
        }
        for url in ["https://a.example/", "https://a.example/x?tenant=1&country_code=2&design=3"] {
            assert!(!has_credential(url), "{url}");
        }
    }

    #[test]
    fn keys_of_headers_are_valid_in_a_secret() {
        assert_eq!(header_key(0, "Authorization"), "header.0.Authorization");
        assert_eq!(header_key(1, "x~y"), "header.1");
    }
}
