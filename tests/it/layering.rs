//! Who may use whom: the table in docs/architecture.md, held to.

use std::path::{Path, PathBuf};

/// For each module, the others that it may name.
const ALLOWED: [(&str, &[&str]); 13] = [
    ("api", &[]),
    ("schema", &[]),
    ("telemetry", &[]),
    ("embedded", &[]),
    ("catalogue", &["api", "schema"]),
    ("plan", &["api", "schema"]),
    ("gateway", &["api", "schema", "catalogue", "plan", "svix", "telemetry"]),
    ("svix", &["api", "plan", "telemetry"]),
    ("engine", &["api", "schema", "catalogue", "plan", "svix", "telemetry"]),
    ("admission", &["api", "schema", "catalogue", "plan", "telemetry"]),
    ("controller", &["api", "schema", "catalogue", "plan", "svix", "engine", "admission", "telemetry"]),
    ("manifests", &["api", "schema", "plan", "svix", "engine", "telemetry", "catalogue"]),
    (
        "cli",
        &[
            "api",
            "schema",
            "plan",
            "svix",
            "engine",
            "controller",
            "manifests",
            "embedded",
            "telemetry",
            "admission",
            "catalogue",
            "gateway",
        ],
    ),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file without its comments.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The modules of this crate that code names: `crate::a::…`, and each of `crate::{a::…, b::…}`.
fn named(code: &str) -> Vec<String> {
    let word = |text: &str| {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            names.push(word(rest));
            continue;
        };
        let mut depth = 1;
        let mut start = true;
        for (at, c) in group.char_indices() {
            if start && !c.is_whitespace() {
                names.push(word(&group[at..]));
                start = false;
            }
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => start = true,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn the_reader_of_use_lines_reads_them() {
    let code = "use crate::{\n    api::{A, B},\n    plan,\n};\ncrate::svix::x(); pub(in crate::manifests) use super::y;";
    assert_eq!(named(code), ["api", "plan", "svix", "manifests"]);
}

#[test]
fn no_module_uses_one_that_it_may_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in &files {
        let relative = file.strip_prefix(&root).unwrap().to_str().unwrap();
        let module = relative.split(['/', '.']).next().unwrap();
        if matches!(module, "lib" | "main") {
            continue;
        }
        let (_, allowed) = ALLOWED.iter().find(|(name, _)| *name == module).unwrap_or_else(|| {
            panic!("{module} is new: say here and in docs/architecture.md what it may use")
        });
        for name in named(&code(file)) {
            if name != module && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{relative} uses crate::{name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_client_names_the_svix_crate_and_the_plan_does_no_io() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in &files {
        let relative = file.strip_prefix(&root).unwrap().to_str().unwrap();
        let code = code(file);
        let names_sdk =
            ["svix::models", "svix::api", "svix::webhooks"].iter().any(|path| code.contains(path));
        let may = relative.starts_with("svix/client") || relative.starts_with("embedded/");
        assert!(may || !names_sdk, "{relative} names the svix crate");
        let pure = relative.starts_with("plan/") || relative.starts_with("schema/");
        if pure && !relative.ends_with("tests.rs") {
            for io in [
                "tokio::",
                "reqwest::",
                "kube::Client",
                "std::fs",
                "std::net",
                "Timestamp::now",
                "Instant::now",
            ] {
                assert!(!code.contains(io), "{relative} names {io}");
            }
        }
    }
}
