//! The record of requests, for tests that count them.

use std::collections::VecDeque;

use axum::http::Method;
use parking_lot::{Mutex, MutexGuard};

use crate::embedded::api::operations;

/// The oldest calls are dropped beyond this many.
const KEPT: usize = 100_000;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `GET`, `POST`, …
    pub method: Method,
    /// The path as requested, without the query.
    pub path: String,
    /// The stable short name: `event-type.create`, `endpoint.patch`, …; `unknown` for anything else.
    pub operation: &'static str,
    /// The status of the response; 0 when the connection was dropped instead.
    pub status: u16,
}

impl Call {
    /// Whether the request asked for a change (anything but GET, HEAD and OPTIONS), successful or not.
    #[must_use]
    pub fn is_write(&self) -> bool {
        operations::is_write(&self.method)
    }
}

/// Keeps calls, if recording is enabled.
pub(super) struct Recorder {
    enabled: bool,
    calls: Mutex<VecDeque<Call>>,
}

impl Recorder {
    pub(super) fn new(enabled: bool) -> Self {
        Self { enabled, calls: Mutex::default() }
    }

    fn calls(&self) -> MutexGuard<'_, VecDeque<Call>> {
        self.calls.lock()
    }

    pub(super) fn record(&self, call: impl FnOnce() -> Call) {
        if !self.enabled {
            return;
        }
        let mut calls = self.calls();
        if calls.len() == KEPT {
            calls.pop_front();
        }
        calls.push_back(call());
    }

    pub(super) fn all(&self) -> Vec<Call> {
        self.calls().iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        self.calls().clear();
    }
}
