//! Warnings about endpoints that a Svix server never delivers to. The embedded Svix of `dev` delivers to each address, so
//! they are for servers outside.

use crate::{
    api::{Address, JsonPointer, SecretKeyRef, WebhookEndpoint},
    plan::{
        endpoint::{Unreachable, unreachable},
        single_line,
    },
};

use super::{
    loaded::Loaded,
    problem::{Located, ObjectId, Position, Problem},
};

/// Returns a warning for each endpoint whose address, in its manifest or in a Secret of the folder, is never reached.
#[must_use]
pub fn unreachable_endpoints(loaded: &Loaded) -> Vec<Problem> {
    let problem = |Located { object, origin }: &Located<WebhookEndpoint>| {
        let (pointer, why) = of_endpoint(object, loaded)?;
        let id = ObjectId {
            kind: "WebhookEndpoint".to_owned(),
            namespace: object.metadata.namespace.clone(),
            name: object.metadata.name.clone().unwrap_or_default(),
        };
        Some(Problem {
            position: Position { file: origin.file.to_string(), line: Some(origin.line), column: None },
            object: Some(id),
            pointer,
            message: why.to_string(),
        })
    };
    loaded.endpoints.iter().filter_map(problem).collect()
}

fn of_endpoint(endpoint: &WebhookEndpoint, loaded: &Loaded) -> Option<(JsonPointer, Unreachable)> {
    match endpoint.spec.address().ok()? {
        Address::Url(url) => Some(("/spec/url".into(), unreachable(url)?)),
        Address::Secret(SecretKeyRef { name, key }) => {
            let secret = loaded.secrets.iter().map(|located| &located.object).find(|secret| {
                secret.metadata.namespace == endpoint.metadata.namespace
                    && secret.metadata.name.as_ref() == Some(name)
            })?;
            let url = single_line::trimmed(&secret.data.as_ref()?.get(key)?.0).ok()?;
            Some(("/spec/urlFrom/secretKeyRef".into(), unreachable(url)?))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::manifests::load;

    #[test]
    fn addresses_in_manifests_and_in_secrets_are_checked() {
        let endpoint = |name: &str, url: &str| {
            format!(
                "---\napiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEndpoint\nmetadata: {{name: {name}}}\n\
                 spec: {{eventTypes: [a.b], {url}}}\n"
            )
        };
        let from = |key: &str| format!("urlFrom: {{secretKeyRef: {{name: urls, key: {key}}}}}");
        let dir = tempfile::tempdir().unwrap();
        let text = [
            endpoint("public", "url: 'https://hooks.example.org/'"),
            endpoint("loopback", "url: 'http://127.0.0.1:8080/'"),
            endpoint("secret", &from("internal")),
            endpoint("other", &from("public")),
            endpoint("missing", &from("none")),
            "---\napiVersion: v1\nkind: Secret\nmetadata: {name: urls}\n\
             stringData: {internal: \"http://receiver.team.svc/hunter2\\n\", public: 'https://a.example/'}\n"
                .to_owned(),
        ];
        std::fs::write(dir.path().join("a.yaml"), text.concat()).unwrap();

        let found = unreachable_endpoints(&load(dir.path()));

        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 2, "{shown:?}");
        assert!(shown[0].contains("loopback: /spec/url: Svix does not deliver to 127.0.0.1"), "{shown:?}");
        assert!(
            shown[1].contains("secret: /spec/urlFrom/secretKeyRef: \"receiver.team.svc\" is"),
            "{shown:?}"
        );
        assert!(!shown.concat().contains("hunter2"), "{shown:?}");
    }
}
