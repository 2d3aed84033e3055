//! Pages of a list: `limit`, `iterator`, `order` in; `data`, `iterator`, `prevIterator`, `done` out.
//!
//! Every list is a `BTreeMap` by the column it is ordered by, so a page costs what is on it (and what a filter
//! passes over).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::embedded::api::errors::{ApiError, ApiResult};
use crate::embedded::api::validation::{Check, Problems};
use crate::embedded::store::ids;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 250;
const LONGEST_WINDOW: Duration = Duration::from_secs(90 * 24 * 60 * 60);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// The parameters of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Paging {
    #[serde(default = "default_limit")]
    limit: usize,
    iterator: Option<String>,
    pub(super) order: Option<Order>,
}

fn default_limit() -> usize {
    DEFAULT_LIMIT
}

impl Check for Paging {
    fn check(&self, problems: &mut Problems) {
        if self.limit > MAX_LIMIT {
            problems.add(&["limit", "limit"], "Given limit must not exceed 250");
        }
    }
}

/// The response to a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    data: Vec<T>,
    iterator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev_iterator: Option<String>,
    done: bool,
}

impl<T> Page<T> {
    /// Returns the page of a list whose query asks the database for no more than a page: it always says that it is
    /// the last one.
    pub(super) fn without_next(mut self) -> Self {
        self.done = true;
        self
    }
}

impl Paging {
    /// Refuses an iterator that is not of this kind of id, as the server does.
    pub(super) fn check_ids(&self, prefix: &str) -> ApiResult<()> {
        match &self.iterator {
            Some(it) if !it.strip_prefix('-').unwrap_or(it).starts_with(prefix) => {
                let loc = ["query", "iterator", "__all__"];
                Err(ApiError::invalid(&loc, "Invalid id. Expected different prefix"))
            }
            _ => Ok(()),
        }
    }

    /// Returns the page of `entries` that these parameters ask for, without the entries for which `show` returns
    /// `None`.
    pub(super) fn page<V, T>(
        &self,
        entries: &BTreeMap<String, V>,
        order: Order,
        show: impl Fn(&V) -> Option<T>,
    ) -> Page<T> {
        self.page_between(entries, order, &Window::default(), show)
    }

    /// Returns the page of a list by time, newest first. `after` without an iterator returns the oldest entries after
    /// it, as does an iterator backwards.
    pub(super) fn page_of_times<V, T>(
        &self,
        entries: &BTreeMap<String, V>,
        times: &Times,
        prefix: &str,
        show: impl Fn(&V) -> Option<T>,
    ) -> Page<T> {
        // A list by time covers 90 days: those that end at `before`, else those that begin at `after`.
        let Times { mut before, mut after } = *times;
        match (before, after) {
            (Some(end), _) => after = after.max(end.checked_sub(LONGEST_WINDOW).ok()),
            (None, Some(start)) => before = start.checked_add(LONGEST_WINDOW).ok(),
            (None, None) => {}
        }
        let window = Window {
            after: after.map(|at| ids::first_of(prefix, at)),
            before: before.map(|at| ids::first_of(prefix, at)),
            oldest_first: self.iterator.is_none() && times.before.is_none() && times.after.is_some(),
        };
        self.page_between(entries, Order::Descending, &window, show)
    }

    fn page_between<V, T>(
        &self,
        entries: &BTreeMap<String, V>,
        order: Order,
        window: &Window,
        show: impl Fn(&V) -> Option<T>,
    ) -> Page<T> {
        let (cursor, backwards) = match &self.iterator {
            Some(it) => match it.strip_prefix('-') {
                Some(it) => (Some(it), true),
                None => (Some(it.as_str()), false),
            },
            None => (None, window.oldest_first),
        };
        let ascending = (order == Order::Ascending) != backwards;
        let (mut low, mut high) = (window.after.as_deref(), window.before.as_deref());
        match cursor {
            Some(cursor) if ascending => low = low.max(Some(cursor)),
            Some(cursor) => high = Some(high.map_or(cursor, |high| high.min(cursor))),
            None => {}
        }
        let mut rows: Vec<(&String, T)> = Vec::with_capacity(self.limit.saturating_add(1).min(MAX_LIMIT + 1));
        // A range whose ends cross would panic; it is empty.
        if !matches!((low, high), (Some(low), Some(high)) if low >= high) {
            let bound =
                |end: Option<&str>| end.map_or(Bound::Unbounded, |end| Bound::Excluded(end.to_owned()));
            let range = entries.range((bound(low), bound(high)));
            let wanted = |(id, value)| show(value).map(|shown| (id, shown));
            if ascending {
                rows.extend(range.filter_map(wanted).take(self.limit + 1));
            } else {
                rows.extend(range.rev().filter_map(wanted).take(self.limit + 1));
            }
        }
        let done = rows.len() <= self.limit;
        rows.truncate(self.limit);
        if backwards {
            rows.reverse();
        }
        Page {
            prev_iterator: rows.first().map(|(id, _)| format!("-{id}")),
            iterator: rows.last().map(|(id, _)| (*id).clone()),
            data: rows.into_iter().map(|(_, shown)| shown).collect(),
            done,
        }
    }
}

#[derive(Default)]
struct Window {
    after: Option<String>,
    before: Option<String>,
    oldest_first: bool,
}

/// The bounds in time of a list of messages or attempts.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Times {
    pub(super) before: Option<Timestamp>,
    pub(super) after: Option<Timestamp>,
}
