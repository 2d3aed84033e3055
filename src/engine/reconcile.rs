//! One look at one object: what every kind has in common.

use std::time::Duration;

use crate::{
    api::{
        ConditionType, Difference, EndpointInSvix, EventTypeInSvix, ORPHAN_ON_DELETE_ANNOTATION, Reason,
        SigningKeyStatus, Statistics, WebhookEndpointStatus, WebhookEventStatus, WebhookEventTypeStatus,
    },
    plan::{
        ReconcileError, event, status,
        status::{ExtraCondition, ReadyState},
    },
    svix::{Class, Error, ErrorKind},
};

use super::{
    Engine, EventReason, EventRecord, Host, HostError, Kind, Mode, Object, ObjectKey, Status,
    event::Looked,
    queue::{Next, Work},
};

/// How long to wait for a token that Svix does not take, when no change of the Secret is noticed.
const TOKEN_RETRY: Duration = Duration::from_secs(60);

/// What a look came to.
pub(super) struct Outcome {
    /// How the object stands.
    pub verdict: ReadyState,
    /// What it holds in Svix from now on; `None`: as before.
    pub hold: Option<Hold>,
    /// What else was seen; `None`: nothing, and what status says stays.
    pub seen: Option<Box<Seen>>,
    /// What to do next.
    pub next: Next,
}

/// What status says beside the verdict and the hold.
#[derive(Default)]
pub(super) struct Seen {
    /// Further conditions.
    pub extra_conditions: Vec<ExtraCondition>,
    /// How Svix differs, of an object that is only compared.
    pub difference: Option<Difference>,
    /// What became of an endpoint's messages.
    pub statistics: Option<Statistics>,
    /// An endpoint's signing key.
    pub signing_key: Option<SigningKeyStatus>,
    /// The value of `rotate-at` that is handled by now; `None`: as before.
    pub rotate_at: Option<String>,
}

/// What an object holds in Svix.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Hold {
    EventType(EventTypeInSvix),
    Endpoint(Box<EndpointInSvix>),
    Event(Box<EventHold>),
    /// Nothing any more.
    Nothing,
}

/// What is known of an event beside its conditions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EventHold {
    /// Its status, but for generation and conditions.
    pub status: WebhookEventStatus,
    /// What its payload was found to be; `None`: nothing new.
    pub accepted: Option<(Reason, String)>,
    /// Whether endpoints that are declared for it did not receive it.
    pub missed: bool,
}

impl Outcome {
    /// In step.
    pub fn ready(hold: Hold) -> Self {
        Self {
            verdict: ReadyState::Ready(Reason::InSync, "Svix holds what is declared".to_owned()),
            hold: Some(hold),
            seen: None,
            next: Next::Settled,
        }
    }

    /// Waits for a person.
    pub fn stalled(refusal: ReconcileError) -> Self {
        Self { verdict: ReadyState::Stalled(refusal), hold: None, seen: None, next: Next::Settled }
    }

    /// Waits for something that wakes it.
    pub fn waiting(refusal: ReconcileError) -> Self {
        Self { verdict: ReadyState::Waiting(refusal), hold: None, seen: None, next: Next::Settled }
    }
}

/// Why a look came to nothing.
pub(super) enum Failed {
    /// A call to Svix failed.
    Svix(Error),
    /// A record in Kubernetes could not be written.
    Host(HostError),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Svix(error)
    }
}

impl From<HostError> for Failed {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

impl<S: Host> Engine<S> {
    /// Looks at an object, and does what there is to do.
    pub(super) async fn look(self: &std::sync::Arc<Self>, work: &Work) -> Next {
        let begun = std::time::Instant::now();
        self.metrics.queue_waited(work.waited);
        let key = &work.key;
        let Some(object) = self.registry.get(key) else { return Next::Settled };
        let deleting = object.deleting();
        let result = if deleting {
            self.clean_up(&object).await
        } else if key.kind != Kind::Event && self.is_orphaned(&object) {
            self.let_go(&object).await.map(Some)
        } else {
            match &object {
                Object::Connection(_) => return Next::Settled,
                Object::EventType(event_type) => self.event_type(&object, event_type).await.map(Some),
                Object::Endpoint(endpoint) => self.endpoint(&object, endpoint).await.map(Some),
                Object::Event(event) => match self.event(&object, event).await {
                    Ok(Looked::Came(outcome)) => Ok(Some(*outcome)),
                    Ok(Looked::Nothing(next)) => return next,
                    Err(failed) => Err(failed),
                },
            }
        };
        let outcome = match result {
            Ok(Some(outcome)) => outcome,
            Ok(None) => {
                self.metrics.reconciled(key.kind.as_str(), "released", begun.elapsed());
                return Next::Settled;
            }
            Err(failed) => match self.failed(key, failed) {
                Ok(outcome) if deleting => blocked(&object, outcome),
                Ok(outcome) => outcome,
                Err(next) => return next,
            },
        };
        let label = match (&outcome.verdict, outcome.next) {
            (ReadyState::Ready(..), _) => "ready",
            (ReadyState::Waiting(_), Next::Failed) => "failed",
            (ReadyState::Waiting(_), _) => "waiting",
            (ReadyState::Stalled(_), _) => "stalled",
        };
        self.metrics.reconciled(key.kind.as_str(), label, begun.elapsed());
        self.record(key, &object, outcome).await
    }

    /// What follows from a failure: an outcome to record, or just another look.
    fn failed(&self, key: &ObjectKey, failed: Failed) -> Result<Outcome, Next> {
        let error = match failed {
            Failed::Host(HostError::Gone) => return Err(Next::Settled),
            Failed::Host(error) => {
                // The watch brings the newer object; until then another look would fail the same way.
                tracing::debug!(object = %key, %error, "cannot write to Kubernetes");
                self.metrics.reconcile_error(key.kind.as_str(), "kubernetes");
                return Err(Next::Failed);
            }
            Failed::Svix(error) => error,
        };
        let object = self.registry.get(key);
        Ok(self.svix_failed(key, object.as_ref().map(Object::connection_name), &error))
    }

    /// What follows when a call to the Svix of a connection fails.
    pub(super) fn svix_failed(&self, key: &ObjectKey, connection: Option<&str>, error: &Error) -> Outcome {
        self.metrics.reconcile_error(key.kind.as_str(), error.label());
        tracing::debug!(object = %key, %error, "a call to Svix failed");
        // Messages in status do not name the cause of the moment: they would change with every try.
        let waiting = |reason, message: String, next| Outcome {
            verdict: ReadyState::Waiting(ReconcileError::new(reason, message)),
            hold: None,
            seen: None,
            next,
        };
        if let (Some(connection), Class::Transient) = (connection, error.class())
            && !matches!(error.kind, ErrorKind::Conflict { .. })
        {
            self.doubt(connection);
        }
        match error.class() {
            Class::Transient => waiting(
                Reason::SvixUnavailable,
                format!("Svix fails or does not answer ({}); the operator keeps trying", error.operation),
                Next::Failed,
            ),
            Class::Throttled => waiting(
                Reason::Throttled,
                "Svix asks to slow down (429); the operator goes on as fast as Svix allows".to_owned(),
                // The connection's budget holds it back as long as Svix asked; the object did nothing wrong.
                Next::After(super::jitter(Duration::from_millis(100))),
            ),
            Class::Unauthorized => {
                if let Some(connection) = connection {
                    self.poke(connection);
                }
                waiting(
                    Reason::ConnectionNotReady,
                    "Svix does not accept the connection's token; see the SvixConnection".to_owned(),
                    Next::After(TOKEN_RETRY),
                )
            }
            Class::Terminal => {
                let advice = match key.kind {
                    Kind::Event => "make another WebhookEvent",
                    _ => "change the spec",
                };
                Outcome::stalled(ReconcileError::new(Reason::RefusedBySvix, format!("{error}; {advice}")))
            }
        }
    }

    /// Records an outcome in status, when it says something new.
    async fn record(&self, key: &ObjectKey, looked_at: &Object, outcome: Outcome) -> Next {
        let Outcome { verdict, hold, seen, next } = outcome;
        // The object may have been claimed meanwhile: status goes onto what is there now.
        let Some(object) = self.registry.get(key).filter(|now| now.meta().uid == looked_at.meta().uid) else {
            return next;
        };
        if let ReadyState::Waiting(_) = verdict {
            let since = self
                .remember(key, |memory| *memory.waiting_since.get_or_insert_with(tokio::time::Instant::now));
            let (waited, settle) = (since.elapsed(), self.options.settle);
            // Waiting is told once it has lasted; unless status already says that something is amiss.
            if waited < settle && hold != Some(Hold::Nothing) {
                return match next {
                    Next::Failed => next,
                    Next::After(delay) | Next::Later(delay) => Next::After(delay.min(settle - waited)),
                    Next::Settled => Next::After(settle - waited),
                };
            }
        } else {
            self.remember(key, |memory| memory.waiting_since = None);
        }
        // What was looked at, not what came since: a newer spec is looked at again.
        let generation = looked_at.meta().generation;
        let before = object.conditions();
        let now = jiff::Timestamp::now();
        let managed = self.mode(&object) == Mode::Manage;
        let mut conditions = status::conditions(
            &verdict,
            seen.as_ref().map(|seen| seen.extra_conditions.as_slice()),
            before,
            generation,
            now,
        );
        // It is only said of what is only compared.
        conditions.retain(|condition| !managed || condition.type_ != ConditionType::InSync);
        // A look that waits is not over.
        let handled = |before: Option<&String>| match &verdict {
            ReadyState::Waiting(_) => before.cloned(),
            ReadyState::Ready(..) | ReadyState::Stalled(_) => looked_at.reconcile_at().map(str::to_owned),
        };
        let status = match (&object, hold) {
            (Object::EventType(object), hold) => {
                let before = object.status.as_ref();
                Status::EventType(WebhookEventTypeStatus {
                    observed_generation: generation,
                    last_handled_reconcile_at: handled(
                        before.and_then(|it| it.last_handled_reconcile_at.as_ref()),
                    ),
                    svix: match hold {
                        Some(Hold::EventType(hold)) => Some(hold),
                        Some(Hold::Nothing) => None,
                        _ => before.and_then(|status| status.svix.clone()),
                    },
                    difference: match seen {
                        _ if managed => None,
                        Some(seen) => seen.difference,
                        None => before.and_then(|status| status.difference.clone()),
                    },
                    conditions,
                })
            }
            (Object::Endpoint(object), hold) => {
                let before = object.status.clone().unwrap_or_default();
                let reconcile_at = handled(before.last_handled_reconcile_at.as_ref());
                let (difference, statistics, signing_key, rotate_at) = match seen {
                    Some(seen) => (seen.difference, seen.statistics, seen.signing_key, seen.rotate_at),
                    None => (before.difference, before.statistics, before.signing_key, None),
                };
                Status::Endpoint(Box::new(WebhookEndpointStatus {
                    observed_generation: generation,
                    last_handled_reconcile_at: reconcile_at,
                    last_handled_rotate_at: rotate_at.or(before.last_handled_rotate_at),
                    svix: match hold {
                        Some(Hold::Endpoint(hold)) => Some(*hold),
                        Some(Hold::Nothing) => None,
                        _ => before.svix,
                    },
                    signing_key,
                    difference: if managed { None } else { difference },
                    statistics,
                    conditions,
                }))
            }
            (Object::Event(object), hold) => {
                let (held, accepted, missed) = match hold {
                    Some(Hold::Event(held)) => (held.status, held.accepted, held.missed),
                    _ => (object.status.clone().unwrap_or_default(), None, false),
                };
                let accepted = accepted.as_ref().map(|(reason, message)| (*reason, message.as_str()));
                let conditions =
                    event::conditions(&verdict, &held, accepted, before, generation, now, missed);
                Status::Event(WebhookEventStatus { observed_generation: generation, conditions, ..held })
            }
            (Object::Connection(_), _) => return next,
        };
        if object.has_status(&status) {
            return next;
        }
        let ready = before.iter().find(|condition| condition.type_ == ConditionType::Ready);
        let news = ready.is_none_or(|ready| ready.reason != verdict.reason().as_str());
        if news && !verdict.is_ready() {
            tracing::warn!(object = %key, reason = %verdict.reason(), message = verdict.redacted_message(), "not ready");
            let note = EventRecord {
                warning: true,
                reason: verdict.reason().as_str(),
                message: verdict.redacted_message().to_owned(),
            };
            self.host.publish_event(&object, note);
        }
        self.metrics.status_patched(key.kind.as_str());
        match self.host.report(&object, status).await {
            Ok(object) => {
                // A connection that is being deleted may have waited for this event.
                let is_over = matches!(&object, Object::Event(event) if event::is_over(event));
                let connection = object.connection_name().to_owned();
                self.wrote(object);
                if is_over
                    && self
                        .registry
                        .connection(&connection)
                        .is_some_and(|it| it.metadata.deletion_timestamp.is_some())
                {
                    self.poke(&connection);
                }
                next
            }
            Err(HostError::Gone) => Next::Settled,
            Err(error) => {
                tracing::debug!(object = %key, %error, "cannot write status");
                self.metrics.reconcile_error(key.kind.as_str(), "kubernetes");
                Next::Failed
            }
        }
    }

    /// Records the claim on what is about to be made, unless it is recorded already. Answers the object as
    /// it is then.
    pub(super) async fn claim(&self, object: &Object, annotation: Option<&str>) -> Result<Object, HostError> {
        let finalizer = !self.retains(object) && !object.has_finalizer();
        let annotation = annotation
            .filter(|value| !crate::plan::claims::is_claimed(object.meta().annotations.as_ref(), value));
        if !finalizer && annotation.is_none() {
            return Ok(object.clone());
        }
        // The connection went while the object was looked at: nobody would ever take the finalizer off.
        let connection = self.registry.connection(object.connection_name());
        if connection.is_none_or(|connection| super::policy::is_orphaning(&connection)) {
            return Err(HostError::Conflict);
        }
        let object = self.host.claim(object, finalizer, annotation).await?;
        self.wrote(object.clone());
        Ok(object)
    }

    /// Tells of something that was done in Svix: a line in the log, and a note for people.
    pub(super) fn did(&self, object: &Object, what: EventReason, message: String) {
        let reason = what.as_str();
        tracing::info!(object = %object.key(), action = reason, "{message}");
        self.host.publish_event(object, EventRecord { warning: false, reason, message });
    }

    /// Whether what differs in Svix was changed there, not here: the present spec had been carried out.
    ///
    /// A schema in a ConfigMap may have changed without the spec, so there nothing is said.
    pub(super) fn is_drift(&self, object: &Object) -> bool {
        let schema_elsewhere =
            matches!(object, Object::EventType(event_type) if event_type.spec.schema_from.is_some());
        object.ready() == Some(true) && !schema_elsewhere
    }

    /// Tells of drift that was mended.
    pub(super) fn mended(&self, object: &Object, message: String) {
        self.metrics.drift(object.kind().as_str());
        tracing::warn!(object = %object.key(), action = "DriftRepaired", "{message}");
        self.host.publish_event(
            object,
            EventRecord { warning: true, reason: EventReason::DriftRepaired.as_str(), message },
        );
    }

    /// Lets go of an object that is being deleted, after its clean-up. `Ok(None)`: it is let go.
    async fn clean_up(&self, object: &Object) -> Result<Option<Outcome>, Failed> {
        if !object.has_finalizer() {
            return Ok(None);
        }
        if !self.retains(object) {
            let waiting = match object {
                Object::Connection(_) | Object::Event(_) => None,
                Object::EventType(event_type) => self.clean_up_event_type(object, event_type).await?,
                Object::Endpoint(endpoint) => self.clean_up_endpoint(object, endpoint).await?,
            };
            if let Some(outcome) = waiting {
                return Ok(Some(outcome));
            }
        }
        match self.host.release(object).await {
            Ok(()) | Err(HostError::Gone) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes our finalizer off an object whose connection goes and leaves Svix as it is.
    async fn let_go(&self, object: &Object) -> Result<Outcome, Failed> {
        if object.has_finalizer() {
            self.host.release(object).await?;
            tracing::info!(object = %object.key(), action = "LetGo", "its connection is being deleted");
            self.wrote(object.without_finalizer());
        }
        Ok(orphaned(object))
    }

    /// What an object that is being deleted does when its connection cannot be used: it waits, and when the
    /// connection or its token stays away, it is let go. `None`: let it go.
    pub(super) fn clean_up_without_connection(
        &self,
        object: &Object,
        refusal: ReconcileError,
    ) -> Option<Outcome> {
        let waited = object
            .meta()
            .deletion_timestamp
            .as_ref()
            .map_or(0, |time| jiff::Timestamp::now().duration_since(time.0).as_secs());
        let waited = Duration::from_secs(u64::try_from(waited).unwrap_or(0));
        let missing = refusal.reason == Reason::ConnectionNotFound
            || refusal.message.contains(Reason::TokenNotFound.as_str());
        if missing && waited >= self.options.orphan_after {
            let message = format!("let go without clean-up in Svix, since {}", refusal.message);
            tracing::warn!(object = %object.key(), action = "Orphaned", "{message}");
            self.host.publish_event(
                object,
                EventRecord { warning: true, reason: EventReason::Orphaned.as_str(), message },
            );
            return None;
        }
        let message = format!("clean-up in Svix waits: {}. {}", refusal.message, way_out(object));
        let next = if missing {
            Next::After(self.options.orphan_after.saturating_sub(waited))
        } else {
            Next::Settled
        };
        let verdict = ReadyState::Waiting(ReconcileError::new(Reason::Deleting, message));
        Some(Outcome { verdict, hold: None, seen: None, next })
    }
}

/// How an object stands whose connection goes and leaves Svix as it is: as without one.
pub(super) fn orphaned(object: &Object) -> Outcome {
    let message = format!(
        "SvixConnection {:?} is being deleted and has let go of this object; make it anew, or name another in \
         spec.connectionRef",
        object.connection_name()
    );
    Outcome::waiting(ReconcileError::new(Reason::ConnectionNotFound, message))
}

/// A clean-up that failed: whatever the reason, status says how to get out.
fn blocked(object: &Object, outcome: Outcome) -> Outcome {
    let message = format!(
        "clean-up in Svix waits ({}): {}. {}",
        outcome.verdict.reason(),
        outcome.verdict.message(),
        way_out(object)
    );
    let refusal = ReconcileError::new(Reason::Deleting, message);
    let verdict = match outcome.verdict {
        ReadyState::Stalled(_) => ReadyState::Stalled(refusal),
        ReadyState::Ready(..) | ReadyState::Waiting(_) => ReadyState::Waiting(refusal),
    };
    Outcome { verdict, ..outcome }
}

/// How an object is let go whose clean-up does not come to an end.
fn way_out(object: &Object) -> String {
    let through = object.holds_through().unwrap_or_else(|| object.connection_name());
    format!(
        "To let it go without clean-up, set deletionPolicy: Retain; for everything on SvixConnection {through:?}, \
         annotate that with {ORPHAN_ON_DELETE_ANNOTATION}=true and delete it"
    )
}
