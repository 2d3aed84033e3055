//! How far to go with an object: what its connection allows, whether it is only compared, and what is not changed
//! back for ever.

use std::{
    hash::{BuildHasher as _, Hash},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    api::{
        self, Action, ConditionStatus, ConditionType, ORPHAN_ON_DELETE_ANNOTATION, Reason, SvixConnection,
    },
    plan::{Difference, ReconcileError, describe, difference, status::ExtraCondition, status::ReadyState},
};

use super::{
    Engine, EventReason, EventRecord, Host, Kind, Object, ObjectKey,
    connection::Live,
    object::Mode,
    queue::Next,
    reconcile::{Failed, Hold, Outcome, Seen},
    registry::SvixResource,
};

/// How often the same difference is mended within [`PEACE`]; then somebody else means it.
const MENDED_AT_MOST: usize = 5;
const PEACE: Duration = Duration::from_secs(3600);
/// How long after a move the object is looked at again: its status is written by then.
const MOVED_LOOK: Duration = Duration::from_millis(20);
/// How many differences are remembered of one object.
const REMEMBERED: usize = 32;

/// A difference that was mended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mended {
    at: Instant,
    what: u64,
    generation: Option<i64>,
}

/// What a look at an object begins with.
pub(super) struct Begun {
    pub connection: Arc<SvixConnection>,
    pub live: Arc<Live>,
    pub mode: Mode,
}

impl<S: Host> Engine<S> {
    /// How far the operator goes with an object: as far as both the object and its connection say.
    pub(super) fn mode(&self, object: &Object) -> Mode {
        let connection = self.registry.connection(object.connection_name());
        let of_connection =
            connection.map_or(Mode::Manage, |connection| Object::Connection(connection).mode());
        object.mode().max(of_connection)
    }

    /// Whether deleting the object leaves Svix as it is.
    pub(super) fn retains(&self, object: &Object) -> bool {
        if object.retains() {
            return true;
        }
        let through = object.holds_through().unwrap_or_else(|| object.connection_name());
        let Some(connection) = self.registry.connection(through) else { return false };
        let orphans = is_orphaning(&connection);
        orphans || Object::Connection(connection).mode() != Mode::Manage
    }

    /// Whether an object's connection is being deleted and lets go of it. What is still held through another connection
    /// is for that one to clean up.
    pub(super) fn is_orphaned(&self, object: &Object) -> bool {
        let name = object.connection_name();
        object.kind() != Kind::Connection
            && object.holds_through().is_none_or(|through| through == name)
            && self.registry.connection(name).is_some_and(|connection| is_orphaning(&connection))
    }

    /// The lane of an object: its connection's, or one for those that need no Svix to be let go.
    pub(super) fn lane<'a>(&self, object: &'a Object) -> &'a str {
        let needs_no_svix = (object.deleting() && self.retains(object)) || self.is_orphaned(object);
        if needs_no_svix { "" } else { object.connection_name() }
    }

    /// What a look at an event type or endpoint begins with: a connection that may be used for it. What is not
    /// permitted costs no call.
    pub(super) async fn begin(&self, object: &Object) -> Result<Result<Begun, Outcome>, Failed> {
        let name = object.connection_name();
        let Some(connection) = self.registry.connection(name) else {
            return Ok(Err(self.without_connection(name)));
        };
        if let Err(refusal) = self.registry.permitted(object) {
            return Ok(Err(Outcome::stalled(refusal)));
        }
        let Ok(live) = self.live(name) else { return Ok(Err(self.without_connection(name))) };
        let mode = self.mode(object);
        if object.holds_through().is_some_and(|before| before != name)
            && let Some(outcome) = self.move_away(object, mode).await?
        {
            return Ok(Err(outcome));
        }
        Ok(Ok(Begun { connection, live, mode }))
    }

    /// Cleans up on the connection that an object was on before. `None`: it stays there for now.
    async fn move_away(&self, object: &Object, mode: Mode) -> Result<Option<Outcome>, Failed> {
        let before = object.holds_through().unwrap_or_default().to_owned();
        if mode == Mode::Suspended {
            return Ok(None);
        }
        // Whether it is cleaned up is for the object and the connection that it leaves to say. A connection that is gone
        // let go of those without our finalizer; on one that is there, they are those that kept what they made until now.
        let let_go = !object.has_finalizer() && self.registry.connection(&before).is_none();
        if !let_go && !self.retains(object) {
            let cleaned_up = match object {
                Object::Connection(_) | Object::Event(_) => Ok(None),
                Object::EventType(event_type) => self.clean_up_event_type(object, event_type).await,
                Object::Endpoint(endpoint) => self.clean_up_endpoint(object, endpoint).await,
            };
            let waiting = match cleaned_up {
                Err(Failed::Svix(error)) => Some(self.svix_failed(&object.key(), Some(&before), &error)),
                other => other?,
            };
            if let Some(outcome) = waiting {
                let message = format!(
                    "it is cleaned up on SvixConnection {before:?} before it is made on {:?}: {}",
                    object.connection_name(),
                    outcome.verdict.message()
                );
                let verdict = ReadyState::Waiting(ReconcileError::new(Reason::Moving, message));
                return Ok(Some(Outcome { verdict, ..outcome }));
            }
        }
        self.did(object, EventReason::Moved, format!("from SvixConnection {before}"));
        // Who declares there what this one held may have it now.
        if let Some(thing) = held_thing(object) {
            self.wake_all(self.registry.claimants(&before, &thing));
        }
        let message = format!("it has left SvixConnection {before:?}");
        Ok(Some(Outcome {
            verdict: ReadyState::Waiting(ReconcileError::new(Reason::Moving, message)),
            hold: Some(Hold::Nothing),
            seen: None,
            next: Next::After(MOVED_LOOK),
        }))
    }

    /// Whether the object asks for a look past what is remembered of Svix.
    pub(super) fn forced(&self, object: &Object) -> bool {
        object.asked().is_some()
    }

    /// Notes that a difference is about to be mended. It is refused when the same one was mended too often: somebody
    /// else means it, and two that take turns would never end.
    pub(super) fn may_mend(&self, object: &Object, differences: &[Difference]) -> Result<(), Box<Outcome>> {
        let found: Vec<_> =
            differences.iter().map(|difference| (difference.field, &difference.found)).collect();
        let what = self.seed.hash_one(&found);
        let generation = object.meta().generation;
        let now = Instant::now();
        let first = self.remember(&object.key(), |memory| {
            memory.mended.retain(|one| {
                one.generation == generation && now.duration_since(one.at) < PEACE && !self.forced(object)
            });
            let same: Vec<_> =
                memory.mended.iter().filter(|one| one.what == what).map(|one| one.at).collect();
            if same.len() >= MENDED_AT_MOST {
                return same.first().copied();
            }
            // What is changed with the spec is no drift.
            if self.is_drift(object) {
                if memory.mended.len() >= REMEMBERED {
                    memory.mended.remove(0);
                }
                memory.mended.push(Mended { at: now, what, generation });
            }
            None
        });
        let Some(first) = first else { return Ok(()) };
        let message = format!(
            "somebody keeps changing it in Svix: {}. It was changed back {MENDED_AT_MOST} times within an hour and is left \
             for now; find who else declares it, or set managementPolicy: Observe here",
            describe(differences)
        );
        let next = Next::Later(PEACE.saturating_sub(now.duration_since(first)));
        Err(Box::new(Outcome { next, ..Outcome::stalled(ReconcileError::new(Reason::Contested, message)) }))
    }

    /// Adds to a message the others that declare what this object holds; an Event tells of new ones.
    pub(super) fn name_rivals(&self, object: &Object, message: &mut String) {
        let key = object.key();
        let Some((connection, thing)) = self.registry.thing_of(&key) else { return };
        let rivals = self.registry.rivals(&connection, &thing, &key);
        let news = self.remember(&key, |memory| {
            let news = rivals.iter().any(|rival| !memory.rivals.contains(rival));
            memory.rivals.clone_from(&rivals);
            news
        });
        let names: Vec<_> = rivals.iter().take(3).map(ObjectKey::to_string).collect();
        let text = match rivals.len() {
            0 => return,
            1 => format!("{} declares it, too, and waits", names.join(", ")),
            number if number <= names.len() => format!("{} declare it, too, and wait", names.join(", ")),
            number => {
                format!("{} and {} more declare it, too, and wait", names.join(", "), number - names.len())
            }
        };
        message.push_str("; ");
        message.push_str(&text);
        if news {
            let reason = EventReason::Contested.as_str();
            tracing::warn!(object = %key, action = reason, "{text}");
            self.host.publish_event(object, EventRecord { warning: true, reason, message: text });
        }
    }

    /// How an object stands that is only compared.
    pub(super) fn compared(
        &self,
        mode: Mode,
        what: Option<(Action, &[Difference])>,
        refusal: Option<&ReconcileError>,
    ) -> Outcome {
        let (reason, why) = match mode {
            Mode::Suspended => (Reason::Suspended, "suspended: nothing is written"),
            Mode::Observe | Mode::Manage => (Reason::Observed, "observed: nothing is written"),
        };
        let (reason, status, text) = match what {
            None => (reason, ConditionStatus::True, "Svix holds what is declared".to_owned()),
            Some((action, differences)) => {
                (Reason::Differs, ConditionStatus::False, would(action, differences, refusal))
            }
        };
        let extra = ExtraCondition {
            type_: ConditionType::InSync,
            status,
            reason: if what.is_some() { Reason::Differs } else { Reason::InSync },
            message: text.clone(),
        };
        // A suspended object says that it is, whatever Svix holds.
        let reason = if mode == Mode::Suspended { Reason::Suspended } else { reason };
        Outcome {
            verdict: ReadyState::Ready(reason, format!("{why}; {text}")),
            hold: None,
            seen: Some(Box::new(Seen {
                extra_conditions: vec![extra],
                difference: what.map(|(action, differences)| difference(action, differences)),
                ..Seen::default()
            })),
            next: Next::Settled,
        }
    }

    /// A digest of something that must not be shown. It means nothing outside this process.
    pub(super) fn digest(&self, of: &impl Hash) -> u64 {
        self.seed.hash_one(of)
    }
}

/// What status says that an object holds.
fn held_thing(object: &Object) -> Option<SvixResource> {
    match object {
        Object::Connection(_) | Object::Event(_) => None,
        Object::EventType(it) => {
            let svix = it.status.as_ref()?.svix.as_ref()?;
            Some(SvixResource::EventType(svix.name.as_str().into()))
        }
        Object::Endpoint(it) => {
            let svix = it.status.as_ref()?.svix.as_ref()?;
            Some(SvixResource::Endpoint(svix.application.as_str().into(), svix.uid.as_str().into()))
        }
    }
}

/// Whether a connection lets go of everything while it is being deleted.
pub(super) fn is_orphaning(connection: &SvixConnection) -> bool {
    connection.metadata.deletion_timestamp.is_some()
        && api::annotation(&connection.metadata, ORPHAN_ON_DELETE_ANNOTATION) == Some("true")
}

/// What managing an object would do.
fn would(action: Action, differences: &[Difference], refusal: Option<&ReconcileError>) -> String {
    let fields = describe(differences);
    match (action, refusal) {
        (_, Some(refusal)) => format!("managing it would be refused: {}", refusal.message),
        (Action::Create, _) => "it is not in Svix, and would be made".to_owned(),
        (Action::Adopt, _) if fields.is_empty() => "it is in Svix, equal, and would be adopted".to_owned(),
        (Action::Adopt, _) => format!("it is in Svix, and would be adopted and changed: {fields}"),
        (Action::Revive, _) if fields.is_empty() => {
            "it is archived in Svix, and would be brought back".to_owned()
        }
        (Action::Revive, _) => format!("it is archived in Svix, and would be brought back: {fields}"),
        (Action::Change, _) if fields.is_empty() => {
            "its owner mark is missing, and would be written".to_owned()
        }
        (Action::Change, _) => format!("it would be changed: {fields}"),
        (Action::Refuse, None) => "managing it would be refused".to_owned(),
    }
}
