//! Calls about endpoints: what lists show of them, their headers, their signing keys, their statistics.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::{
    api::Statistics,
    plan::{endpoint, headers, secrets::Sensitive},
    svix::errors::Error,
};

use super::{Client, PAGE, Page, found, gone, page, wire};

impl Client {
    /// One page of an application's endpoints; `None`: the application is not there.
    pub async fn list_endpoints(
        &self,
        application: &str,
        from: Option<&str>,
    ) -> Result<Option<Page<endpoint::Observed>>, Error> {
        let mut request = self
            .request(Method::GET, &["app", application, "endpoint"])
            .query(&[("limit", PAGE), ("order", "ascending")]);
        if let Some(from) = from {
            request = request.query(&[("iterator", from)]);
        }
        let list = self.read::<wire::List<wire::EndpointOut>>("endpoint.list", request).await;
        found(list.map(|list| page(list, Into::into)))
    }

    /// One endpoint by id or uid; `None`: it or its application is not there.
    pub async fn get_endpoint(
        &self,
        application: &str,
        id: &str,
    ) -> Result<Option<endpoint::Observed>, Error> {
        let request = self.request(Method::GET, &["app", application, "endpoint", id]);
        found(self.read::<wire::EndpointOut>("endpoint.get", request).await.map(Into::into))
    }

    /// Makes an endpoint.
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

    /// Deletes an endpoint. Gone already is success.
    pub async fn delete_endpoint(&self, application: &str, id: &str) -> Result<(), Error> {
        gone(
            self.send("endpoint.delete", self.request(Method::DELETE, &["app", application, "endpoint", id]))
                .await,
        )
    }

    /// The headers of an endpoint; `None`: it or its application is not there.
    pub async fn get_headers(&self, application: &str, id: &str) -> Result<Option<headers::Observed>, Error> {
        let request = self.request(Method::GET, &["app", application, "endpoint", id, "headers"]);
        let out = self.read::<wire::HeadersOut>("endpoint.get-headers", request).await;
        found(out.map(Into::into))
    }

    /// Replaces the headers of an endpoint as a whole.
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

    /// The signing key of an endpoint; `None`: it or its application is not there.
    pub async fn get_signing_key(&self, application: &str, id: &str) -> Result<Option<Sensitive>, Error> {
        let request = self.request(Method::GET, &["app", application, "endpoint", id, "secret"]);
        let out = self.read::<wire::SecretOut>("endpoint.get-secret", request).await;
        found(out.map(|out| Sensitive::new(out.key)))
    }

    /// Replaces the signing key of an endpoint; the one before stays valid for the grace.
    pub async fn rotate_signing_key(
        &self,
        application: &str,
        id: &str,
        key: &Sensitive,
        grace: Duration,
    ) -> Result<(), Error> {
        let request = self
            .request(Method::POST, &["app", application, "endpoint", id, "secret", "rotate"])
            .json(&json!({"key": key.expose(), "gracePeriodSeconds": grace.as_secs()}));
        self.send("endpoint.rotate-secret", request).await.map(drop)
    }

    /// What became of the messages of an endpoint in the last four weeks; `None`: it is not there.
    pub async fn statistics(&self, application: &str, id: &str) -> Result<Option<Statistics>, Error> {
        let request = self.request(Method::GET, &["app", application, "endpoint", id, "stats"]);
        found(self.read::<wire::StatsOut>("endpoint.get-stats", request).await.map(Into::into))
    }
}
