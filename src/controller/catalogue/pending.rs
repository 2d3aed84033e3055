//! The event types whose schema is to be taken into the catalogue, in turns by the namespace of their owner.
//!
//! # Guarantees
//! - A namespace of which many event types wait delays that of another namespace by one schema for each kind of
//!   [`Compilation`].
//! - Of one event type, one declaration is compiled at a time, and the last one that was pushed is compiled last.
//! - Event types that wait take little memory: an object that would exceed [`MAX_KEPT`] is not kept, and is read again when its
//!   turn comes.

use std::{collections::HashMap, sync::Arc};

use crate::{api::WebhookEventType, catalogue::Compilation, turns::Turns};

use super::{super::watch::NamespacedName, declarations::EventTypeId};

/// Memory for the objects of event types that wait, in bytes of text.
const MAX_KEPT: usize = 4 * 1024 * 1024;
/// What an object takes beside its schema, in bytes.
const OBJECT_BYTES: usize = 2 * 1024;

/// An event type whose turn has come.
pub(super) struct Turn {
    pub event_type: EventTypeId,
    pub compilation: Compilation,
    /// The object that owns it.
    pub owner: NamespacedName,
    /// The object as it was read; `None`: it is to be read now.
    pub object: Option<WebhookEventType>,
}

/// The event types that wait or are being compiled.
#[derive(Default)]
pub(super) struct Pending {
    event_types: HashMap<EventTypeId, State>,
    waiting: HashMap<Compilation, Turns<Arc<str>, EventTypeId>>,
    /// The kinds of compilation that are in progress.
    running: Vec<Compilation>,
    /// The size of the objects that wait.
    kept: usize,
}

/// An event type has one that waits, one that is being compiled, or both.
#[derive(Default)]
struct State {
    waiting: Option<Waiting>,
    running: Option<Running>,
}

struct Waiting {
    owner: NamespacedName,
    object: Option<WebhookEventType>,
    compilation: Compilation,
}

struct Running {
    owner: NamespacedName,
    /// Whether its owner, or nobody, declares the event type any more.
    is_outdated: bool,
}

impl Pending {
    /// Has the declaration of an event type by its owner compiled, in place of one that waits.
    pub fn push(
        &mut self,
        event_type: &EventTypeId,
        owner: NamespacedName,
        object: Option<WebhookEventType>,
    ) {
        self.push_to(Compilation::Brief, event_type, owner, object);
    }

    fn push_to(
        &mut self,
        compilation: Compilation,
        event_type: &EventTypeId,
        owner: NamespacedName,
        object: Option<WebhookEventType>,
    ) {
        let before = self.take_waiting(event_type);
        let keeps_place = before
            .as_ref()
            .is_some_and(|it| (it.compilation, &it.owner.namespace) == (compilation, &owner.namespace));
        if let Some(before) = before.filter(|_| !keeps_place) {
            self.remove_turn(event_type, &before);
        }
        let size = object.as_ref().map_or(0, size);
        let object = object.filter(|_| self.kept + size <= MAX_KEPT);
        self.kept += object.as_ref().map_or(0, |_| size);
        if !keeps_place {
            let turns = self.waiting.entry(compilation).or_default();
            turns.push(owner.namespace.clone(), event_type.clone());
        }
        let state = self.event_types.entry(event_type.clone()).or_default();
        if let Some(running) = state.running.as_mut().filter(|running| running.owner != owner) {
            running.is_outdated = true;
        }
        state.waiting = Some(Waiting { owner, object, compilation });
    }

    /// Removes an event type that is not to be taken in any more. What is being compiled of it is not used.
    pub fn cancel(&mut self, event_type: &EventTypeId) {
        if let Some(waiting) = self.take_waiting(event_type) {
            self.remove_turn(event_type, &waiting);
        }
        if let Some(state) = self.event_types.get_mut(event_type) {
            match &mut state.running {
                Some(running) => running.is_outdated = true,
                None => drop(self.event_types.remove(event_type)),
            }
        }
    }

    /// Whether no event type waits or is being compiled.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.event_types.is_empty()
    }

    /// Returns the event type to compile next, if another one may be compiled now.
    pub fn next(&mut self) -> Option<Turn> {
        [Compilation::Brief, Compilation::Thorough].into_iter().find_map(|compilation| {
            if self.running.contains(&compilation) {
                return None;
            }
            let Self { event_types, waiting, .. } = self;
            let is_free = |event_type: &EventTypeId| {
                event_types.get(event_type).is_some_and(|state| state.running.is_none())
            };
            let turns = waiting.get_mut(&compilation)?;
            let (_, event_type) = turns.pop_where(|_, event_type| is_free(event_type))?;
            let Waiting { owner, object, compilation } = self.take_waiting(&event_type)?;
            let running = Running { owner: owner.clone(), is_outdated: false };
            self.event_types.entry(event_type.clone()).or_default().running = Some(running);
            self.running.push(compilation);
            Some(Turn { event_type, compilation, owner, object })
        })
    }

    /// Ends the turn of an event type. Returns whether what was compiled may be used.
    pub fn end(&mut self, event_type: &EventTypeId, compilation: Compilation) -> bool {
        self.running.retain(|running| *running != compilation);
        let Some(state) = self.event_types.get_mut(event_type) else { return false };
        let is_current = state.running.take().is_some_and(|running| !running.is_outdated);
        if state.waiting.is_none() {
            self.event_types.remove(event_type);
        }
        is_current
    }

    /// Has an event type compiled thoroughly whose turn ended, unless another declaration of it waits.
    pub fn repeat(
        &mut self,
        event_type: &EventTypeId,
        owner: NamespacedName,
        object: Option<WebhookEventType>,
    ) {
        if !self.event_types.contains_key(event_type) {
            self.push_to(Compilation::Thorough, event_type, owner, object);
        }
    }

    fn take_waiting(&mut self, event_type: &EventTypeId) -> Option<Waiting> {
        let waiting = self.event_types.get_mut(event_type)?.waiting.take()?;
        self.kept -= waiting.object.as_ref().map_or(0, size);
        Some(waiting)
    }

    fn remove_turn(&mut self, event_type: &EventTypeId, waiting: &Waiting) {
        if let Some(turns) = self.waiting.get_mut(&waiting.compilation) {
            turns.remove(&waiting.owner.namespace, |other| other == event_type);
        }
    }
}

/// Returns about how many bytes an object takes.
fn size(object: &WebhookEventType) -> usize {
    let schema = object.spec.schema.as_ref().map_or(0, |schema| schema.as_str().len());
    OBJECT_BYTES + schema + object.spec.schema_text.as_ref().map_or(0, String::len)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn event_type(name: &str) -> EventTypeId {
        EventTypeId { connection: "default".to_owned(), name: name.to_owned() }
    }

    fn owner(namespace: &str) -> NamespacedName {
        NamespacedName { namespace: namespace.into(), name: "a".into() }
    }

    fn object(bytes: usize) -> Option<WebhookEventType> {
        let spec = serde_json::from_value(json!({"schemaText": "x".repeat(bytes)})).unwrap();
        Some(WebhookEventType::new("a", spec))
    }

    /// Takes all turns, one after the other.
    fn turns(pending: &mut Pending) -> Vec<String> {
        let next = || {
            let turn = pending.next()?;
            pending.end(&turn.event_type, turn.compilation);
            Some(turn.event_type.name)
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn namespaces_take_turns() {
        let mut pending = Pending::default();
        for name in ["a1", "a2", "a3"] {
            pending.push(&event_type(name), owner("a"), None);
        }
        pending.push(&event_type("b1"), owner("b"), None);

        assert_eq!(turns(&mut pending), ["a1", "b1", "a2", "a3"]);
    }

    #[test]
    fn a_change_keeps_the_place_unless_the_owner_is_another() {
        let mut pending = Pending::default();
        for name in ["a1", "a2", "a3"] {
            pending.push(&event_type(name), owner("a"), object(1));
        }
        pending.push(&event_type("a1"), owner("a"), None);
        pending.push(&event_type("a2"), owner("b"), object(2));

        assert_eq!(turns(&mut pending), ["a1", "a2", "a3"]);
        assert_eq!((pending.kept, pending.event_types.len()), (0, 0));
        pending.push(&event_type("a3"), owner("b"), None);
        pending.push(&event_type("a2"), owner("a"), None);
        pending.push(&event_type("a3"), owner("a"), None);
        assert_eq!(turns(&mut pending), ["a2", "a3"]);
    }

    #[test]
    fn one_declaration_of_an_event_type_is_compiled_at_a_time() {
        let mut pending = Pending::default();
        pending.push(&event_type("a"), owner("a"), None);
        let first = pending.next().unwrap();
        pending.push(&event_type("a"), owner("a"), object(1));
        pending.push(&event_type("b"), owner("a"), None);
        assert!(pending.next().is_none(), "one brief compilation at a time");

        assert!(
            pending.end(&first.event_type, first.compilation),
            "an earlier one of the same owner is used"
        );
        pending.repeat(&first.event_type, first.owner, first.object);
        let second = pending.next().unwrap();

        assert_eq!((&second.event_type, second.compilation), (&event_type("a"), Compilation::Brief));
        assert!(second.object.is_some(), "the last one that was pushed");
        assert!(pending.end(&second.event_type, second.compilation));
        pending.repeat(&second.event_type, second.owner, second.object);
        let compilations: Vec<_> =
            std::iter::from_fn(|| pending.next()).map(|turn| turn.compilation).collect();
        assert_eq!(compilations, [Compilation::Brief, Compilation::Thorough], "at once");
    }

    #[test]
    fn what_nobody_declares_any_more_is_not_used() {
        for another in [false, true] {
            let mut pending = Pending::default();
            pending.push(&event_type("a"), owner("a"), None);
            pending.push(&event_type("b"), owner("a"), object(1));
            let turn = pending.next().unwrap();

            match another {
                false => pending.cancel(&event_type("a")),
                true => pending.push(&event_type("a"), owner("b"), None),
            }
            pending.cancel(&event_type("b"));

            assert!(!pending.end(&turn.event_type, turn.compilation));
            assert_eq!(turns(&mut pending).len(), usize::from(another));
            assert_eq!((pending.kept, pending.event_types.len()), (0, 0));
        }
    }

    #[test]
    fn objects_that_wait_take_bounded_memory() {
        let mut pending = Pending::default();
        for number in 0..20 {
            pending.push(&event_type(&number.to_string()), owner("a"), object(512 * 1024));
        }
        assert!(pending.kept <= MAX_KEPT);

        let objects = || {
            let turn = pending.next()?;
            pending.end(&turn.event_type, turn.compilation);
            Some(turn.object.is_some())
        };
        let kept = std::iter::from_fn(objects).filter(|is_kept| *is_kept).count();

        assert_eq!((kept, pending.kept), (7, 0));
    }
}
