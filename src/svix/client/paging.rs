//! Pages of lists. A page is read into memory as a whole, and what is in it was written by many people, so its size is bounded:
//! a page that has too many bytes is requested again with fewer items.

use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;

use crate::svix::errors::{Error, ErrorKind};

use super::{Client, MAX_BODY, Received, page_sizes::MAX_PAGE, parse, too_long, wire};

impl Client {
    /// Reads one page of a list, and returns the most items that it could have. The request has no `limit`.
    pub(super) async fn read_page<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: &RequestBuilder,
    ) -> Result<(wire::List<T>, usize), Error> {
        loop {
            let items = self.inner.page_sizes.of(operation);
            // A request without a body can always be copied.
            let Some(request) = request.try_clone() else {
                let kind = ErrorKind::Transport("the request cannot be repeated".to_owned());
                return Err(Error { operation, kind });
            };
            let most = if items == 1 { MAX_BODY } else { MAX_PAGE };
            match self.send_within(operation, request.query(&[("limit", items)]), most).await? {
                Received::Whole(status, body) => {
                    self.inner.page_sizes.record(operation, items, body.len());
                    return Ok((parse(operation, status, &body)?, items));
                }
                Received::TooLong(_) if items > 1 => {
                    self.inner.page_sizes.record(operation, items, usize::MAX);
                }
                Received::TooLong(status) => return Err(too_long(operation, status)),
            }
        }
    }
}
