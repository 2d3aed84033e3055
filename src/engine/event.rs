//! Events: judged, sent once, followed until their deliveries end.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    api::{PayloadPolicy, Reason, SvixConnection, WebhookEndpoint, WebhookEvent, WebhookEventStatus},
    catalogue::{Declared, Judgement},
    plan::{
        ReconcileError,
        event::{self, Desired, Message, Step},
        status::ReadyState,
    },
    svix::{ErrorKind, SendMessage},
};

use super::{
    Awaited, Engine, EventReason, EventRecord, Host, Mode, Object, Status,
    connection::Live,
    event_type::{SchemaTrouble, unsteady},
    queue::Next,
    reconcile::{EventHold, Failed, Hold, Outcome, orphaned},
    registry::SvixResource,
};

/// How long an event waits for endpoints that are declared with it and not in Svix yet: what is applied together
/// belongs together.
const HOLD_BACK: Duration = Duration::from_secs(5);
/// How often it looks for them.
const HOLD_BACK_LOOK: Duration = Duration::from_millis(100);
/// How long after sending an endpoint may have been made that is still counted among those of before: times in status may
/// be whole seconds.
const MADE_BEFORE: Duration = Duration::from_secs(1);
/// How long ago endpoints must have been listed to be listed again for an event that they do not receive.
const LISTED_AGAIN: Duration = Duration::from_secs(2);
/// How long after sending an event counts as being worked on: most deliveries end within.
const WORKED_ON: Duration = Duration::from_secs(5);

/// What a look at an event came to.
pub(super) enum Looked {
    /// Something to record.
    Came(Box<Outcome>),
    /// Nothing.
    Nothing(Next),
}

impl From<Outcome> for Looked {
    fn from(outcome: Outcome) -> Self {
        Self::Came(Box::new(outcome))
    }
}

impl<S: Host> Engine<S> {
    /// Takes an event one step on.
    pub(super) async fn event(&self, object: &Object, event: &Arc<WebhookEvent>) -> Result<Looked, Failed> {
        let step = event::step(event, Timestamp::now());
        match step {
            Step::Keep(None) => return Ok(Looked::Nothing(Next::Settled)),
            Step::Keep(Some(left)) => return Ok(Looked::Nothing(Next::Later(left))),
            Step::Delete => {
                self.host.delete(object).await?;
                tracing::info!(object = %object.key(), action = "Expired", "its ttlAfterFinished is over");
                return Ok(Looked::Nothing(Next::Settled));
            }
            Step::Send | Step::SendAgain | Step::Find | Step::Follow => {}
        }
        let name = event.connection_name();
        let Some(connection) = self.registry.connection(name) else {
            return Ok(self.without_connection(name).into());
        };
        if self.is_orphaned(object) {
            return Ok(orphaned(object).into());
        }
        if step != Step::Follow
            && let Err(refusal) = self.registry.permitted(object)
        {
            return Ok(Outcome::stalled(refusal).into());
        }
        let Ok(live) = self.live(name) else { return Ok(self.without_connection(name).into()) };
        if step == Step::Follow {
            return Ok(self.follow(object, event, &connection, &live).await?.into());
        }
        if self.mode(object) != Mode::Manage {
            let message =
                format!("SvixConnection {name:?} is suspended or observed: nothing is sent through it");
            return Ok(Outcome::waiting(ReconcileError::new(Reason::Suspended, message)).into());
        }
        let desired = match event::desired(event, &connection.spec) {
            Ok(desired) => desired,
            Err(refusal) => return Ok(Outcome::stalled(refusal).into()),
        };
        if step != Step::Send {
            match live.client.get_message(&desired.application, &desired.event_id).await? {
                Some(found) => return Ok(self.found(object, event, &live, &desired, &found, None).into()),
                None if step == Step::Find => return Ok(Outcome::stalled(not_sent(event)).into()),
                None => {}
            }
        }
        self.send(object, event, &connection, &live, &desired, step).await
    }

    /// Judges an event and sends it.
    async fn send(
        &self,
        object: &Object,
        event: &WebhookEvent,
        connection: &SvixConnection,
        live: &Live,
        desired: &Desired,
        step: Step,
    ) -> Result<Looked, Failed> {
        let accepted = match self.judge(object, event, live, desired).await {
            Ok(accepted) => accepted,
            Err(outcome) => return Ok(outcome.into()),
        };
        if self.is_held_back(object, event, connection, live, desired) {
            return Ok(Looked::Nothing(Next::After(HOLD_BACK_LOOK)));
        }
        self.ensure_listed(live, &desired.application).await?;
        if let Some(outcome) = self.ensure_application(object, connection, live, &desired.application).await?
        {
            return Ok(outcome.into());
        }
        let event = self.record_attempt(object, event, desired, &accepted).await?;
        // It may have been sent in another life. Svix itself may forget an id after a day, but not the message.
        if step == Step::Send
            && let Some(found) = live.client.get_message(&desired.application, &desired.event_id).await?
        {
            return Ok(self.found(object, &event, live, desired, &found, Some(accepted)).into());
        }
        let channels: Vec<_> = desired.channels.iter().flatten().cloned().collect();
        let message = SendMessage {
            event_type: &desired.event_type,
            event_id: Some(&desired.event_id),
            payload_text: &desired.payload_text,
            channels: &channels,
        };
        let asked = Instant::now();
        match live.client.send_message(&desired.application, &message).await {
            Ok(id) => {
                let what = format!("message {id} of event type {}", desired.event_type);
                self.did(object, EventReason::EventSent, what);
                let expected = matching(live, desired);
                Ok(sent(&event, id, Some(accepted), expected).into())
            }
            // The id is taken: perhaps by us, before a lost answer or in another life.
            Err(error) if matches!(error.kind, ErrorKind::Conflict { .. }) => {
                match live.client.get_message(&desired.application, &desired.event_id).await? {
                    Some(found) => {
                        Ok(self.found(object, &event, live, desired, &found, Some(accepted)).into())
                    }
                    None => Err(unsteady("message").into()),
                }
            }
            // The application went since it was listed, and all that was in it.
            Err(error) if error.kind == ErrorKind::NotFound => {
                live.doubt();
                let (name, application) = (event.connection_name(), &desired.application);
                self.ensure_listed_since(name, live, application, asked, Duration::ZERO).await?;
                Ok(Looked::Nothing(Next::Failed))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Judges a payload by the schema of whoever holds its event type here. Answers what to say of it, or why it
    /// cannot be sent.
    async fn judge(
        &self,
        object: &Object,
        event: &WebhookEvent,
        live: &Live,
        desired: &Desired,
    ) -> Result<(Reason, String), Outcome> {
        let (connection, name) = (event.connection_name(), desired.event_type.as_str());
        let awaited = Awaited::EventType(name.into());
        // Noted before the look that decides: what comes in between wakes the event. It also wakes one whose
        // payload was found wanting, when the schema changes.
        self.wait_for(connection, awaited.clone(), &object.key());
        let waiting =
            |message: String| Outcome::waiting(ReconcileError::new(Reason::WaitingForEventType, message));
        let Some(Object::EventType(holder)) =
            self.registry.holder(connection, SvixResource::EventType(name.into()))
        else {
            let advice = "a WebhookEventType that declares it is enough";
            return Err(waiting(format!("nobody declares event type {name}; {advice}")));
        };
        let holder_key = Object::EventType(holder.clone()).key();
        let not_there = || {
            let advice = format!("{holder_key} declares it, and says in its status why it is not there");
            waiting(format!("event type {name} is not in Svix yet; {advice}"))
        };
        if !live.mirror.event_type_live(name) {
            return Err(not_there());
        }
        let schema = match self.schema_of(&holder).await {
            Ok(schema) => schema,
            Err(SchemaTrouble::Refused(_)) => return Err(not_there()),
            Err(SchemaTrouble::Unreadable(_)) => return Err(Outcome { next: Next::Failed, ..not_there() }),
        };
        let declared = Declared {
            schema,
            format_assertion: holder.spec.format_assertion(),
            policy: holder.spec.payload_policy(),
        };
        if self.catalogue.put(connection, name, declared).is_err() {
            return Err(not_there());
        }
        let (policy, text, places) = match self.catalogue.judge(connection, name, &desired.payload) {
            Judgement::Undeclared => return Err(not_there()),
            Judgement::Valid => {
                self.waits_no_more(connection, awaited, &object.key());
                return Ok((Reason::PayloadValid, format!("the payload matches the schema of {holder_key}")));
            }
            Judgement::Invalid { policy, violations, more } => {
                let places = event::places(&violations, more);
                (policy, event::describe_violations(event, &violations, more), places)
            }
        };
        self.metrics.payload_mismatch(policy.as_str());
        let message = format!("the payload does not match the schema of {holder_key}: {text}");
        if policy == PayloadPolicy::Enforce {
            let advice = "make another WebhookEvent, or change the schema";
            let redacted =
                format!("the payload does not match the schema of {holder_key} at {places}; see the status");
            let refusal = ReconcileError {
                redacted: Some(redacted),
                ..ReconcileError::new(Reason::InvalidPayload, format!("{message}; {advice}"))
            };
            return Err(Outcome::stalled(refusal));
        }
        self.waits_no_more(connection, awaited, &object.key());
        if policy == PayloadPolicy::Warn {
            let reason = Reason::PayloadMismatch.as_str();
            let message =
                format!("the payload does not match the schema of {holder_key} at {places}; it is sent");
            self.host.publish_event(object, EventRecord { warning: true, reason, message });
        }
        Ok((Reason::PayloadMismatch, message))
    }

    /// Whether an event waits for endpoints that are declared and not in Svix yet, or were found to be gone from it. Not
    /// for long.
    fn is_held_back(
        &self,
        object: &Object,
        event: &WebhookEvent,
        connection: &SvixConnection,
        live: &Live,
        desired: &Desired,
    ) -> bool {
        let name = event.connection_name();
        let is_for = |endpoint: &Arc<WebhookEndpoint>| event::is_for(event, endpoint, &connection.spec);
        let is_lost = || {
            live.mirror.application_loaded(&desired.application)
                && matching(live, desired) == 0
                && self
                    .registry
                    .endpoints_of(name)
                    .iter()
                    .any(|endpoint| is_for(endpoint) && event::is_in_step(endpoint))
        };
        let to_come = self.registry.coming_endpoints(name).iter().any(is_for) || is_lost();
        self.remember(&object.key(), |memory| {
            let since = memory.held_back_since.get_or_insert_with(tokio::time::Instant::now);
            let held_back = to_come && since.elapsed() < HOLD_BACK;
            if !held_back {
                memory.held_back_since = None;
            }
            held_back
        })
    }

    /// Records, before the first attempt, that there is one and under which id.
    async fn record_attempt(
        &self,
        object: &Object,
        event: &WebhookEvent,
        desired: &Desired,
        accepted: &(Reason, String),
    ) -> Result<WebhookEvent, Failed> {
        let before = event.status.clone().unwrap_or_default();
        if before.first_attempt_at.is_some() {
            return Ok(event.clone());
        }
        let held = WebhookEventStatus {
            event_id: Some(desired.event_id.clone()),
            first_attempt_at: Some(Timestamp::now()),
            ..before
        };
        let sending = ReconcileError::new(Reason::Sending, "it is being sent");
        let (verdict, generation) = (ReadyState::Waiting(sending), object.meta().generation);
        let accepted = Some((accepted.0, accepted.1.as_str()));
        let conditions = event::conditions(
            &verdict,
            &held,
            accepted,
            &held.conditions,
            generation,
            Timestamp::now(),
            false,
        );
        let status = WebhookEventStatus { observed_generation: generation, conditions, ..held };
        self.metrics.status_patched(object.kind().as_str());
        match self.host.report(object, Status::Event(status)).await? {
            Object::Event(now) => {
                self.wrote(Object::Event(now.clone()));
                Ok((*now).clone())
            }
            _ => Ok(event.clone()),
        }
    }

    /// What follows when a message is there under the event's id.
    fn found(
        &self,
        object: &Object,
        event: &WebhookEvent,
        live: &Live,
        desired: &Desired,
        found: &Message,
        accepted: Option<(Reason, String)>,
    ) -> Outcome {
        match event::same(desired, found) {
            Ok(()) => {
                let what = format!(
                    "message {} of event type {}: it had arrived before",
                    found.id, desired.event_type
                );
                self.did(object, EventReason::EventSent, what);
                sent(event, found.id.clone(), accepted, matching(live, desired))
            }
            Err(differs) => Outcome::stalled(ReconcileError::new(
                Reason::EventIdTaken,
                format!(
                    "another event was sent as {} in application {} (message {}): {differs}. Svix takes an id once: \
                     make another WebhookEvent, with another name or another eventId",
                    desired.event_id, desired.application, found.id
                ),
            )),
        }
    }

    /// Looks at the deliveries of an event that is sent.
    async fn follow(
        &self,
        object: &Object,
        event: &WebhookEvent,
        connection: &SvixConnection,
        live: &Live,
    ) -> Result<Outcome, Failed> {
        let status = event.status.clone().unwrap_or_default();
        let message = status.message_id.as_deref().unwrap_or_default();
        let application = event.spec.application(&connection.spec);
        let now = Timestamp::now();
        let since_sent = status.sent_at.map_or(Duration::ZERO, |sent| event::since(sent, now));
        let gone = || event::Progress {
            attempts: status.attempts.unwrap_or_default(),
            ended: Some(Reason::DeliveryUnknown),
            message: "the message is not in Svix any more".to_owned(),
        };
        let mut missed = Vec::new();
        let progress = match live.client.deliveries(application, message).await? {
            None => {
                live.doubt();
                gone()
            }
            Some(tried) => {
                self.ensure_listed(live, application).await?;
                let sent = Instant::now().checked_sub(since_sent);
                let channels = event::channels_in_svix(event, &connection.spec);
                let progress = || {
                    let by = sent.map(|sent| (sent + MADE_BEFORE).into_std());
                    let event_type = &event.spec.event_type;
                    let matching = live.mirror.matching(application, event_type, channels.as_ref(), by);
                    let expected = event::expected(status.attempts, matching, tried.len());
                    (event::progress(&tried, expected, since_sent), tried.len() < expected)
                };
                let (mut progress_now, lacking) = progress();
                let declared = || {
                    let endpoints = self.registry.endpoints_of(event.connection_name());
                    event::missed(event, endpoints.iter().map(AsRef::as_ref), &connection.spec)
                };
                let long_enough = since_sent >= event::EARLIEST_NONE;
                if tried.is_empty() && long_enough {
                    missed = declared();
                }
                // Svix may have lost what the mirror has: that is looked into before anything is said.
                if long_enough && (lacking || missed.iter().any(|one| one.reason.is_none())) {
                    let (name, moment) = (event.connection_name(), sent.unwrap_or_else(Instant::now));
                    if self.ensure_listed_since(name, live, application, moment, LISTED_AGAIN).await? {
                        (progress_now, _) = progress();
                    } else if progress_now.ended == Some(Reason::NoEndpointMatched) {
                        progress_now.ended = None;
                        "sent; no endpoint is tried yet".clone_into(&mut progress_now.message);
                    }
                }
                progress_now
            }
        };
        let progress = match progress.ended {
            Some(Reason::NoEndpointMatched) if !missed.is_empty() => {
                event::Progress { message: event::missed_by(&missed), ..progress }
            }
            _ => {
                missed.clear();
                progress
            }
        };
        let missed = !missed.is_empty();
        let next = match (progress.ended, event.spec.ttl_after_finished()) {
            (Some(_), None) => Next::Settled,
            (Some(_), Some(ttl)) => Next::Later(ttl),
            (None, _) if since_sent < WORKED_ON => Next::After(event::next_look(since_sent)),
            (None, _) => Next::Later(event::next_look(since_sent)),
        };
        match progress.ended {
            None => {}
            Some(reason) if missed || matches!(reason, Reason::DeliveryFailed | Reason::DeliveryUnknown) => {
                tracing::warn!(object = %object.key(), %reason, "{}", progress.message);
                let note =
                    EventRecord { warning: true, reason: reason.as_str(), message: progress.message.clone() };
                self.host.publish_event(object, note);
            }
            Some(_) => self.did(object, EventReason::EventDelivered, progress.message.clone()),
        }
        let status = WebhookEventStatus {
            attempts: Some(progress.attempts),
            finished_at: progress.ended.map(|_| now),
            ..status
        };
        Ok(Outcome {
            verdict: ReadyState::Ready(progress.ended.unwrap_or(Reason::Sent), progress.message),
            hold: Some(Hold::Event(Box::new(EventHold { status, accepted: None, missed }))),
            seen: None,
            next,
        })
    }
}

/// How many endpoints receive an event, as far as is known.
fn matching(live: &Live, desired: &Desired) -> usize {
    live.mirror.matching(&desired.application, &desired.event_type, desired.channels.as_ref(), None)
}

/// It is sent; so many endpoints are to receive it.
fn sent(
    event: &WebhookEvent,
    message_id: String,
    accepted: Option<(Reason, String)>,
    expected: usize,
) -> Outcome {
    let progress = event::progress(&[], expected, Duration::ZERO);
    let status = WebhookEventStatus {
        message_id: Some(message_id),
        sent_at: Some(Timestamp::now()),
        attempts: Some(progress.attempts),
        ..event.status.clone().unwrap_or_default()
    };
    Outcome {
        verdict: ReadyState::Ready(Reason::Sent, progress.message),
        hold: Some(Hold::Event(Box::new(EventHold { status, accepted, missed: false }))),
        seen: None,
        next: Next::After(event::next_look(Duration::ZERO)),
    }
}

/// It could not be sent for a day.
fn not_sent(event: &WebhookEvent) -> ReconcileError {
    let first = event.status.as_ref().and_then(|status| status.first_attempt_at);
    let first = first.map_or_else(String::new, |first| format!(" ({first})"));
    ReconcileError::new(
        Reason::NotSent,
        format!(
            "it could not be sent within 24 hours of the first attempt{first}, and an event that old is not sent by \
             itself; make another WebhookEvent if it is still wanted"
        ),
    )
}
