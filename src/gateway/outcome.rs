//! What became of each message, for who wants to print it.

use std::sync::Arc;

use crate::telemetry::Outcome;

use super::judge::{Detail, Refusal};

/// A message and what became of it. No payload values beyond what violations say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its event type, as far as it could be read.
    pub event_type: Option<String>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Svix took it.
    Accepted {
        /// The id that Svix gave it, where the answer says so.
        id: Option<String>,
        /// How its payload breaks the schema, where the policy is to warn.
        mismatch: Option<String>,
    },
    /// Svix answered with another status.
    Answered {
        /// The status.
        status: u16,
    },
    /// It was not let through.
    Refused {
        /// The first violation, or what else is wrong with it.
        why: String,
    },
    /// Svix could not be asked.
    Failed {
        /// Why not.
        why: String,
    },
}

/// Who is told. Called on the way of each message, so it must not wait.
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(Told) + Send + Sync>);

impl Listener {
    /// A function that is called.
    pub fn new(listen: impl Fn(Told) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listen))
    }

    pub(super) fn tell(&self, told: Told) {
        (self.0)(told);
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// What a refusal comes to.
pub(super) fn fate(refusal: &Refusal) -> Fate {
    let why = match &refusal.detail {
        Detail::Code(_, detail) => detail.trim_end_matches('.').to_owned(),
        Detail::Places(places) => {
            // "body" is where Svix's answers begin; a person looks into the body.
            let first = places.first().map(|(place, message)| {
                let place: String = place.iter().skip(1).map(|part| format!("/{part}")).collect();
                format!("{}: {message}", if place.is_empty() { "/" } else { &place })
            });
            let more = places.len().saturating_sub(1);
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            first.unwrap_or_default() + &more
        }
    };
    match refusal.outcome {
        Outcome::UpstreamFailed => Fate::Failed { why },
        _ => Fate::Refused { why },
    }
}
