//! Pages of lists, whose text is bounded: the items of a list are as large as tenants make them.
//!
//! A page begins with the most items that Svix allows. If its text exceeds [`MAX_PAGE_BODY`], it is not read to its end but
//! requested again with fewer items, down to a single one, which may take more. Later pages of such a list begin with
//! as many items as fitted, and with more again once they are small.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;

use crate::svix::errors::Error;

use super::{Body, Client, MAX_BODY, parse, wire};

/// Most items of a page: the most that Svix allows.
const MAX_ITEMS: usize = 250;
/// Most bytes of a page of more than one item. Five lists may be read at once.
const MAX_PAGE_BODY: usize = 4 * 1024 * 1024;

/// How many items the pages of a list have, by the operation that lists.
#[derive(Default)]
pub(super) struct PageSizes(Mutex<BTreeMap<&'static str, usize>>);

impl PageSizes {
    fn of(&self, operation: &'static str) -> usize {
        self.0.lock().get(operation).copied().unwrap_or(MAX_ITEMS)
    }

    fn set(&self, operation: &'static str, items: usize) {
        let mut sizes = self.0.lock();
        if items < MAX_ITEMS {
            sizes.insert(operation, items);
        } else {
            sizes.remove(operation);
        }
    }
}

/// Returns how many items are requested after a page of so many was too long. The next one is likely to fit: a quarter, as
/// each attempt reads the text of a whole page.
const fn fewer(items: usize) -> usize {
    let items = items / 4;
    if items == 0 { 1 } else { items }
}

/// Returns how many items the page after one of so many items and bytes has.
const fn next_size(items: usize, bytes: usize) -> usize {
    let is_small = bytes < MAX_PAGE_BODY / 4;
    match items * 2 {
        double if is_small && double < MAX_ITEMS => double,
        _ if is_small => MAX_ITEMS,
        _ => items,
    }
}

/// A page as it was read.
pub(super) struct ReadPage<T> {
    /// Its items.
    pub list: wire::List<T>,
    /// How many items were requested.
    pub requested: usize,
}

impl Client {
    /// Reads one page of a list. `request` is the request without the number of items.
    pub(super) async fn read_page<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<ReadPage<T>, Error> {
        let sizes = &self.inner.page_sizes;
        let mut requested = sizes.of(operation);
        loop {
            let most = if requested == 1 { MAX_BODY } else { MAX_PAGE_BODY };
            let limited = request().query(&[("limit", requested)]);
            let (status, body) = self.exchange(operation, limited, most).await?;
            match body {
                Body::Whole(body) => {
                    sizes.set(operation, next_size(requested, body.len()));
                    return Ok(ReadPage { list: parse(operation, status, &body)?, requested });
                }
                Body::Beginning(_) => {
                    requested = fewer(requested);
                    sizes.set(operation, requested);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shrinks_to_one_item_and_grows_again() {
        let mut sizes = vec![MAX_ITEMS];
        while sizes.last() != Some(&1) {
            sizes.push(fewer(sizes[sizes.len() - 1]));
        }
        assert_eq!(sizes, [250, 62, 15, 3, 1]);
        assert_eq!(fewer(1), 1);

        assert_eq!(next_size(1, MAX_PAGE_BODY), 1);
        assert_eq!(next_size(3, MAX_PAGE_BODY / 4), 3);
        assert_eq!(next_size(3, 1000), 6);
        assert_eq!(next_size(200, 1000), MAX_ITEMS);
        assert_eq!(next_size(MAX_ITEMS, 1000), MAX_ITEMS);
    }
}
