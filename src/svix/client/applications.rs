//! Calls for applications.

use reqwest::Method;
use serde_json::json;

use crate::svix::errors::Error;

use super::{Application, Client, Page, page, wire};

impl Client {
    /// Creates an application of this uid, unless it exists.
    pub async fn create_application(&self, uid: &str) -> Result<(), Error> {
        let request = self
            .request(Method::POST, &["app"])
            .query(&[("get_if_exists", "true")])
            .json(&json!({"uid": uid, "name": uid}));
        self.send("application.create", request).await.map(drop)
    }

    /// Returns one page of the applications.
    pub async fn list_applications(&self, from: Option<&str>) -> Result<Page<Application>, Error> {
        let mut request = self.request(Method::GET, &["app"]).query(&[("order", "ascending")]);
        if let Some(from) = from {
            request = request.query(&[("iterator", from)]);
        }
        let list = self.read_page::<wire::ApplicationOut>("application.list", &request).await?;
        Ok(page(list, Into::into))
    }
}
