//! What Svix holds for a pair, field by field, and how it differs from what the same specs make in an empty Svix.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use svix_operator::embedded::{EndpointState, EventTypeState, Snapshot};

use super::pair::Pair;

/// Fields and their values. Ids and times are not among them, nor is the mark, which names the namespace.
type Fields = BTreeMap<String, Value>;

const MARK: &str = "svix-operator.dev/";

fn of_event_type(held: &EventTypeState) -> Fields {
    // No `..`: a new field must be thought of here.
    let EventTypeState { description, archived, deprecated, schemas, feature_flag, times: _ } = held;
    let mut fields = Fields::from([
        ("description".to_owned(), json!(description)),
        ("archived".to_owned(), json!(archived)),
        ("deprecated".to_owned(), json!(deprecated)),
        ("featureFlag".to_owned(), json!(feature_flag)),
    ]);
    let schemas = schemas.iter().flatten();
    fields
        .extend(schemas.map(|(version, schema)| (format!("schemas/{version}"), with_whole_numbers(schema))));
    fields
}

/// The same JSON with 1 for 1.0, which is the same number: an API server reads the one and stores the other.
fn with_whole_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            #[allow(clippy::cast_possible_truncation)]
            Some(float) if float.fract() == 0.0 && float.abs() < 1e15 => json!(float as i64),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(with_whole_numbers).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), with_whole_numbers(value))).collect()
        }
        _ => value.clone(),
    }
}

fn of_endpoint(held: &EndpointState) -> Fields {
    let EndpointState {
        id: _,
        uid: _,
        url,
        description,
        throttle_rate,
        disabled,
        event_types,
        channels,
        metadata,
        headers,
        secret,
        old_secrets: _,
        times: _,
    } = held;
    let mut fields = Fields::from([
        ("url".to_owned(), json!(url)),
        ("description".to_owned(), json!(description)),
        ("throttleRate".to_owned(), json!(throttle_rate)),
        ("disabled".to_owned(), json!(disabled)),
        ("eventTypes".to_owned(), json!(event_types)),
        ("channels".to_owned(), json!(channels)),
        ("signingSecret".to_owned(), json!(secret)),
    ]);
    let metadata = metadata.iter().filter(|(key, _)| !key.starts_with(MARK));
    fields.extend(metadata.map(|(key, value)| (format!("metadata/{key}"), json!(value))));
    // The case of a header's name makes no difference.
    let headers = headers.iter();
    fields.extend(
        headers.map(|(name, value)| (format!("headers/{}", name.to_ascii_lowercase()), json!(value))),
    );
    fields
}

/// How what one Svix holds for a pair differs from what another does. `there` is one in which the pair's specs were never
/// others; each comes with the namespace of its objects. What is on hold is not compared.
pub fn differences(pair: &Pair, here: (&Snapshot, &str), there: (&Snapshot, &str)) -> Vec<String> {
    let mut differing = Vec::new();
    let [event_type_on_hold, endpoint_on_hold] = pair.on_hold();
    if !event_type_on_hold {
        let find =
            |(held, _): (&Snapshot, &str)| held.event_types.get(&pair.event_type_name()).map(of_event_type);
        let left_out = |field: &str| is_left_out_of_event_type(pair, field);
        differing.extend(compare("event type", find(here), find(there), left_out));
    }
    if !endpoint_on_hold {
        let find = |(held, namespace): (&Snapshot, &str)| {
            held.endpoint(pair.application(), &pair.uid(namespace)).map(of_endpoint)
        };
        let fresh = find(there);
        let left_out = |field: &str| is_left_out_of_endpoint(pair, field, fresh.as_ref());
        differing.extend(compare("endpoint", find(here), fresh.clone(), left_out));
    }
    differing
}

/// What the spec does not name keeps what was put there by somebody else.
fn is_left_out_of_event_type(pair: &Pair, field: &str) -> bool {
    let (spec, touched) = (&pair.event_type.0["spec"], &pair.touched[0]);
    match field {
        "description" | "deprecated" | "featureFlag" => {
            spec[field].is_null() && touched.contains("description")
        }
        // Other versions than ours are nobody's of us.
        other => other.starts_with("schemas/") && other != "schemas/1" && touched.contains("schemas"),
    }
}

fn is_left_out_of_endpoint(pair: &Pair, field: &str, fresh: Option<&Fields>) -> bool {
    let (spec, touched) = (&pair.endpoint.0["spec"], &pair.touched[1]);
    match field {
        "description" | "throttleRate" | "channels" => spec[field].is_null() && touched.contains(field),
        // `false` enables once, when the spec changes; unsaid, it is nobody's.
        "disabled" => spec["disabled"] != true && touched.contains("disabled"),
        // Svix makes one up, which no two have in common.
        "signingSecret" => spec["signingSecret"]["fromSecret"].is_null(),
        // Keys of others are kept.
        field if field.starts_with("metadata/") => {
            touched.contains("metadata") && fresh.is_none_or(|fresh| !fresh.contains_key(field))
        }
        field if field.starts_with("headers/") => spec["headers"].is_null() && touched.contains("headers"),
        _ => false,
    }
}

fn compare(
    what: &str,
    here: Option<Fields>,
    fresh: Option<Fields>,
    left_out: impl Fn(&str) -> bool,
) -> Vec<String> {
    let (Some(here), Some(fresh)) = (&here, &fresh) else {
        let is = |held: &Option<Fields>| if held.is_some() { "there" } else { "not there" };
        return match here.is_some() == fresh.is_some() {
            true => vec![format!("{what} is nowhere")],
            false => vec![format!("{what} is {}, fresh {}", is(&here), is(&fresh))],
        };
    };
    let fields = here.keys().chain(fresh.keys()).collect::<std::collections::BTreeSet<_>>();
    let differing =
        fields.into_iter().filter(|field| here.get(*field) != fresh.get(*field) && !left_out(field));
    differing
        .map(|field| format!("{what} {field}: {:?}, fresh {:?}", here.get(field), fresh.get(field)))
        .collect()
}

/// What a pair has left on the connection that it is not on.
pub fn left_over(pair: &Pair, elsewhere: &Snapshot, namespace: &str) -> Vec<String> {
    let mut left = Vec::new();
    if elsewhere.event_types.get(&pair.event_type_name()).is_some_and(|held| !held.archived) {
        left.push("its event type is alive on the connection that it left".to_owned());
    }
    let endpoint = elsewhere.endpoint(pair.application(), &pair.uid(namespace));
    if endpoint.is_some() && !pair.left_behind {
        left.push("its endpoint is still on the connection that it left".to_owned());
    }
    left
}
