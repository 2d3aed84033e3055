//! What is read of the claim of an object.

use crate::{api::CLAIM_ANNOTATION, plan::claims};

use super::{Object, SvixResource};

impl Object {
    /// Returns the connection on which the object may have created something whose end nobody recorded: the one in its
    /// claim, unless it is the one that it is reconciled through, or status records what is in Svix.
    #[must_use]
    pub fn half_created_on(&self) -> Option<&str> {
        if self.recorded_connection().is_some() {
            return None;
        }
        let (connection, _) = claims::claimed(self.meta())?;
        (connection != self.connection_name()).then_some(connection)
    }

    /// Returns the same object without its claim, if status records what the claim names. A claim is the proof of what was
    /// written before status says it, and is not read afterwards: all that ask for it ask status first. An object that is created in
    /// Svix again is claimed again, which is one write. The claims of ten thousand objects take 7 MB of memory.
    #[must_use]
    pub fn without_recorded_claim(mut self) -> Self {
        if self.is_claim_recorded() {
            let annotations = &mut self.meta_mut().annotations;
            if let Some(present) = annotations {
                present.remove(CLAIM_ANNOTATION);
            }
            annotations.take_if(|present| present.is_empty());
        }
        self
    }

    /// Whether status records what the object claims. It can record something else still: what the object had before it was
    /// moved to another connection.
    fn is_claim_recorded(&self) -> bool {
        let (Some((connection, name)), Some((recorded_on, recorded))) =
            (claims::claimed(self.meta()), self.resource().recorded())
        else {
            return false;
        };
        let is_same = match &recorded {
            SvixResource::EventType(recorded) => name == &**recorded,
            SvixResource::Endpoint(application, uid) => name.split_once('/') == Some((application, uid)),
        };
        is_same && connection == recorded_on
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::api::annotation;

    /// An event type that claims `claimed`, and whose status records what is named, on `default`.
    fn event_type(claimed: &str, recorded: Option<&str>) -> Object {
        let status = recorded.map(|name| json!({"svix": {"connection": "default", "name": name}}));
        let object = json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEventType",
            "metadata": {
                "name": "one", "namespace": "team", "uid": "u",
                "annotations": {"svix-operator.dev/claim": format!("u {claimed} digest"), "of": "a user"},
            },
            "spec": {}, "status": status,
        });
        Object::EventType(Arc::new(serde_json::from_value(object).unwrap()))
    }

    /// The same for an endpoint.
    fn endpoint(claimed: &str, recorded: Option<[&str; 2]>) -> Object {
        let status = recorded.map(|[application, uid]| {
            json!({"svix": {"connection": "default", "application": application, "id": "ep_1", "uid": uid}})
        });
        let object = json!({
            "apiVersion": "svix-operator.dev/v1alpha1", "kind": "WebhookEndpoint",
            "metadata": {
                "name": "one", "namespace": "team", "uid": "u",
                "annotations": {"svix-operator.dev/claim": format!("u {claimed}"), "of": "a user"},
            },
            "spec": {"url": "https://a.example", "eventTypes": ["a.one"]}, "status": status,
        });
        Object::Endpoint(Arc::new(serde_json::from_value(object).unwrap()))
    }

    #[test]
    fn a_claim_is_kept_until_status_records_what_it_names() {
        let kept = [
            event_type("default/a.one", None),
            event_type("other/a.one", Some("a.one")),
            event_type("default/a.two", Some("a.one")),
            endpoint("default/app/one", None),
            endpoint("other/app/one", Some(["app", "one"])),
            endpoint("default/other/one", Some(["app", "one"])),
            endpoint("default/app/two", Some(["app", "one"])),
        ];
        let recorded =
            [event_type("default/a.one", Some("a.one")), endpoint("default/app/one", Some(["app", "one"]))];
        let claims_of = |objects: &[Object]| -> Vec<bool> {
            let objects = objects.iter().cloned().map(Object::without_recorded_claim);
            objects.map(|object| annotation(object.meta(), CLAIM_ANNOTATION).is_some()).collect()
        };

        assert_eq!(claims_of(&kept), [true; 7]);
        assert_eq!(claims_of(&recorded), [false; 2]);
    }

    #[test]
    fn other_annotations_are_kept() {
        let object = event_type("default/a.one", Some("a.one")).without_recorded_claim();

        assert_eq!(annotation(object.meta(), "of"), Some("a user"));
    }
}
