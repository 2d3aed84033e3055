//! The reviewer of `diff`: takes in what would be done for each object.

use std::{collections::BTreeMap, fmt};

use parking_lot::Mutex;
use serde_json::Value;

use crate::{
    api::{Reason, WebhookEventType},
    engine::{Kind, Mode, Object, ObjectKey, Proposal, Reviewer},
    plan::{
        Field,
        endpoint::{self, EndpointStep},
        event_type::{self, EventTypeStep},
    },
    schema::evolution::{self, Level, Verdict, Version},
};

use super::{
    fields::{self, header_field},
    fingerprint::fingerprint,
    last_only,
    model::{Action, Change, ChangeSet, FieldChange, Refusal, Side},
    not_compared::refused,
    placeholders::MissingSecrets,
};

/// What becomes of headers whose values Svix hides, so that nobody knows whether they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HiddenHeaders {
    /// They are left as they are, and the change set says so.
    Left,
    /// They are written.
    Written,
    /// They are not mentioned.
    Ignored,
}

/// Takes in the steps of the engine, and writes nothing.
pub struct Preview {
    /// The key of fingerprints: the token.
    key: Vec<u8>,
    hidden_headers: HiddenHeaders,
    missing: MissingSecrets,
    /// Whether the earlier versions of schemas can be read.
    has_history: bool,
    changes: Mutex<BTreeMap<ObjectKey, Change>>,
}

impl fmt::Debug for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preview").finish_non_exhaustive()
    }
}

impl Preview {
    /// A preview without steps. `token`: that of the Svix server.
    #[must_use]
    pub fn new(token: &str, hidden_headers: HiddenHeaders) -> Self {
        let missing = MissingSecrets::default();
        let (key, changes) = (token.as_bytes().to_vec(), Mutex::default());
        Self { key, hidden_headers, missing, has_history: false, changes }
    }

    /// Earlier versions of schemas are compared with where a policy says so; else the change set says that they are not.
    #[must_use]
    pub fn with_history(self) -> Self {
        Self { has_history: true, ..self }
    }

    /// Values of these Secrets are placeholders, so what comes from them cannot be compared.
    #[must_use]
    pub fn without_secrets(self, missing: MissingSecrets) -> Self {
        Self { missing, ..self }
    }

    /// Returns the changes of these objects, connections among them. One for which the engine decided on no step is refused; its status says why.
    /// `origin`: the place of an object's manifest.
    #[must_use]
    pub fn change_set(&self, all: &[Object], origin: impl Fn(&ObjectKey) -> Option<String>) -> ChangeSet {
        let mut changes = std::mem::take(&mut *self.changes.lock());
        let objects = all.iter().filter(|object| matches!(object.kind(), Kind::EventType | Kind::Endpoint));
        let connections = all.iter().filter_map(|object| match object {
            Object::Connection(connection) => Some((object.key().name.to_string(), &connection.spec)),
            _ => None,
        });
        let connections: BTreeMap<_, _> = connections.collect();
        let changes = objects.map(|object| {
            let key = object.key();
            let connection = || connections.get(object.connection_name()).copied();
            let mut change = changes.remove(&key).unwrap_or_else(|| refused(object, connection()));
            change.origin = origin(&key);
            change
        });
        let changes: Vec<Change> = changes.collect();
        let notes = if self.has_history { None } else { last_only::note(&changes, all) };
        ChangeSet { notes: notes.into_iter().collect(), ..ChangeSet::new(changes) }
    }

    fn event_type(&self, object: &Object, mode: Mode, proposal: Proposal<'_>) -> Option<Change> {
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
        self.finish(object, mode, proposal, &mut change);
        Some(change)
    }

    fn endpoint(&self, object: &Object, mode: Mode, proposal: Proposal<'_>) -> Option<Change> {
        let Proposal::Endpoint { desired, observed, step, hidden, unknown_headers, creates_application } =
            proposal
        else {
            return None;
        };
        let not_known = match object {
            Object::Endpoint(object) => self.missing.fields(object),
            _ => Vec::new(),
        };
        let is_known = |field: &str| !not_known.iter().any(|(name, _)| name.eq_ignore_ascii_case(field));
        let mut change = Change {
            resource: Some(desired.uid.clone()),
            application: Some(desired.application.clone()),
            ..Change::of(object)
        };
        match step {
            EndpointStep::InSync => {}
            EndpointStep::Create => {
                change.action = Action::Create;
                change.fields = fields::created_endpoint(desired);
            }
            EndpointStep::Adopt(_, differences) => {
                change.action = Action::Adopt;
                change.fields = vec![fields::owner_mark(desired, observed)];
                change.fields.extend(fields::changed_endpoint(desired, observed, differences));
            }
            EndpointStep::Change(changed, differences) => {
                change.action = Action::Change;
                if desired.headers.is_some()
                    && is_known(Field::Url.as_str())
                    && observed.is_some_and(|observed| endpoint::goes_to_another_host(changed, observed))
                {
                    change.notes.push(
                        "the address moves to another host: headers are removed first, and written again afterwards"
                            .to_owned(),
                    );
                }
                change.fields = fields::changed_endpoint(desired, observed, differences);
                if observed.is_some_and(endpoint::Observed::is_preparing) {
                    change.notes.push("its creation was interrupted, and is completed".to_owned());
                } else if change.fields.is_empty() {
                    change.fields.push(fields::owner_mark(desired, observed));
                }
            }
            EndpointStep::Refuse(error) => refuse(&mut change, error),
        }
        let mut details = fields::hidden(hidden);
        let unknown: Vec<_> = unknown_headers
            .iter()
            .filter(|name| !is_named(&details, name) && is_known(&header_field(name)))
            .cloned()
            .collect();
        if !unknown.is_empty() && change.action != Action::Refuse {
            match self.hidden_headers {
                HiddenHeaders::Written => details.extend(fields::unknown_headers(&unknown)),
                HiddenHeaders::Left => {
                    let names = unknown.join(", ");
                    change.notes.push(format!("headers that Svix hides cannot be compared: {names}"));
                }
                HiddenHeaders::Ignored => {}
            }
        }
        if !details.is_empty() && change.action == Action::Nothing {
            change.action = Action::Change;
        }
        change.fields.extend(details);
        if creates_application && change.action == Action::Create {
            change.notes.push(format!("application {} is created if it does not exist", desired.application));
        }
        leave_out(&not_known, &mut change);
        self.finish(object, mode, proposal, &mut change);
        Some(change)
    }

    fn finish(&self, object: &Object, mode: Mode, proposal: Proposal<'_>, change: &mut Change) {
        if change.action.is_change() {
            change.fingerprint = Some(fingerprint(&self.key, &object.key(), proposal).to_string());
        }
        let why = match mode {
            Mode::Manage => return,
            Mode::Observe => "managementPolicy: Observe",
            Mode::Suspended => "suspend: true",
        };
        change.unmanaged = true;
        if change.action != Action::Nothing {
            change
                .notes
                .push(format!("nothing is written ({why}); managing it would {}", change.action.verb()));
            (change.action, change.fingerprint) = (Action::Nothing, None);
        }
    }
}

/// Leaves out the fields whose values are not known, each with the name of its Secret.
fn leave_out(not_known: &[(String, &str)], change: &mut Change) {
    if not_known.is_empty() {
        return;
    }
    let had_fields = !change.fields.is_empty();
    if change.action != Action::Create {
        let is_known =
            |field: &FieldChange| !not_known.iter().any(|(name, _)| name.eq_ignore_ascii_case(&field.field));
        change.fields.retain(is_known);
    }
    if change.action == Action::Change && had_fields && change.fields.is_empty() {
        change.action = Action::Nothing;
    }
    for (field, secret) in not_known {
        if change.action != Action::Create {
            change
                .notes
                .push(format!("{field} cannot be compared: Secret {secret} is not among the manifests"));
        }
        if !change.missing_secrets.iter().any(|known| known == secret) {
            change.missing_secrets.push((*secret).to_owned());
        }
    }
}

fn is_named(fields: &[FieldChange], header: &str) -> bool {
    fields.iter().any(|field| {
        field.field.strip_prefix("headers/").is_some_and(|name| name.eq_ignore_ascii_case(header))
    })
}

fn refuse(change: &mut Change, error: &crate::plan::ReconcileError) {
    change.action = Action::Refuse;
    change.incompatible = error.reason == Reason::BreakingChange;
    change.breaks_receivers = change.incompatible;
    let (reason, message) = (error.reason.as_str().to_owned(), error.message.clone());
    change.refusal = Some(Refusal { reason, message });
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

impl Reviewer for Preview {
    fn is_preview(&self) -> bool {
        true
    }

    fn propose(&self, object: &Object, mode: Mode, proposal: Proposal<'_>) {
        let change = match proposal {
            Proposal::EventType { .. } => self.event_type(object, mode, proposal),
            Proposal::Endpoint { .. } => self.endpoint(object, mode, proposal),
        };
        if let Some(change) = change {
            self.changes.lock().insert(object.key(), change);
        }
    }

    fn permits(&self, _: &ObjectKey, _: Proposal<'_>) -> bool {
        false
    }

    fn permits_details(&self, _: &ObjectKey) -> bool {
        false
    }

    fn writes_hidden_headers(&self) -> bool {
        false
    }
}
