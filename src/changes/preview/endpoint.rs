//! What `diff` shows for an endpoint.

use crate::{
    engine::{Object, Proposal},
    plan::{
        Field,
        endpoint::{self, EndpointStep},
    },
};

use super::{
    super::{
        fields::{self, header_field},
        model::{Action, Change, FieldChange},
        placeholders::MissingSecrets,
    },
    refusal::refuse,
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

/// Returns what would be done for an endpoint; `None`: the proposal is about another kind. Fields whose values `missing` has are
/// not compared.
pub(super) fn change(
    object: &Object,
    proposal: Proposal<'_>,
    missing: &MissingSecrets,
    hidden_headers: HiddenHeaders,
) -> Option<Change> {
    let Proposal::Endpoint { desired, observed, step, hidden, unknown_headers, creates_application } =
        proposal
    else {
        return None;
    };
    let not_known = match object {
        Object::Endpoint(object) => missing.fields(object),
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
        match hidden_headers {
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
    Some(change)
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
