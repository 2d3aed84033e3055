//! What a reconcile comes to, and the one error that `?` carries through it.

use std::time::Duration;

use crate::{
    api::{
        Difference, EndpointInSvix, EventTypeInSvix, Reason, RefusedChange, SchemaHistory, SigningKeyStatus,
        Statistics, WebhookEventStatus,
    },
    plan::{
        ReconcileError,
        status::{ExtraCondition, ReadyState},
    },
    svix,
};

use super::{host::HostError, queue::Next};

/// What a reconcile came to: status is made from this.
#[derive(Debug)]
pub struct Outcome {
    /// What `Ready` says.
    pub ready: ReadyState,
    /// What status records of Svix from now on; `None`: as before.
    pub remote: Option<RemoteRef>,
    /// What else was observed; `None`: nothing new, and what status says stays.
    pub details: Option<Box<Details>>,
    /// When to reconcile again.
    pub next: Next,
}

impl Outcome {
    /// Svix holds what is declared.
    pub fn in_sync(remote: RemoteRef) -> Self {
        Self {
            ready: ReadyState::Ready(Reason::InSync, "Svix holds what is declared".into()),
            remote: Some(remote),
            details: None,
            next: Next::Settled,
        }
    }

    /// It waits for a person.
    pub fn stalled(cause: ReconcileError) -> Self {
        Self { ready: ReadyState::Stalled(cause), remote: None, details: None, next: Next::Settled }
    }

    /// It waits for something that wakes it, or until `next`.
    pub fn waiting(cause: ReconcileError, next: Next) -> Self {
        Self { ready: ReadyState::Waiting(cause), remote: None, details: None, next }
    }
}

/// What status records of an object in Svix.
#[derive(Clone, Debug, PartialEq)]
pub enum RemoteRef {
    /// An event type.
    EventType(EventTypeInSvix),
    /// An endpoint.
    Endpoint(Box<EndpointInSvix>),
    /// A message, and how far it is.
    Event(Box<EventProgress>),
    /// Nothing any more.
    None,
}

/// What is known of an event beside its conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct EventProgress {
    /// Its status, without generation and conditions.
    pub status: WebhookEventStatus,
    /// What `Accepted` says of its payload; `None`: as before.
    pub accepted: Option<(Reason, String)>,
    /// Whether endpoints that are declared for it did not receive it.
    pub is_missed: bool,
}

/// What status says beside `Ready` and the reference.
#[derive(Debug, Default)]
pub struct Details {
    /// Further conditions.
    pub extra_conditions: Vec<ExtraCondition>,
    /// How Svix differs, of an object that is only compared.
    pub difference: Option<Difference>,
    /// The change of an event type's schema that is refused.
    pub refused_change: Option<RefusedChange>,
    /// What became of an endpoint's messages.
    pub statistics: Option<Statistics>,
    /// The signing key of an endpoint.
    pub signing_key: Option<SigningKeyStatus>,
    /// The value of `rotate-at` that is handled by now; `None`: as before.
    pub handled_rotate_at: Option<String>,
    /// The versions of an event type's schema that are kept; `None`: as before.
    pub schema_history: Option<SchemaHistory>,
    /// The server that a connection uses.
    pub server_url: Option<String>,
}

/// Why a reconcile ended early. Each is turned into status in one place, `reconcile::outcome_of`.
#[derive(Debug)]
pub enum Error {
    /// It waits for a person: `Stalled`. With a duration, it is tried again after that, for what changes unnoticed.
    Stalled(ReconcileError, Option<Duration>),
    /// It waits for something: `Reconciling`.
    Waiting(ReconcileError, Next),
    /// It ends with this outcome.
    Report(Box<Outcome>),
    /// There is nothing to report.
    Requeue(Next),
    /// A call to Svix failed.
    Svix(svix::Error),
    /// A write in Kubernetes failed.
    Host(HostError),
}

impl Error {
    /// It waits for something that wakes it.
    pub fn waiting(reason: Reason, message: impl Into<String>) -> Self {
        Self::Waiting(ReconcileError::new(reason, message), Next::Settled)
    }

    /// It waits until it may do work that takes long, and is woken then.
    pub fn waiting_for_long_work() -> Self {
        // Should it not be woken, which would be a defect, it is delayed and not lost.
        const AT_MOST: Duration = Duration::from_secs(60);
        Self::Requeue(Next::After(AT_MOST))
    }

    /// Svix's responses contradict each other for longer than any race explains.
    pub fn unsteady(operation: &'static str) -> Self {
        let message = "it keeps changing while it is being changed".to_owned();
        Self::Svix(svix::Error { operation, kind: svix::ErrorKind::Answer { status: 200, message } })
    }

    /// Something that was in Svix a moment ago is not there.
    pub fn vanished(operation: &'static str) -> Self {
        Self::Svix(svix::Error { operation, kind: svix::ErrorKind::NotFound })
    }
}

impl From<svix::Error> for Error {
    fn from(error: svix::Error) -> Self {
        Self::Svix(error)
    }
}

impl From<HostError> for Error {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

/// A spec that cannot be carried out waits for a person.
impl From<ReconcileError> for Error {
    fn from(cause: ReconcileError) -> Self {
        Self::Stalled(cause, None)
    }
}
