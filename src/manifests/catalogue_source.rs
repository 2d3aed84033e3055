//! What a folder's event types declare, for who judges payloads by them.
//!
//! Of two objects that declare one event type, the holder's schema counts, and of one that its connection's `access`
//! does not let have it never. One that is broken, or whose file
//! is, counts as it was before: a slip of the pen lets nothing through.

use std::collections::{BTreeMap, HashMap};

use crate::{
    api::{EventTypeNames, SvixConnectionSpec, WebhookEventType},
    catalogue::{self, Catalogue},
    plan::{
        ReconcileError, access,
        claims::{self, Declarer},
        ids,
        schema_source::{self, Source},
    },
};

use super::Loaded;

/// Event types by connection and name, each with the objects that declare it.
type Declaring<'a> = BTreeMap<(&'a str, String), Vec<&'a WebhookEventType>>;
/// Texts by namespace, ConfigMap and key.
type ConfigMaps = HashMap<(String, String, String), String>;

/// Keeps a catalogue in step with a folder.
pub struct Feed {
    catalogue: Catalogue,
    connections: HashMap<String, SvixConnectionSpec>,
    /// The labels of namespaces, which the rules of connections speak of.
    namespaces: HashMap<String, BTreeMap<String, String>>,
    event_types: Vec<WebhookEventType>,
    /// What is in the catalogue, by connection and name.
    good: BTreeMap<(String, String), catalogue::Declared>,
    /// Which object holds what, as namespace and name: it does so for as long as it declares it.
    holders: BTreeMap<(String, String), ObjectName>,
    /// What has been told already.
    told: Vec<String>,
}

type ObjectName = (Option<String>, Option<String>);

fn object_name(object: &WebhookEventType) -> ObjectName {
    (object.metadata.namespace.clone(), object.metadata.name.clone())
}

impl Feed {
    /// A feeder of this catalogue that has seen nothing yet.
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            connections: HashMap::new(),
            namespaces: HashMap::new(),
            event_types: Vec::new(),
            good: BTreeMap::new(),
            holders: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    /// The connection of this name, as the folder declares it.
    #[must_use]
    pub fn connection(&self, name: &str) -> Option<&SvixConnectionSpec> {
        self.connections.get(name)
    }

    /// Takes in a folder as it is now. Answers what cannot be used and was not said before, one line each.
    pub fn take(&mut self, loaded: &Loaded) -> Vec<String> {
        let keeps = |kind: &str, namespace: Option<&str>, name: Option<&str>| {
            loaded.may_lack_objects() || loaded.is_broken(kind, namespace, name.unwrap_or_default())
        };
        self.connections.retain(|name, _| keeps("SvixConnection", None, Some(name)));
        self.connections.extend(loaded.connections.iter().filter_map(|declared| {
            Some((declared.object.metadata.name.clone()?, declared.object.spec.clone()))
        }));
        self.namespaces.retain(|name, _| keeps("Namespace", None, Some(name)));
        self.namespaces.extend(loaded.namespaces.iter().filter_map(|declared| {
            let metadata = &declared.object.metadata;
            Some((metadata.name.clone()?, metadata.labels.clone().unwrap_or_default()))
        }));
        let now: Vec<_> = loaded.event_types.iter().map(|declared| &declared.object).collect();
        self.event_types.retain(|old| {
            let (namespace, name) = object_name(old);
            now.iter().all(|object| object_name(object) != (namespace.clone(), name.clone()))
                && keeps("WebhookEventType", namespace.as_deref(), name.as_deref())
        });
        self.event_types.extend(now.into_iter().cloned());
        let config_maps = config_maps(loaded);
        let mut lines: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        lines.extend(self.feed(&config_maps));
        let new = lines.iter().filter(|line| !self.told.contains(line)).cloned().collect();
        self.told = lines;
        self.catalogue.loaded();
        new
    }

    /// Puts into the catalogue what the event types declare. Answers what cannot be used.
    fn feed(&mut self, config_maps: &ConfigMaps) -> Vec<String> {
        let mut lines = Vec::new();
        let (mut good, mut holders) = (BTreeMap::new(), BTreeMap::new());
        for ((connection, name), objects) in declaring(&self.event_types) {
            let names = self.connections.get(connection).map(SvixConnectionSpec::event_type_names);
            let key = (connection.to_owned(), name);
            let before = self.holders.get(&key);
            let Some(holder) = holder(&objects, before, |object| self.permitted(object).is_ok()) else {
                let refusals = objects.iter().filter_map(|object| self.permitted(object).err());
                lines.extend(refusals.map(|refusal| format!("event type {}: {refusal}", key.1)));
                continue;
            };
            let declares = |object: &&&WebhookEventType| before == Some(&object_name(object));
            let barred = objects.iter().find(declares).is_some_and(|object| self.permitted(object).is_err());
            holders.insert(key.clone(), object_name(holder));
            match resolve(holder, &key.1, names, config_maps) {
                Ok(declared) => {
                    good.insert(key, declared);
                }
                Err(problem) => {
                    let before = self.good.get(&key).filter(|_| !barred);
                    let then = if before.is_some() {
                        "the schema before it stays"
                    } else {
                        "the event type counts as undeclared"
                    };
                    lines.push(format!("event type {}: {problem}; {then}", key.1));
                    if let Some(before) = before {
                        good.insert(key, before.clone());
                    }
                }
            }
        }
        let mut tables: BTreeMap<&str, Vec<(String, catalogue::Declared)>> = BTreeMap::new();
        for (connection, _) in self.good.keys() {
            // One that has no event types left is emptied.
            tables.entry(connection).or_default();
        }
        for ((connection, name), declared) in &good {
            tables.entry(connection).or_default().push((name.clone(), declared.clone()));
        }
        for (connection, table) in tables {
            for (name, error) in self.catalogue.replace(connection, table) {
                lines.push(format!("event type {name}: {error}"));
            }
        }
        self.good = good;
        self.holders = holders;
        lines
    }

    /// Checks that the connection permits an object the event type that it declares.
    fn permitted(&self, object: &WebhookEventType) -> Result<(), ReconcileError> {
        let connection = self.connections.get(object.connection_name());
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        access::check(object, namespace, connection, self.namespaces.get(namespace))
    }
}

fn declaring(event_types: &[WebhookEventType]) -> Declaring<'_> {
    let mut declaring = Declaring::new();
    for object in event_types {
        let thing = (object.connection_name(), object.event_type_name());
        declaring.entry(thing).or_default().push(object);
    }
    declaring
}

/// The one that counts of those that declare an event type, and the one that did before.
fn holder<'a>(
    objects: &[&'a WebhookEventType],
    before: Option<&ObjectName>,
    permitted: impl Fn(&WebhookEventType) -> bool,
) -> Option<&'a WebhookEventType> {
    let declarers: Vec<Declarer<'_>> = objects
        .iter()
        .map(|object| Declarer {
            // Manifests have no status; the owner is the one that it was before.
            is_owner: before.is_some_and(|before| *before == object_name(object)),
            ..Declarer::of_event_type(object, permitted(object))
        })
        .collect();
    claims::owner(&declarers).and_then(|index| objects.get(index).copied())
}

/// What an event type declares, once it is found good.
fn resolve(
    object: &WebhookEventType,
    name: &str,
    names: Option<EventTypeNames>,
    config_maps: &ConfigMaps,
) -> Result<catalogue::Declared, String> {
    ids::check_event_type_name(name, names.unwrap_or_default())
        .map_err(|error| format!("/spec/name: {error}"))?;
    let schema = match schema_source::schema_text(object).map_err(|refusal| refusal.message)? {
        Source::Inline(schema) => schema,
        Source::ConfigMap(reference) => {
            let namespace = object.metadata.namespace.clone().unwrap_or_default();
            let place = (namespace, reference.name.clone(), reference.key.clone());
            let text = config_maps.get(&place).ok_or_else(|| {
                format!(
                    "/spec/schemaFrom: no file declares ConfigMap {}/{} with key {:?}",
                    place.0, reference.name, reference.key
                )
            })?;
            schema_source::parse_schema(object, text).map_err(|refusal| refusal.message)?
        }
    };
    // Svix gets only what passes this, so nothing else is judged by either.
    schema_source::validate(object, schema.to_value()).map_err(|refusal| refusal.message)?;
    Ok(catalogue::Declared {
        schema,
        format_assertion: object.spec.format_assertion(),
        policy: object.spec.payload_policy(),
    })
}

fn config_maps(loaded: &Loaded) -> ConfigMaps {
    let mut texts = HashMap::new();
    for map in loaded.config_maps.iter().map(|declared| &declared.object) {
        let namespace = map.metadata.namespace.clone().unwrap_or_default();
        let name = map.metadata.name.clone().unwrap_or_default();
        for (key, text) in map.data.iter().flatten() {
            texts.insert((namespace.clone(), name.clone(), key.clone()), text.clone());
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::{catalogue::Judgement, manifests::load};

    fn manifest(name: &str, event_type: &str, spec: &str) -> String {
        format!(
            "---\napiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEventType\nmetadata: {{name: {name}}}\n\
             spec: {{name: {event_type}, {spec}}}\n"
        )
    }

    fn valid(catalogue: &Catalogue, key: &str) -> Option<bool> {
        match catalogue.judge("default", "a.b", &json!({ key: 1 })) {
            Judgement::Valid => Some(true),
            Judgement::Invalid { .. } => Some(false),
            Judgement::Undeclared => None,
        }
    }

    #[test]
    fn the_holders_schema_counts_and_a_broken_one_displaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::default();
        let mut feed = Feed::new(catalogue.clone());
        let mut take = |files: &[(&str, String)]| {
            for entry in std::fs::read_dir(dir.path()).unwrap() {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
            for (file, text) in files {
                std::fs::write(Path::new(dir.path()).join(file), text).unwrap();
            }
            feed.take(&load(dir.path()))
        };
        let one = manifest("one", "a.b", "schema: {required: [one]}");
        let two = manifest("two", "a.b", "schema: {required: [two]}");
        assert_eq!(take(&[("2.yaml", two.clone()), ("1.yaml", one.clone())]), Vec::<String>::new());
        assert!(catalogue.is_loaded());
        assert_eq!((valid(&catalogue, "one"), valid(&catalogue, "two")), (Some(true), Some(false)));

        // Broken in each way there is: the schema, the text of it, the file.
        for broken in [
            manifest("one", "a.b", "schema: {type: strin}"),
            manifest("one", "a.b", "schemaText: '{'"),
            manifest("one", "a.b", "schemaFrom: {configMapKeyRef: {name: none, key: schema}}"),
            manifest("one", "a.b", "schema: {required: [two]}, examples: [{name: x, value: {one: 1}}]"),
            manifest("one", "a.b", "schema: {required: [two]}, unknown: 1"),
            "kind: [".to_owned(),
        ] {
            let told = take(&[("1.yaml", broken.clone())]);
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(valid(&catalogue, "one"), Some(true), "{broken}");
            assert_eq!(take(&[("1.yaml", broken)]), Vec::<String>::new(), "it is told once");
        }

        assert_eq!(take(&[("2.yaml", two.clone())]), Vec::<String>::new());
        assert_eq!(valid(&catalogue, "two"), Some(true), "the other one takes over");
        assert_eq!(take(&[("1.yaml", one), ("2.yaml", two)]), Vec::<String>::new());
        assert_eq!(valid(&catalogue, "two"), Some(true), "and holds it while it declares it");
        let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: schemas}\ndata: {s: '{\"required\": [\"three\"]}'}\n";
        let three = manifest("three", "a.b", "schemaFrom: {configMapKeyRef: {name: schemas, key: s}}");
        assert_eq!(take(&[("3.yaml", three + map)]), Vec::<String>::new());
        assert_eq!(valid(&catalogue, "three"), Some(true));
        assert_eq!(take(&[]), Vec::<String>::new());
        assert_eq!(valid(&catalogue, "three"), None);
    }

    #[test]
    fn an_event_type_that_its_namespace_may_not_declare_judges_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::default();
        let mut feed = Feed::new(catalogue.clone());
        let mut take = |files: &[&String]| {
            for (index, text) in files.iter().enumerate() {
                std::fs::write(dir.path().join(format!("{index}.yaml")), text).unwrap();
            }
            feed.take(&load(dir.path()))
        };
        let rules = |team: &str| {
            format!(
                "apiVersion: svix-operator.dev/v1alpha1\nkind: SvixConnection\nmetadata: {{name: default}}\nspec:\n  \
                 tokenSecretRef: {{name: t, key: token}}\n  ownerId: o\n  access:\n  - namespaces: {{matchLabels: \
                 {{team: {team}}}}}\n    eventTypes: [a.*]\n"
            )
        };
        let namespaces = ["one", "two"].map(|name| {
            format!(
                "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{team: {name}}}}}\n"
            )
        });
        let in_namespace = |name: &str, spec: &str| {
            manifest(name, "a.b", spec).replacen("{name: ", &format!("{{namespace: {name}, name: "), 1)
        };
        let (one, two) = (
            in_namespace("one", "schema: {required: [one]}"),
            in_namespace("two", "schema: {required: [two]}"),
        );
        let both = format!("{}{}", namespaces[0], namespaces[1]);
        assert_eq!(take(&[&rules("two"), &both, &one, &two]), Vec::<String>::new());
        assert_eq!((valid(&catalogue, "one"), valid(&catalogue, "two")), (Some(false), Some(true)));
        take(&[&rules("one")]);
        assert_eq!(valid(&catalogue, "one"), Some(true), "the rules have changed");
        // Who held it and may not any more leaves nothing behind, not even for one whose schema is broken.
        take(&[&rules("two"), &both, &one, &in_namespace("two", "schema: {type: strin}")]);
        assert_eq!(valid(&catalogue, "one"), None);
        let told = take(&[&rules("three"), &both, &one, &two]);
        assert!(told.iter().any(|line| line.contains("namespace \"one\" may not declare")), "{told:?}");
        assert_eq!(valid(&catalogue, "one"), None);
        let observed = "schema: {required: [one]}, managementPolicy: Observe";
        let open = rules("one").replace("{matchLabels: {team: one}}", "{}");
        take(&[&open, &both, &in_namespace("one", observed), &two]);
        assert_eq!(valid(&catalogue, "two"), Some(true), "one that is observed gives way");
    }
}
