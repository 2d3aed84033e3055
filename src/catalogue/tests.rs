#![allow(clippy::unwrap_used, clippy::panic)]
use serde_json::json;

use super::*;

fn declared(schema: &Value) -> Declared {
    Declared {
        schema: Some(JsonObject::from_value(schema).unwrap()),
        format_assertion: true,
        policy: PayloadPolicy::Enforce,
    }
}

fn integer() -> Declared {
    declared(&json!({"properties": {"a": {"type": "integer"}}}))
}

fn compiled_now(catalogue: &Catalogue) -> usize {
    let tables = catalogue.inner.tables.load();
    tables.values().flat_map(|table| table.values()).filter(|entry| entry.compiled.load().is_some()).count()
}

#[test]
fn an_event_type_is_judged_by_its_own_connections_schema() {
    let catalogue = Catalogue::default();
    catalogue.put("one", "a.b", integer()).unwrap();
    catalogue.put("two", "a.b", declared(&json!({"required": ["z"]}))).unwrap();
    assert_eq!(catalogue.judge("one", "a.b", &json!({"a": 1})), Judgement::Valid);
    assert!(matches!(catalogue.judge("one", "a.b", &json!({"a": "x"})), Judgement::Invalid { .. }));
    assert!(matches!(catalogue.judge("two", "a.b", &json!({"a": 1})), Judgement::Invalid { .. }));
    assert_eq!(catalogue.judge("one", "a.c", &json!({})), Judgement::Undeclared);
    assert_eq!(catalogue.judge("three", "a.b", &json!({})), Judgement::Undeclared);
    catalogue.remove("one", "a.b");
    assert_eq!(catalogue.judge("one", "a.b", &json!({})), Judgement::Undeclared);
    assert_eq!(catalogue.names("two"), ["a.b"]);
}

#[test]
fn a_broken_schema_never_displaces_the_good_one() {
    let catalogue = Catalogue::default();
    let broken = || declared(&json!({"type": "nothing"}));
    catalogue.put("c", "a.b", integer()).unwrap();
    assert!(catalogue.put("c", "a.b", broken()).is_err());
    assert!(matches!(catalogue.judge("c", "a.b", &json!({"a": "x"})), Judgement::Invalid { .. }));
    let reported = catalogue.replace("c", [("a.b".to_owned(), broken()), ("a.c".to_owned(), broken())]);
    assert_eq!(reported.len(), 2);
    assert!(matches!(catalogue.judge("c", "a.b", &json!({"a": "x"})), Judgement::Invalid { .. }));
    assert_eq!(catalogue.judge("c", "a.c", &json!({})), Judgement::Undeclared);
    assert!(catalogue.replace("c", []).is_empty());
    assert!(catalogue.names("c").is_empty(), "what is not among all is removed");
}

#[test]
fn a_bounded_number_stays_compiled() {
    let catalogue = Catalogue::new(10);
    for n in 0..100 {
        catalogue.put("c", &format!("a.b{n}"), declared(&json!({"required": [format!("k{n}")]}))).unwrap();
        assert!(matches!(catalogue.judge("c", "a.b0", &json!({})), Judgement::Invalid { .. }));
    }
    assert_eq!(compiled_now(&catalogue), 10);
    let first = catalogue.entry("c", "a.b0").unwrap();
    assert!(first.compiled.load().is_some(), "the one in use stays");
    for n in 0..100 {
        let payload = json!({ format!("k{n}"): 1 });
        assert_eq!(catalogue.judge("c", &format!("a.b{n}"), &payload), Judgement::Valid);
        assert!(matches!(catalogue.judge("c", &format!("a.b{n}"), &json!({})), Judgement::Invalid { .. }));
    }
    assert_eq!(compiled_now(&catalogue), 10);
}

#[test]
fn compiled_schemas_stay_within_their_memory() {
    let size = schema::compiled_size(r#"{"required":["k0"]}"#);
    let catalogue = Catalogue::with_memory(100, 5 * size);

    for n in 0..10 {
        catalogue.put("c", &format!("a.b{n}"), declared(&json!({"required": [format!("k{n}")]}))).unwrap();
    }

    assert_eq!(compiled_now(&catalogue), 5);
    assert_eq!(catalogue.judge("c", "a.b0", &json!({"k0": 1})), Judgement::Valid);
    let large: Vec<_> = (0..1000).map(|n| n.to_string()).collect();
    catalogue.put("c", "a.large", declared(&json!({"required": large}))).unwrap();
    assert_eq!(compiled_now(&catalogue), 1, "one that takes more than all stays alone");
}

#[test]
fn what_is_displaced_is_compiled_no_more() {
    let catalogue = Catalogue::default();
    let required = |n: usize| declared(&json!({"required": [format!("k{n}")]}));
    let kept = || catalogue.inner.compiled.lock().entries.len();

    for n in 0..5 {
        catalogue.put("c", "a.b", required(n)).unwrap();
        catalogue.put("c", "a.other", required(0)).unwrap();
    }
    assert_eq!(kept(), 2, "an edit keeps no earlier version");
    catalogue.remove("c", "a.other");
    assert_eq!(kept(), 1);
    assert!(catalogue.replace("c", [("a.b".to_owned(), required(7))]).is_empty());
    assert_eq!(kept(), 1);
    assert!(catalogue.replace("c", []).is_empty());
    assert_eq!((kept(), catalogue.inner.compiled.lock().bytes), (0, 0));
}

#[test]
fn the_programs_of_patterns_count_as_memory() {
    let catalogue = Catalogue::with_memory(100, 5 * 1024 * 1024);
    let patterns = |n: usize| -> serde_json::Map<_, _> {
        (0..100).map(|i| (format!("p{i}"), json!({"pattern": format!("{n}.*{i}[a-z]{{100}}")}))).collect()
    };

    for n in 0..10 {
        catalogue.put("c", &format!("a.b{n}"), declared(&json!({"properties": patterns(n)}))).unwrap();
    }

    assert_eq!(compiled_now(&catalogue), 2, "each takes about two megabytes");
}

#[test]
fn readers_see_one_schema_or_the_other_while_it_changes() {
    let catalogue = Catalogue::new(1);
    let old = declared(&json!({"required": ["old"]}));
    let new = declared(&json!({"required": ["new"]}));
    catalogue.put("c", "a.b", old.clone()).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = || {
            let mut judged = 0;
            while !stop.load(Ordering::Relaxed) || judged < 1000 {
                let (by_old, by_new) = (json!({"old": 1}), json!({"new": 1}));
                for payload in [by_old, by_new] {
                    match catalogue.judge("c", "a.b", &payload) {
                        Judgement::Valid => {}
                        Judgement::Invalid { violations, more: 0, .. } if violations.len() == 1 => {}
                        other => panic!("{other:?}"),
                    }
                }
                judged += 1;
            }
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        for n in 0..500 {
            let next = if n % 2 == 0 { &new } else { &old };
            catalogue.put("c", "a.b", next.clone()).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

#[tokio::test]
async fn it_is_loaded_once_it_is_said_so() {
    let catalogue = Catalogue::default();
    assert!(!catalogue.is_loaded());
    let waiter = catalogue.clone();
    let waiting = tokio::spawn(async move { waiter.wait_loaded().await });
    catalogue.loaded();
    waiting.await.unwrap();
    assert!(catalogue.is_loaded());
}

#[test]
fn without_a_schema_any_text_passes() {
    let catalogue = Catalogue::default();
    let declared = Declared { schema: None, ..integer() };
    catalogue.put("c", "a.b", declared.clone()).unwrap();

    assert!(catalogue.contains("c", "a.b"));
    assert_eq!(catalogue.judge("c", "a.b", &json!({"a": "x"})), Judgement::NotValidated);
    for text in [r#"{"a":1,"a":"x"}"#, "<xml/>", "\u{feff}"] {
        assert_eq!(
            catalogue.judge_text("c", "a.b", text.as_bytes(), &Effort::full()),
            Judgement::NotValidated,
            "{text}"
        );
    }

    assert_eq!(catalogue.replace("c", [("a.c".to_owned(), declared)]), Vec::new());
    assert_eq!(catalogue.judge("c", "a.c", &json!({})), Judgement::NotValidated);
    assert_eq!(catalogue.judge("c", "a.b", &json!({})), Judgement::Undeclared);
}
