//! Folders with good and broken manifests.
#![allow(clippy::unwrap_used)]

use super::*;
use std::fs;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn messages_in(dir: &tempfile::TempDir, problems: &[Problem]) -> Vec<String> {
    let prefix = format!("{}/", dir.path().display());
    problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
}

const ENDPOINT: &str = "apiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEndpoint\nmetadata: {name: e}\n\
                        spec: {url: 'https://hooks.example.org/', eventTypes: [a.b]}\n";

#[test]
fn all_kinds_are_read_in_order() {
    let dir = folder(&[
        ("b/1.yml", ENDPOINT),
        (
            "a.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: b2xk, b: eA==}\nstringData: {a: new}\n---\n\
                    apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: ns}\ndata: {k: '{}'}\n",
        ),
        (
            "c.json",
            r#"{"apiVersion":"v1","kind":"List","items":[
            {"apiVersion":"svix-operator.dev/v1alpha1","kind":"SvixConnection","metadata":{"name":"default","namespace":"x"},
             "spec":{"tokenSecretRef":{"name":"t","key":"k"},"ownerId":"o"}},
            {"apiVersion":"svix-operator.dev/v1alpha1","kind":"WebhookEventType","metadata":{"name":"a.b","uid":"u","resourceVersion":"7"},
             "spec":{"schema":{}},"status":{}}]}"#,
        ),
        ("d.yaml", "apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: v1\nkind: Service\n"),
        ("kustomization.yaml", "resources: [a.yaml]\n"),
        (".hidden/x.yaml", "not: read"),
        ("README.md", "not: read"),
    ]);
    let loaded = load(dir.path());
    assert_eq!(messages_in(&dir, &loaded.problems), [""; 0]);
    let secret = &loaded.secrets[0].object;
    assert_eq!(secret.data.as_ref().unwrap()["a"].0, b"new");
    assert_eq!(loaded.config_maps[0].object.metadata.namespace.as_deref(), Some("ns"));
    assert_eq!(loaded.config_maps[0].origin.line, 7);
    assert_eq!(loaded.connections[0].object.metadata.namespace, None);
    let event_type = &loaded.event_types[0].object;
    assert_eq!(event_type.metadata.namespace.as_deref(), Some("default"));
    assert_eq!((&event_type.metadata.uid, &event_type.metadata.resource_version), (&None, &None));
    assert_eq!(loaded.event_types[0].origin.line, 4);
    assert_eq!(loaded.endpoints.len(), 1);
    assert_eq!(
        loaded.notes,
        [
            "left out: 1 Deployment (apps), 1 Kustomization, 1 Service; only svix-operator.dev, ConfigMap, Secret and Namespace are read"
        ]
    );
    assert!(!loaded.may_lack_objects());
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let bad = format!(
        "a: [\n---\n{}---\napiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEndpont\n---\n\
         apiVersion: svix-operator.dev/v1\nkind: WebhookEndpoint\nmetadata: {{name: v}}\n---\n{ENDPOINT}---\njust text\n",
        ENDPOINT.replace("url", "uri").replace("name: e", "name: bad, label: {}"),
    );
    let dir = folder(&[("a.yaml", &bad), ("b.yaml", &format!("---\n{ENDPOINT}"))]);
    let loaded = load(dir.path());
    let problems = messages_in(&dir, &loaded.problems);
    assert_eq!(
        problems[1..],
        [
            "a.yaml:5:23: WebhookEndpoint default/bad: /metadata/label: there is no such field; did you mean labels?",
            "a.yaml:6:1: WebhookEndpoint default/bad: /spec: exactly one of url and urlFrom must be given",
            "a.yaml:6:8: WebhookEndpoint default/bad: /spec/uri: there is no such field; did you mean url?",
            "a.yaml:9:1: /kind: svix-operator.dev has no kind \"WebhookEndpont\"; did you mean WebhookEndpoint?",
            "a.yaml:11:1: WebhookEndpoint default/v: /apiVersion: svix-operator.dev has no version \"v1\", expected svix-operator.dev/v1alpha1",
            "a.yaml:20:1: not a Kubernetes object: found a plain value, expected apiVersion, kind and metadata",
            "b.yaml:2:1: WebhookEndpoint default/e: declared twice, first at a.yaml:15, which is used: remove one of the two",
        ]
    );
    assert!(problems[0].starts_with("a.yaml:"), "{}", problems[0]);
    assert_eq!(loaded.endpoints.len(), 1);
    assert!(loaded.may_lack_objects());
    assert!(loaded.is_broken("WebhookEndpoint", Some("default"), "bad"));
    assert!(!loaded.is_broken("WebhookEndpoint", Some("default"), "other"));
}

#[test]
fn our_kind_in_a_similar_group_is_a_problem() {
    let with = |api: &str| ENDPOINT.replace("svix-operator.dev/v1alpha1", api);
    let dir = folder(&[
        ("a.yaml", &with("svix-operator.io/v1alpha1")),
        ("b.yaml", &with("v1alpha1").replace("name: e", "name: f")),
        ("c.yaml", &with("hooks.svix.com/v1").replace("name: e", "name: g")),
        ("d.yaml", &with("webhooks.example.org/v1")),
        ("e.yaml", "apiVersion: svix-operator.io/v1\nkind: Other\nmetadata: {name: o}\n"),
    ]);
    let loaded = load(dir.path());
    let hint = "did you mean svix-operator.dev/v1alpha1?";
    assert_eq!(
        messages_in(&dir, &loaded.problems),
        [
            format!(
                "a.yaml:1:1: WebhookEndpoint default/e: /apiVersion: found \"svix-operator.io/v1alpha1\", expected \
                 svix-operator.dev/v1alpha1 for a WebhookEndpoint; {hint}"
            ),
            format!(
                "b.yaml:1:1: WebhookEndpoint default/f: /apiVersion: found \"v1alpha1\", which names no API group, \
                 expected svix-operator.dev/v1alpha1; {hint}"
            ),
            format!(
                "c.yaml:1:1: WebhookEndpoint default/g: /apiVersion: found \"hooks.svix.com/v1\", expected \
                 svix-operator.dev/v1alpha1 for a WebhookEndpoint; {hint}"
            ),
        ]
    );
    assert_eq!((loaded.endpoints.len(), loaded.left_out, loaded.files), (0, 2, 5));
    assert!(loaded.is_broken("WebhookEndpoint", Some("default"), "e"), "it keeps its previous state");
}

#[test]
fn a_folder_without_our_manifests_is_an_error() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n---\n\
                      apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    let dir = folder(&[("a.yaml", deployment)]);
    let error = |dir: &tempfile::TempDir| load(dir.path()).expect_manifests(Path::new("DIR")).unwrap_err();
    assert_eq!(
        error(&dir).to_string(),
        "no manifest of svix-operator.dev in DIR (1 file read, 2 objects of other kinds left out)"
    );
    assert!(error(&folder(&[])).to_string().ends_with("(0 files read)"));
    for text in [ENDPOINT, "a: ["] {
        assert_eq!(load(folder(&[("a.yaml", text)]).path()).expect_manifests(Path::new("DIR")), Ok(()));
    }
}

#[test]
fn no_message_shows_a_secret() {
    let dir = folder(&[(
        "s.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: hunter2!, b: 12345}\nstringData: {c: [hunter2]}\nhunter: 1\n",
    )]);
    let problems = messages_in(&dir, &load(dir.path()).problems);
    assert_eq!(problems.len(), 4);
    assert!(!problems.join("").contains("hunter2") && !problems.join("").contains("12345"), "{problems:?}");
}

#[test]
fn ambiguous_booleans_are_warned_of() {
    let dir = folder(&[(
        "t.yaml",
        "apiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEventType\nmetadata: {name: a.b}\nspec:\n  deprecated: no\n  schema:\n\
         \x20   properties:\n      y: {enum: [on, 'off']}\n  examples:\n  - name: first\n    value: {a: no}\n",
    )]);
    let loaded = load(dir.path());
    assert_eq!(
        messages_in(&dir, &loaded.warnings),
        [
            "t.yaml:8:7: WebhookEventType default/a.b: /spec/schema/properties: the key y is read as true: write \"y\" in quotes",
            "t.yaml:8:18: WebhookEventType default/a.b: /spec/schema/properties/true/enum/0: on is read as true: \
             write \"on\" in quotes for the text, or true for the boolean",
            "t.yaml:11:16: WebhookEventType default/a.b: /spec/examples/0/value/a: no is read as false: \
             write \"no\" in quotes for the text, or false for the boolean",
        ]
    );
    assert_eq!(loaded.event_types.len(), 1);
}

#[test]
fn nulls_that_kubectl_apply_drops_are_warned_of() {
    let dir = folder(&[(
        "t.yaml",
        "apiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEventType\nmetadata: {name: a.b}\nspec:\n  schema:\n\
         \x20   properties:\n      a: {default: null, enum: [null, 1]}\n---\n\
         apiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEvent\nmetadata: {name: e}\nspec:\n  eventType: a.b\n\
         \x20 payload:\n    a: ~\n    b: [{c: null}]\n",
    )]);

    let warnings = messages_in(&dir, &load(dir.path()).warnings);

    let nulls: Vec<_> = warnings.iter().filter(|warning| warning.contains("kubectl apply drops")).collect();
    assert_eq!(nulls.len(), 2, "{warnings:?}");
    assert!(
        nulls[0].starts_with(
            "t.yaml:7:11: WebhookEventType default/a.b: /spec/schema/properties/a/default: a null"
        )
    );
    assert!(
        nulls[1].starts_with("t.yaml:15:5: WebhookEvent default/e: /spec/payload/a: a null"),
        "{nulls:?}"
    );
}

#[test]
fn a_list_in_a_list_is_refused() {
    let inner = ENDPOINT.replace('\n', "\n    ");
    let text = format!(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - {inner}\n"
    );
    let dir = folder(&[("a.yaml", &text)]);

    let loaded = load(dir.path());

    let problems = messages_in(&dir, &loaded.problems);
    assert_eq!(
        problems,
        ["a.yaml:4:3: a List in a List, which kubectl refuses: move its items to the outer one"]
    );
    assert!(loaded.endpoints.is_empty() && loaded.may_lack_objects());
}

#[test]
fn utf16_is_read_with_a_byte_order_mark() {
    let dir = folder(&[]);
    for (number, order) in [u16::to_le_bytes, u16::to_be_bytes].into_iter().enumerate() {
        let text = ENDPOINT.replace("name: e", &format!("name: e{number}"));
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        let bytes: Vec<u8> = units.flat_map(order).collect();
        fs::write(dir.path().join(format!("{number}.yaml")), bytes).unwrap();
    }

    let loaded = load(dir.path());

    assert_eq!((loaded.problems.len(), loaded.endpoints.len()), (0, 2), "{:?}", loaded.problems);
}

#[test]
fn unenforced_keywords_are_warned_of_with_lines() {
    let event_type = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: svix-operator.dev/v1alpha1\nkind: WebhookEventType\nmetadata: {{name: {name}}}\nspec:\n{spec}"
        )
    };
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n  s.json: '{\"requried\": [\"a\"]}'\n";
    let dir = folder(&[(
        "t.yaml",
        &[
            event_type("a.b", "  schema:\n    properties:\n      at: {format: datetime}\n    unevaluatedProperties: false\n"),
            event_type("a.c", "  formatAssertion: false\n  schemaText: '{\"format\": \"datetime\", \"nullable\": true}'\n"),
            event_type("a.d", "  schemaFrom: {configMapKeyRef: {name: m, key: s.json}}\n"),
            map.to_owned(),
        ]
        .concat(),
    )]);
    let loaded = load(dir.path());
    assert_eq!(loaded.problems, []);
    let warnings = messages_in(&dir, &loaded.warnings);

    for (warning, begin) in warnings.iter().zip([
        "t.yaml:9:5: WebhookEventType default/a.b: /spec/schema/unevaluatedProperties: a keyword of 2019-09, ignored in Draft 7",
        "t.yaml:8:12: WebhookEventType default/a.b: /spec/schema/properties/at/format: the format \"datetime\" is not known",
        "t.yaml:16:3: WebhookEventType default/a.c: /spec/schemaText: /nullable: a keyword of OpenAPI",
        "t.yaml:18: WebhookEventType default/a.d: /spec/schemaFrom/configMapKeyRef: /requried: no keyword of JSON Schema",
    ]) {
        assert!(warning.starts_with(begin), "{warning}\n{begin}");
    }
    assert_eq!(warnings.len(), 4, "{warnings:?}");
}

#[test]
fn an_ambiguous_word_in_a_list_is_reported_once() {
    let item = |name: usize, value: &str| {
        format!(
            "- apiVersion: svix-operator.dev/v1alpha1\n  kind: WebhookEventType\n  metadata: {{name: e{name}}}\n  \
             spec: {{schema: {{enum: [{value}]}}}}\n"
        )
    };
    let items: String = (0..12).map(|index| item(index, if index == 10 { "on" } else { "1" })).collect();
    let dir = folder(&[("a.yaml", &format!("apiVersion: v1\nkind: List\nitems:\n{items}"))]);

    let loaded = load(dir.path());

    let objects: Vec<_> = loaded.warnings.iter().flat_map(|warning| &warning.object).collect();
    assert_eq!(objects.iter().map(|object| object.name.as_str()).collect::<Vec<_>>(), ["e10"]);
}

#[cfg(unix)]
#[test]
fn a_mounted_config_map_is_read_once_and_loops_end() {
    use std::os::unix::fs::symlink;
    let dir = folder(&[("..2026/e.yaml", ENDPOINT), ("deep/x.txt", "")]);
    symlink("..2026", dir.path().join("..data")).unwrap();
    symlink("..data/e.yaml", dir.path().join("e.yaml")).unwrap();
    symlink("..", dir.path().join("deep/loop")).unwrap();
    let loaded = load(dir.path());
    assert_eq!((loaded.endpoints.len(), loaded.problems.len()), (1, 0));

    symlink("nowhere", dir.path().join("z.yaml")).unwrap();
    assert!(load(dir.path()).may_lack_objects());
    assert!(load(&dir.path().join("no such folder")).may_lack_objects());
    assert_eq!(load(&dir.path().join("e.yaml")).endpoints.len(), 1);
}

#[test]
fn text_that_is_not_utf8_says_which_line() {
    let dir = folder(&[]);
    fs::write(dir.path().join("a.yaml"), b"a: 1\nb: \xff\n").unwrap();
    let problems = messages_in(&dir, &load(dir.path()).problems);
    assert_eq!(problems, ["a.yaml: not UTF-8 text: line 2 has bytes that are none; save the file as UTF-8"]);
}

#[test]
fn reading_that_is_given_up_returns_nothing() {
    let dir = folder(&[("a.yaml", ENDPOINT)]);
    let stop = CancellationToken::new();
    assert_eq!(load_until(dir.path(), &stop).unwrap().endpoints.len(), 1);

    stop.cancel();

    assert_eq!(load_until(dir.path(), &stop).unwrap_err(), Interrupted);
}

#[test]
fn a_link_to_a_folder_of_the_system_is_a_warning() {
    let dir = folder(&[("a.yaml", ENDPOINT)]);
    std::os::unix::fs::symlink("/proc", dir.path().join("processes")).unwrap();

    let loaded = load(dir.path());

    assert_eq!((loaded.endpoints.len(), &loaded.problems[..]), (1, &[][..]));
    assert_eq!(
        messages_in(&dir, &loaded.warnings),
        ["processes: a link to /proc, a folder of the system, which is not read: remove the link"]
    );
}
