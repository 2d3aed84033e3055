//! Feeds a catalogue with the event types of a folder, for the gateway of `dev` and for `--from`.
//!
//! If two objects declare one event type, the schema of its owner is used, and never that of an object to which the
//! connection's `access` does not grant the event type. An object that is broken now, or whose file is, keeps its
//! previous schema: a mistake in a file lets no payload pass.

use std::collections::{BTreeMap, HashMap};

use crate::{
    api::{ConfigMapKeyRef, EventTypeNames, SvixConnectionSpec, WebhookEventType},
    catalogue::{self, Catalogue},
    engine::Kind,
    plan::{
        ReconcileError, access,
        claims::{self, Declarer},
        ids::{self, InvalidEventTypeName},
        schema_source::{self, Source},
    },
    schema::InvalidSchema,
};

use super::{
    loaded::{ConfigMapTexts, Loaded},
    problem::Problem,
};

/// Event types by connection and name, each with the objects that declare it.
type Declarers<'a> = BTreeMap<(&'a str, String), Vec<&'a WebhookEventType>>;

/// Namespace and name of an object.
type ObjectName = (Option<String>, Option<String>);

fn object_name(object: &WebhookEventType) -> ObjectName {
    (object.metadata.namespace.clone(), object.metadata.name.clone())
}

/// Keeps a catalogue in sync with a folder.
pub struct CatalogueSource {
    catalogue: Catalogue,
    connections: HashMap<String, SvixConnectionSpec>,
    /// The labels of namespaces, which the access rules of connections select.
    namespaces: HashMap<String, BTreeMap<String, String>>,
    event_types: Vec<WebhookEventType>,
    /// The content of the catalogue, by connection and name.
    published: BTreeMap<(String, String), catalogue::Declared>,
    /// The owner of each event type. It stays the owner for as long as it declares the event type.
    owners: BTreeMap<(String, String), ObjectName>,
    /// The problems that were reported already.
    reported: Vec<CatalogueProblem>,
}

/// Something in a folder that the catalogue cannot use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueProblem {
    /// A mistake in a manifest.
    #[error("{0}")]
    Manifest(Problem),
    /// An event type that its namespace may not declare.
    #[error("event type {event_type}: {source}")]
    NotPermitted {
        /// The event type.
        event_type: String,
        /// The reason.
        source: ReconcileError,
    },
    /// An event type whose schema cannot be used.
    #[error("event type {event_type}: {source}; {}", outcome(*.keeps_previous))]
    Unusable {
        /// The event type.
        event_type: String,
        /// The reason.
        source: UnusableSchema,
        /// Whether its previous schema is still used.
        keeps_previous: bool,
    },
    /// An event type whose schema does not compile.
    #[error("event type {event_type}: {source}")]
    Schema {
        /// The event type.
        event_type: String,
        /// The reason.
        source: InvalidSchema,
    },
}

fn outcome(keeps_previous: bool) -> &'static str {
    match keeps_previous {
        true => "its previous schema is used",
        false => "the event type counts as undeclared",
    }
}

/// Why the schema of an event type cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableSchema {
    /// The event type cannot have this name.
    #[error("/spec/name: {0}")]
    Name(#[from] InvalidEventTypeName),
    /// No file declares the ConfigMap.
    #[error("/spec/schemaFrom: no file declares ConfigMap {namespace}/{} with key {:?}", .reference.name, .reference.key)]
    NoConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name and key.
        reference: ConfigMapKeyRef,
    },
    /// The schema or an example is not valid.
    #[error(transparent)]
    Invalid(#[from] ReconcileError),
}

impl CatalogueSource {
    /// A source of this catalogue that has read nothing yet.
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            connections: HashMap::new(),
            namespaces: HashMap::new(),
            event_types: Vec::new(),
            published: BTreeMap::new(),
            owners: BTreeMap::new(),
            reported: Vec::new(),
        }
    }

    /// Returns the connection of this name, as the folder declares it.
    #[must_use]
    pub fn connection(&self, name: &str) -> Option<&SvixConnectionSpec> {
        self.connections.get(name)
    }

    /// Updates the catalogue with the content of the folder. Returns the problems that were not reported before.
    pub fn update(&mut self, loaded: &Loaded) -> Vec<CatalogueProblem> {
        self.take_in(loaded);
        let mut problems: Vec<_> = loaded.problems.iter().cloned().map(CatalogueProblem::Manifest).collect();
        problems.extend(self.publish(&loaded.config_map_texts()));
        let new = problems.iter().filter(|problem| !self.reported.contains(problem)).cloned().collect();
        self.reported = problems;
        self.catalogue.loaded();
        new
    }

    /// Replaces what an earlier reading brought, except what is broken now.
    fn take_in(&mut self, loaded: &Loaded) {
        let keeps = |kind: Kind, namespace: Option<&str>, name: &str| {
            loaded.keeps_previous(kind.as_str(), namespace, name)
        };
        self.connections.retain(|name, _| keeps(Kind::Connection, None, name));
        self.connections.extend(loaded.connections.iter().filter_map(|located| {
            Some((located.object.metadata.name.clone()?, located.object.spec.clone()))
        }));
        self.namespaces.retain(|name, _| loaded.keeps_previous("Namespace", None, name));
        self.namespaces.extend(loaded.namespaces.iter().filter_map(|located| {
            let metadata = &located.object.metadata;
            Some((metadata.name.clone()?, metadata.labels.clone().unwrap_or_default()))
        }));
        let current: Vec<_> = loaded.event_types.iter().map(|located| &located.object).collect();
        self.event_types.retain(|previous| {
            let (namespace, name) = object_name(previous);
            let is_replaced = current
                .iter()
                .any(|object| (&object.metadata.namespace, &object.metadata.name) == (&namespace, &name));
            !is_replaced && keeps(Kind::EventType, namespace.as_deref(), name.as_deref().unwrap_or_default())
        });
        self.event_types.extend(current.into_iter().cloned());
    }

    /// Writes the declared event types into the catalogue. Returns what cannot be used.
    fn publish(&mut self, config_maps: &ConfigMapTexts) -> Vec<CatalogueProblem> {
        let mut problems = Vec::new();
        let (mut usable, mut owners) = (BTreeMap::new(), BTreeMap::new());
        for ((connection, event_type), objects) in declarers(&self.event_types) {
            let names = self.connections.get(connection).map(SvixConnectionSpec::event_type_names);
            let key = (connection.to_owned(), event_type.clone());
            let previous_owner = self.owners.get(&key);
            let Some(owner) = owner(&objects, previous_owner, |object| self.permitted(object).is_ok()) else {
                let errors = objects.iter().filter_map(|object| self.permitted(object).err());
                problems.extend(
                    errors.map(|source| CatalogueProblem::NotPermitted {
                        event_type: event_type.clone(),
                        source,
                    }),
                );
                continue;
            };
            let is_previous_owner =
                |object: &&&WebhookEventType| previous_owner == Some(&object_name(object));
            let is_barred =
                objects.iter().find(is_previous_owner).is_some_and(|object| self.permitted(object).is_err());
            owners.insert(key.clone(), object_name(owner));
            match resolve(owner, &event_type, names, config_maps) {
                Ok(declared) => {
                    usable.insert(key, declared);
                }
                Err(source) => {
                    let previous = self.published.get(&key).filter(|_| !is_barred);
                    let keeps_previous = previous.is_some();
                    problems.push(CatalogueProblem::Unusable { event_type, source, keeps_previous });
                    if let Some(previous) = previous {
                        usable.insert(key, previous.clone());
                    }
                }
            }
        }
        let mut tables: BTreeMap<&str, Vec<(String, catalogue::Declared)>> = BTreeMap::new();
        for (connection, _) in self.published.keys() {
            // A connection that has no event types any more is emptied.
            tables.entry(connection).or_default();
        }
        for ((connection, name), declared) in &usable {
            tables.entry(connection).or_default().push((name.clone(), declared.clone()));
        }
        for (connection, table) in tables {
            for (event_type, source) in self.catalogue.replace(connection, table) {
                problems.push(CatalogueProblem::Schema { event_type, source });
            }
        }
        (self.published, self.owners) = (usable, owners);
        problems
    }

    /// Whether the connection grants an object the event type that it declares.
    fn permitted(&self, object: &WebhookEventType) -> Result<(), ReconcileError> {
        let connection = self.connections.get(object.connection_name());
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        access::check(object, namespace, connection, self.namespaces.get(namespace))
    }
}

fn declarers(event_types: &[WebhookEventType]) -> Declarers<'_> {
    let mut declarers = Declarers::new();
    for object in event_types {
        let event_type = (object.connection_name(), object.event_type_name());
        declarers.entry(event_type).or_default().push(object);
    }
    declarers
}

/// Returns the owner of an event type among the objects that declare it.
fn owner<'a>(
    objects: &[&'a WebhookEventType],
    previous: Option<&ObjectName>,
    permitted: impl Fn(&WebhookEventType) -> bool,
) -> Option<&'a WebhookEventType> {
    let declarers: Vec<Declarer<'_>> = objects
        .iter()
        .map(|object| Declarer {
            // Manifests have no status: the owner is the previous one.
            is_owner: previous.is_some_and(|previous| *previous == object_name(object)),
            ..Declarer::of_event_type(object, permitted(object))
        })
        .collect();
    claims::owner(&declarers).and_then(|index| objects.get(index).copied())
}

/// Returns what an event type declares, if it can be used.
fn resolve(
    object: &WebhookEventType,
    name: &str,
    names: Option<EventTypeNames>,
    config_maps: &ConfigMapTexts,
) -> Result<catalogue::Declared, UnusableSchema> {
    ids::check_event_type_name(name, names.unwrap_or_default())?;
    let schema = match schema_source::schema_text(object)? {
        Source::None => None,
        Source::Inline(schema) => Some(schema),
        Source::ConfigMap(reference) => {
            let namespace = object.metadata.namespace.clone().unwrap_or_default();
            let entry = (namespace, reference.name.clone(), reference.key.clone());
            let Some(text) = config_maps.get(&entry) else {
                let (namespace, reference) = (entry.0, reference.clone());
                return Err(UnusableSchema::NoConfigMap { namespace, reference });
            };
            Some(schema_source::parse_schema(object, text)?)
        }
    };
    // Svix gets only schemas that pass this, so no other one judges payloads here.
    if let Some(schema) = &schema {
        schema_source::validate(object, schema.to_value())?;
    }
    Ok(catalogue::Declared {
        schema,
        format_assertion: object.spec.format_assertion(),
        policy: object.spec.payload_policy(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::{catalogue::Judgement, manifests::folder::load};

    fn manifest(name: &str, event_type: &str, spec: &str) -> String {
        format!(
            "---\napiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEventType\nmetadata: {{name: {name}}}\n\
             spec: {{name: {event_type}, {spec}}}\n"
        )
    }

    fn valid(catalogue: &Catalogue, key: &str) -> Option<bool> {
        match catalogue.judge("default", "a.b", &json!({ key: 1 })) {
            Judgement::Valid | Judgement::NotValidated => Some(true),
            Judgement::Invalid { .. } => Some(false),
            Judgement::Undeclared => None,
        }
    }

    #[test]
    fn a_broken_schema_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::default();
        let mut source = CatalogueSource::new(catalogue.clone());
        let mut update = |files: &[(&str, String)]| {
            for entry in std::fs::read_dir(dir.path()).unwrap() {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
            for (file, text) in files {
                std::fs::write(Path::new(dir.path()).join(file), text).unwrap();
            }
            source.update(&load(dir.path()))
        };
        let one = manifest("one", "a.b", "schema: {required: [one]}");
        let two = manifest("two", "a.b", "schema: {required: [two]}");
        assert_eq!(update(&[("2.yaml", two.clone()), ("1.yaml", one.clone())]), Vec::new());
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
            let problems = update(&[("1.yaml", broken.clone())]);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(valid(&catalogue, "one"), Some(true), "{broken}");
            assert_eq!(update(&[("1.yaml", broken)]), Vec::new(), "it is reported once");
        }

        assert_eq!(update(&[("2.yaml", two.clone())]), Vec::new());
        assert_eq!(valid(&catalogue, "two"), Some(true), "the other one takes over");
        assert_eq!(update(&[("1.yaml", one), ("2.yaml", two)]), Vec::new());
        assert_eq!(valid(&catalogue, "two"), Some(true), "and owns it while it declares it");
        let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: schemas}\ndata: {s: '{\"required\": [\"three\"]}'}\n";
        let three = manifest("three", "a.b", "schemaFrom: {configMapKeyRef: {name: schemas, key: s}}");
        assert_eq!(update(&[("3.yaml", three + map)]), Vec::new());
        assert_eq!(valid(&catalogue, "three"), Some(true));
        assert_eq!(update(&[]), Vec::new());
        assert_eq!(valid(&catalogue, "three"), None);
    }

    #[test]
    fn an_event_type_without_permission_judges_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::default();
        let mut source = CatalogueSource::new(catalogue.clone());
        let mut update = |files: &[&String]| {
            for (index, text) in files.iter().enumerate() {
                std::fs::write(dir.path().join(format!("{index}.yaml")), text).unwrap();
            }
            source.update(&load(dir.path()))
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
        assert_eq!(update(&[&rules("two"), &both, &one, &two]), Vec::new());
        assert_eq!((valid(&catalogue, "one"), valid(&catalogue, "two")), (Some(false), Some(true)));
        update(&[&rules("one")]);
        assert_eq!(valid(&catalogue, "one"), Some(true), "the rules have changed");
        // An owner that lost its permission leaves no schema behind, not even for an object whose schema is broken.
        update(&[&rules("two"), &both, &one, &in_namespace("two", "schema: {type: strin}")]);
        assert_eq!(valid(&catalogue, "one"), None);
        let problems = update(&[&rules("three"), &both, &one, &two]);
        let is_refusal =
            |problem: &CatalogueProblem| problem.to_string().contains("namespace \"one\" may not declare");
        assert!(problems.iter().any(is_refusal), "{problems:?}");
        assert_eq!(valid(&catalogue, "one"), None);
        let observed = "schema: {required: [one]}, managementPolicy: Observe";
        let open = rules("one").replace("{matchLabels: {team: one}}", "{}");
        update(&[&open, &both, &in_namespace("one", observed), &two]);
        assert_eq!(valid(&catalogue, "two"), Some(true), "an object that only observes does not own it");
    }
}
