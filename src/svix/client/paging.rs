//! Pages of lists. A page is read into memory as a whole, and what is in it was written by many people, so its size is bounded:
//! a page that has too many bytes is requested again with fewer items.

use std::collections::HashMap;

use parking_lot::Mutex;
use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;

use crate::svix::errors::{Error, ErrorKind};

use super::{Client, MAX_BODY, Page, Received, parse, wire};

/// The most items of a page that Svix allows.
const MOST_ITEMS: usize = 250;
/// The most bytes of a page of more than one item: 250 items of 16 KiB.
const MAX_PAGE: usize = 4 * 1024 * 1024;
/// A page that is shorter than this is followed by one with more items.
const SHORT_PAGE: usize = MAX_PAGE / 4;

/// How many items are requested at once, by operation.
#[derive(Default)]
pub(super) struct PageSizes(Mutex<HashMap<&'static str, usize>>);

impl PageSizes {
    fn of(&self, operation: &'static str) -> usize {
        self.0.lock().get(operation).copied().unwrap_or(MOST_ITEMS)
    }

    /// Records that a page of so many items has so many bytes, at least.
    fn record(&self, operation: &'static str, items: usize, bytes: usize) {
        let next = next_size(items, bytes);
        if next != items {
            self.0.lock().insert(operation, next);
        }
    }
}

/// Returns how many items to request after a page of so many items had so many bytes, at least.
fn next_size(items: usize, bytes: usize) -> usize {
    match bytes {
        bytes if bytes > MAX_PAGE => (items / 4).max(1),
        bytes if bytes < SHORT_PAGE => (items * 2).min(MOST_ITEMS),
        _ => items,
    }
}

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

/// The error of a response that is longer than any that Svix gives.
pub(super) fn too_long(operation: &'static str, status: reqwest::StatusCode) -> Error {
    let message = format!("more than {MAX_BODY} bytes; is this address a Svix server?");
    Error { operation, kind: ErrorKind::Answer { status: status.as_u16(), message } }
}

/// Converts the items of a page.
pub(super) fn page<T, U>((list, _): (wire::List<T>, usize), convert: impl Fn(T) -> U) -> Page<U> {
    // `done` says that it was the last page; the iterator is set on that one, too.
    let next = if list.done { None } else { list.iterator };
    Page { items: list.data.into_iter().map(convert).collect(), next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_shorter_until_one_item_and_longer_again() {
        let too_long = std::iter::successors(Some(MOST_ITEMS), |items| {
            (*items > 1).then(|| next_size(*items, MAX_PAGE + 1))
        });
        let short = std::iter::successors(Some(1), |items| {
            (*items < MOST_ITEMS).then(|| next_size(*items, SHORT_PAGE - 1))
        });

        assert_eq!(too_long.collect::<Vec<_>>(), [250, 62, 15, 3, 1]);
        assert_eq!(short.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 64, 128, 250]);
        assert_eq!(next_size(3, MAX_PAGE), 3);
        assert_eq!(next_size(1, usize::MAX), 1);
    }
}
