//! Reads an object that a spec refers to by its name.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::plan::object_name::is_subdomain;

/// Returns an object by its name; `None`: it does not exist. The client writes names into the path of the request as they
/// are, so a text that is no name is not sent: it would be another request. No object has such a name.
///
/// # Errors
/// The call fails.
pub async fn get_opt<K>(client: &Client, namespace: &str, name: &str) -> Result<Option<K>, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    if !is_subdomain(namespace) || !is_subdomain(name) {
        return Ok(None);
    }
    Api::<K>::namespaced(client.clone(), namespace).get_opt(name).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use k8s_openapi::api::core::v1::Secret;
    use serde_json::json;

    use super::*;
    use crate::controller::scripted::Script;

    #[tokio::test]
    async fn a_text_that_is_no_name_is_not_requested() {
        let server = Script::answered_by(|_, _| (200, json!({"metadata": {"name": "found"}})));

        for (namespace, name) in [
            ("ns", "?watch=1"),
            ("ns", "a?watch=1"),
            ("ns", "a/../../other/secrets/b"),
            ("ns", "a/"),
            ("ns", ""),
            ("ns/secrets?watch=1&", "a"),
            ("", "a"),
        ] {
            let found = get_opt::<Secret>(&server.client(), namespace, name).await.unwrap();
            assert!(found.is_none(), "{namespace} {name}");
        }
        assert_eq!(server.requests(), [""; 0]);

        assert!(get_opt::<Secret>(&server.client(), "ns", "a.b").await.unwrap().is_some());
        assert_eq!(server.requests(), ["GET /api/v1/namespaces/ns/secrets/a.b "]);
    }
}
