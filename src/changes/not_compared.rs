//! Objects that the engine did not compare: what stands in their status, and what they stand for in Svix.

use crate::{api::SvixConnectionSpec, engine::Object, plan::ids};

use super::model::{Action, Change, Refusal};

/// An object that could not be compared.
pub(super) fn refused(object: &Object, connection: Option<&SvixConnectionSpec>) -> Change {
    let ready = object.ready_condition();
    let (reason, message) = ready.map_or_else(
        || ("Unknown".to_owned(), "it was not compared in time".to_owned()),
        |condition| (condition.reason.to_string(), condition.message.to_string()),
    );
    let (resource, application) = resource(object, connection);
    let refusal = Some(Refusal { reason, message });
    Change { action: Action::Refuse, refusal, resource, application, ..Change::of(object) }
}

/// What an object that was not compared stands for in Svix, so that it is not taken for something that nobody declares.
fn resource(object: &Object, connection: Option<&SvixConnectionSpec>) -> (Option<String>, Option<String>) {
    match object {
        Object::EventType(event_type) => (Some(event_type.event_type_name()), None),
        Object::Endpoint(endpoint) => {
            let (key, spec) = (object.key(), &endpoint.spec);
            let default_uid =
                |it: &SvixConnectionSpec| ids::default_uid(&it.owner_id, &key.namespace, &key.name);
            let uid = spec.uid.clone().or_else(|| connection.map(default_uid));
            (uid, connection.map(|connection| spec.application(connection).to_owned()))
        }
        Object::Connection(_) | Object::Event(_) => (None, None),
    }
}
