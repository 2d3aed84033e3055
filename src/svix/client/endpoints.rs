//! Calls for endpoints, their headers, their signing keys and their statistics.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::{
    api::Statistics,
    plan::{endpoint, headers, secrets::Sensitive},
    svix::errors::Error,
};

use super::{Client, Page, none_if_not_found, ok_if_not_found, page, wire};

impl Client {
    /// Returns one page of the endpoints of an application; `None`: the application does not exist.
    pub async fn list_endpoints(
        &self,
        application: &str,
        from: Option<&str>,
    ) -> Result<Option<Page<endpoint::Observed>>, Error> {
        let mut request =
            self.request(Method::GET, &["app", application, "endpoint"]).query(&[("order", "ascending")]);
        if let Some(from) = from {
            request = request.query(&[("iterator", from)]);
        }
        let list = self.read_page::<wire::EndpointOut>("endpoint.list", &request).await;
        none_if_not_found(list.map(|list| page(list, Into::into)))
    }

    /// Returns one endpoint by its id or uid; `None`: it or its application does not exist.
    pub async fn get_endpoint(
        &self,
        application: &str,
        id: &str,
    ) -> Result<Option<endpoint::Observed>, Error> {
        let request = self.request(Method::GET, &["app", application, "endpoint", id]);
        none_if_not_found(self.read::<wire::EndpointOut>("endpoint.get", request).await.map(Into::into))
    }

    /// Creates an endpoint.
    pub async fn create_endpoint(&self, desired: &endpoint::Desired) -> Result<endpoint::Observed, Error> {
        let request = self
            .request(Method::POST, &["app", &desired.application, "endpoint"])
            .json(&wire::endpoint_in(desired));
        Ok(self.read::<wire::EndpointOut>("endpoint.create", request).await?.into())
    }

    /// Changes these fields of an endpoint.
    pub async fn patch_endpoint(
        &self,
        application: &str,
        id: &str,
        change: &endpoint::Change,
    ) -> Result<endpoint::Observed, Error> {
        let request = self
            .request(Method::PATCH, &["app", application, "endpoint", id])
            .json(&wire::endpoint_patch(change));
        Ok(self.read::<wire::EndpointOut>("endpoint.patch", request).await?.into())
    }

    /// Deletes an endpoint. Succeeds if it does not exist.
    pub async fn delete_endpoint(&self, application: &str, id: &str) -> Result<(), Error> {
        ok_if_not_found(
            self.send("endpoint.delete", self.request(Method::DELETE, &["app", application, "endpoint", id]))
                .await,
        )
    }

    /// Returns the headers of an endpoint; `None`: it or its application does not exist.
    pub async fn get_headers(&self, application: &str, id: &str) -> Result<Option<headers::Observed>, Error> {
        let request = self.request(Method::GET, &["app", application, "endpoint", id, "headers"]);
        let out = self.read::<wire::HeadersOut>("endpoint.get-headers", request).await;
        none_if_not_found(out.map(Into::into))
    }

    /// Replaces all headers of an endpoint.
    pub async fn put_headers(
        &self,
        application: &str,
        id: &str,
        headers: &std::collections::BTreeMap<String, Sensitive>,
    ) -> Result<(), Error> {
        let headers: serde_json::Map<_, _> =
            headers.iter().map(|(name, value)| (name.clone(), value.expose().into())).collect();
        let request = self
            .request(Method::PUT, &["app", application, "endpoint", id, "headers"])
            .json(&json!({ "headers": headers }));
        self.send("endpoint.update-headers", request).await.map(drop)
    }

    /// Returns the signing key of an endpoint; `None`: it or its application does not exist.
    pub async fn get_signing_key(&self, application: &str, id: &str) -> Result<Option<Sensitive>, Error> {
        let request = self.request(Method::GET, &["app", application, "endpoint", id, "secret"]);
        let out = self.read::<wire::SecretOut>("endpoint.get-secret", request).await;
        none_if_not_found(out.map(|out| Sensitive::new(out.key)))
    }

    /// Replaces the signing key of an endpoint. The previous one stays valid for the grace period.
    pub async fn rotate_signing_key(
        &self,
        application: &str,
        id: &str,
        key: &Sensitive,
        grace: Duration,
    ) -> Result<(), Error> {
        let body = json!({"key": key.expose(), "gracePeriodSeconds": grace.as_secs()});
        self.rotate(application, id, &body).await
    }

    /// Replaces the signing key of an endpoint with one that Svix generates. The previous one stays valid for the grace
    /// period.
    ///
    /// # Errors
    /// The call fails.
    pub async fn generate_signing_key(
        &self,
        application: &str,
        id: &str,
        grace: Duration,
    ) -> Result<(), Error> {
        self.rotate(application, id, &json!({"gracePeriodSeconds": grace.as_secs()})).await
    }

    async fn rotate(&self, application: &str, id: &str, body: &serde_json::Value) -> Result<(), Error> {
        let path = ["app", application, "endpoint", id, "secret", "rotate"];
        self.send("endpoint.rotate-secret", self.request(Method::POST, &path).json(body)).await.map(drop)
    }

    /// Returns the statistics of the messages of an endpoint in the last four weeks; `None`: it does not exist.
    pub async fn statistics(&self, application: &str, id: &str) -> Result<Option<Statistics>, Error> {
        let request = self.request(Method::GET, &["app", application, "endpoint", id, "stats"]);
        none_if_not_found(self.read::<wire::StatsOut>("endpoint.get-stats", request).await.map(Into::into))
    }
}
