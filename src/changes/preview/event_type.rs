//! What `diff` shows for an event type, and whether its new schema breaks receivers.

use serde_json::Value;

use crate::{
    api::WebhookEventType,
    engine::{Object, Proposal},
    plan::event_type::{self, EventTypeStep},
    schema::evolution::{self, Level, Verdict, Version},
};

use super::{
    super::{
        fields,
        model::{Action, Change, Side},
    },
    refusal::refuse,
};

/// Returns what would be done for an event type; `None`: the proposal is about another kind.
pub(super) fn change(object: &Object, proposal: Proposal<'_>) -> Option<Change> {
    let Proposal::EventType { desired, observed, schemas, step, warning } = proposal else { return None };
    let mut change = Change { resource: Some(desired.name.clone()), ..Change::of(object) };
    match step {
        EventTypeStep::InSync | EventTypeStep::Adopt => {}
        EventTypeStep::Create => {
            change.action = Action::Create;
            change.fields = fields::created_event_type(desired);
        }
        EventTypeStep::Revive(differences) => {
            change.action = Action::Unarchive;
            let desired = desired.clone().with_defaults();
            change.fields = fields::changed_event_type(&desired, observed, schemas, differences);
        }
        EventTypeStep::Change(differences) | EventTypeStep::Overwrite(differences) => {
            change.action = Action::Change;
            change.fields = fields::changed_event_type(desired, observed, schemas, differences);
        }
        EventTypeStep::Refuse(error) => refuse(&mut change, error),
    }
    if let Object::EventType(event_type) = object {
        let notes = change.notes.len();
        compare_schemas(&mut change, event_type, desired, observed, schemas);
        // Receivers that ignore what they do not know accept the change, and what the policy says is another question.
        if change.notes.len() == notes && change.action.is_change() {
            change.notes.extend(warning.map(str::to_owned));
        }
    }
    Some(change)
}

/// Says whether a receiver that relies on the schema before may refuse what the new one permits.
fn compare_schemas(
    change: &mut Change,
    object: &WebhookEventType,
    desired: &event_type::Desired,
    observed: Option<&event_type::Observed>,
    schemas: Option<&Value>,
) {
    let before = schemas.and_then(|schemas| schemas.get(event_type::SCHEMA_VERSION));
    let (Some(before), Some(after)) = (before.filter(|schema| schema.is_object()), &desired.schema) else {
        return;
    };
    let is_archived = observed.is_some_and(|observed| observed.archived);
    let differs = change.fields.iter().any(|field| field.field == "schema" && field.before != Side::Absent);
    if !change.action.is_change() || is_archived || !differs {
        return;
    }
    let format_assertion = object.spec.format_assertion();
    // What Svix has was accepted once, under rules that may have been others.
    let (Ok(old), Ok(new)) =
        (Version::new(before, format_assertion), Version::new(&after.value, format_assertion))
    else {
        return;
    };
    match evolution::compare(&old, &new, Level::ConsumerSafe) {
        Verdict::Safe => {}
        Verdict::Empty => {
            change.breaks_receivers = true;
            change.notes.push("no payload matches the new schema".to_owned());
        }
        Verdict::NotDecided { .. } => {
            change.notes.push("whether it breaks receivers is not decided".to_owned());
        }
        Verdict::Breaking(breaking) => {
            change.breaks_receivers = true;
            let witness = shortened(&breaking.witness.to_string());
            change.notes.push(format!(
                "breaks receivers: the new schema permits {witness}, which the old one refuses"
            ));
        }
    }
}

fn shortened(text: &str) -> String {
    const MAX: usize = 300;
    match text.char_indices().nth(MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
