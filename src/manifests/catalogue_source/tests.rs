//! A catalogue that follows a folder.
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
    let (one, two) =
        (in_namespace("one", "schema: {required: [one]}"), in_namespace("two", "schema: {required: [two]}"));
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

const CONNECTION: &str = "apiVersion: svix-operator.dev/v1alpha1\nkind: SvixConnection\nmetadata: {name: default}\n\
                          spec: {ownerId: o, tokenSecretRef: {name: t, key: token}, access: []}\n";

/// A folder with one event type and a second file.
struct Folder {
    dir: tempfile::TempDir,
    catalogue: Catalogue,
    source: CatalogueSource,
}

impl Folder {
    fn new() -> Self {
        let (dir, catalogue) = (tempfile::tempdir().unwrap(), Catalogue::default());
        std::fs::write(dir.path().join("a.yaml"), manifest("a.b", "a.b", "schema: {required: [one]}"))
            .unwrap();
        let source = CatalogueSource::new(catalogue.clone());
        Self { dir, catalogue, source }
    }

    fn update(&mut self, second: impl AsRef<[u8]>) -> String {
        std::fs::write(self.dir.path().join("b.yaml"), second).unwrap();
        let problems = self.source.update(&load(self.dir.path()));
        problems.iter().map(|problem| format!("{problem}\n")).collect()
    }
}

#[test]
fn rules_that_cannot_be_read_permit_nothing() {
    for broken in [
        CONNECTION.replace("access: []", "access: [], managementPolcy: Observe"),
        CONNECTION.replace("access: []", "suspend: yes please"),
        CONNECTION.replace("access: []", "access: [}"),
        CONNECTION.replace("v1alpha1", "v1beta7"),
        CONNECTION.replace("svix-operator.dev", "example.org"),
        CONNECTION.replace("ownerId: o", "ownerId: o, ownerId: o"),
        CONNECTION.replace("SvixConnection", "SvixConnections"),
        CONNECTION.replace("name: default", "nam: default"),
        CONNECTION.replace("name: default", "name: defualt"),
        CONNECTION.replace("kind: ", "kinds: "),
        format!("{CONNECTION}---\n{CONNECTION}"),
        "apiVersion: v1\nkind: List\nitems:\n- kind: SvixConnection\n".to_owned(),
    ] {
        let mut folder = Folder::new();

        let problems = folder.update(&broken);

        assert_eq!(valid(&folder.catalogue, "one"), None, "{broken}");
        assert!(folder.catalogue.may_be_declared("default", "a.b"), "{broken}");
        assert!(folder.source.missing_connection("default").is_some(), "{broken}");
        assert!(problems.contains("SvixConnection \"default\""), "{problems}");
    }
}

#[test]
fn a_file_that_cannot_be_read_can_hold_rules() {
    let mut folder = Folder::new();

    let problems = folder.update(b"\xff\xff\xff");

    assert_eq!(valid(&folder.catalogue, "one"), None);
    assert!(problems.contains("correct ") && problems.contains("b.yaml"), "{problems}");
}

#[test]
fn rules_that_break_later_let_nothing_new_in() {
    let mut folder = Folder::new();
    folder.update("");
    assert_eq!(valid(&folder.catalogue, "one"), Some(true));
    let other = manifest("c.d", "c.d", "schema: {}");

    folder.update(format!("{}{other}", CONNECTION.replace("access", "acces")));

    assert_eq!(valid(&folder.catalogue, "one"), Some(true), "the previous schema stays");
    assert!(!folder.catalogue.contains("default", "c.d"));
    assert!(folder.catalogue.may_be_declared("default", "c.d"));
}

#[test]
fn what_cannot_be_judged_is_not_undeclared() {
    let mut folder = Folder::new();
    folder.update("");
    assert!(!folder.catalogue.may_be_declared("default", "c.d"));
    for broken in [
        manifest("c.d", "c.d", "schema: {type: strin}"),
        manifest("c.d", "c.d", "schemaFrom: {configMapKeyRef: {name: none, key: schema}}"),
        manifest("c.d", "c.d", "schem: {}"),
        "kind: [".to_owned(),
    ] {
        folder.update(&broken);

        assert!(folder.catalogue.may_be_declared("default", "c.d"), "{broken}");
    }

    folder.update("");

    assert!(!folder.catalogue.may_be_declared("default", "c.d"));
}

#[test]
fn what_cannot_be_carried_out_gives_way() {
    for broken in [
        manifest("a-broken", "a.b", "schema: {type: strin}"),
        manifest("a-broken", "a.b", "schema: {required: [two]}, examples: [{name: x, value: {one: 1}}]"),
        manifest("a-broken", "a.b", "schemaText: '{'"),
        manifest("a-broken", "a.b", "schema: {}, schemaText: '{}'"),
    ] {
        let (dir, catalogue) = (tempfile::tempdir().unwrap(), Catalogue::default());
        let mut source = CatalogueSource::new(catalogue.clone());
        let write = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).unwrap();
        write("a.yaml", &broken);
        write("b.yaml", &manifest("b-valid", "a.b", "schema: {required: [one]}"));

        source.update(&load(dir.path()));
        assert_eq!(
            (valid(&catalogue, "one"), valid(&catalogue, "two")),
            (Some(true), Some(false)),
            "{broken}"
        );

        write("a.yaml", &manifest("a-broken", "a.b", "schema: {required: [two]}"));
        source.update(&load(dir.path()));
        assert_eq!(valid(&catalogue, "one"), Some(true), "the other one is the owner by now");
        write("b.yaml", &manifest("b-valid", "a.b", "schema: {type: strin}"));
        source.update(&load(dir.path()));
        assert_eq!(valid(&catalogue, "one"), Some(true), "the owner stays, with its previous schema");
    }
}

#[test]
fn several_that_cannot_be_carried_out_are_not_undeclared() {
    let mut folder = Folder::new();
    std::fs::write(folder.dir.path().join("a.yaml"), manifest("a", "a.b", "schema: {type: strin}")).unwrap();

    folder.update(manifest("b", "a.b", "schema: {type: strin}"));

    assert_eq!(valid(&folder.catalogue, "one"), None);
    assert!(folder.catalogue.may_be_declared("default", "a.b"));
}
