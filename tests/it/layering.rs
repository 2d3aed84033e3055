//! Which modules and files may import each other.
//!
//! Modules: the table in docs/architecture.md says for each module which others it may use. Files: none imports from
//! another that imports from it, over any number of files. A `pub use` alone is not an import; the files that take the
//! name from there import from the file that defines it.

mod graph;
mod imports;
mod source;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use graph::Graph;

/// Folders of unit tests' own support that may use a module which the table does not allow, and which.
const TEST_SUPPORT: [(&str, &str); 1] = [("engine/testing/", "embedded")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the files below `src`: the path relative to `src`, and the text.
fn sources() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    find(&root(), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let relative = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        (relative, std::fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

/// Returns the module of a file at the top of the crate; `None` for `lib.rs` and `main.rs`.
fn top_module(path: &str) -> Option<String> {
    graph::module_of(path).into_iter().next().filter(|module| module != "main")
}

/// Returns for each module which others it may use, by the table in docs/architecture.md.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ").collect();
        let [module, _, uses] = cells[..] else { return None };
        let uses = uses.split(", ").filter(|name| *name != "nothing");
        let uses = uses.map(|name| name.trim_matches('`').to_owned()).collect();
        Some((module.trim_matches('`').to_owned(), uses))
    });
    rows.collect()
}

/// Returns the modules that a text names after `crate::`, its unit tests included.
fn named(text: &str) -> BTreeSet<String> {
    let split = source::split(&source::tokens(text));
    let read = [split.product, split.tests].map(|tokens| imports::read(&tokens));
    let imports = read.iter().flat_map(|read| read.imports.iter().map(|import| &import.path));
    let paths = read.iter().flat_map(|read| &read.paths);
    let inside = imports.chain(paths).filter(|path| path[0] == "crate");
    inside.filter_map(|path| path.get(1).cloned()).collect()
}

#[test]
fn modules_use_only_what_the_architecture_allows() {
    let allowed = allowed();

    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(module) = top_module(&path) else { continue };
        let uses = allowed
            .get(&module)
            .unwrap_or_else(|| panic!("{module} is new: say in docs/architecture.md what it may use"));
        let is_test_support =
            |name: &String| TEST_SUPPORT.iter().any(|(folder, may)| path.starts_with(folder) && may == name);
        let others = named(&text)
            .into_iter()
            .filter(|name| *name != module && !uses.contains(name) && !is_test_support(name));
        wrong.extend(others.map(|name| format!("{path} uses crate::{name}")));
    }

    assert!(wrong.is_empty(), "not allowed by the table in docs/architecture.md: {wrong:#?}");
}

#[test]
fn the_table_of_modules_is_complete_and_without_cycles() {
    let allowed = allowed();
    let modules: BTreeSet<String> = sources().iter().filter_map(|(path, _)| top_module(path)).collect();

    assert_eq!(allowed.keys().cloned().collect::<BTreeSet<_>>(), modules);

    let mut left = allowed;
    while !left.is_empty() {
        let names: BTreeSet<String> = left.keys().cloned().collect();
        left.retain(|_, uses| !uses.is_disjoint(&names));
        assert!(left.len() < names.len(), "these use each other: {names:?}");
    }
}

#[test]
fn no_files_import_from_each_other() {
    let cycles = Graph::new(sources()).cycles();

    assert!(cycles.is_empty(), "{cycles:#?}");
}

#[test]
fn only_the_client_names_the_svix_crate() {
    for (path, text) in sources() {
        let is_allowed = path.starts_with("svix/client") || path.starts_with("embedded/");
        let split = source::split(&source::tokens(&text));
        let names_sdk = [split.product, split.tests].iter().any(|tokens| {
            let read = imports::read(tokens);
            let imports = read.imports.iter().map(|import| &import.path);
            imports.chain(&read.paths).any(|path| {
                path[0] == "svix" && path.get(1).is_some_and(|second| SDK.contains(&second.as_str()))
            })
        });
        assert!(is_allowed || !names_sdk, "{path} names the svix crate");
    }
}

/// Modules of the svix crate.
const SDK: [&str; 3] = ["models", "api", "webhooks"];

#[test]
fn the_plan_and_the_schemas_do_no_io() {
    const IO: [&[&str]; 7] = [
        &["tokio"],
        &["reqwest"],
        &["kube", "Client"],
        &["std", "fs"],
        &["std", "net"],
        &["Timestamp", "now"],
        &["Instant", "now"],
    ];
    for (path, text) in sources() {
        let is_pure = path.starts_with("plan/") || path.starts_with("schema/");
        if !is_pure || path.ends_with("tests.rs") || path.contains("/tests/") {
            continue;
        }
        let split = source::split(&source::tokens(&text));
        for read in [split.product, split.tests].map(|tokens| imports::read(&tokens)) {
            for named in read.imports.iter().map(|import| &import.path).chain(&read.paths) {
                let does_io = IO.iter().any(|io| named.windows(io.len()).any(|part| part == *io));
                assert!(!does_io, "{path} names {}", named.join("::"));
            }
        }
    }
}

/// The cycles of a crate with these files.
fn cycles(files: &[(&str, &str)]) -> Vec<BTreeSet<String>> {
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    Graph::new(files).cycles().into_iter().map(|cycle| cycle.files).collect()
}

#[test]
fn imports_in_both_directions_are_a_cycle() {
    let a = ("a.rs", "use crate::b::B;\npub struct A;");
    assert_eq!(cycles(&[a, ("b.rs", "pub struct B;")]), []);

    let found = cycles(&[a, ("b.rs", "pub struct B;\nfn f() -> crate::a::A { todo!() }")]);
    assert_eq!(found, [["a.rs", "b.rs"].map(str::to_owned).into()]);
}

#[test]
fn a_cycle_can_be_long() {
    let files = [
        ("a.rs", "use crate::b;\npub fn a() { b::b() }"),
        ("b.rs", "pub fn b() { super::c::c() }"),
        ("c.rs", "pub fn c() -> String { format!(\"{}\", crate::a::a()) }"),
        ("d.rs", "use crate::{a::a, b::b, c::c};"),
    ];
    assert_eq!(cycles(&files), [["a.rs", "b.rs", "c.rs"].map(str::to_owned).into()]);
}

#[test]
fn a_reexport_is_an_import_only_where_it_is_used() {
    let child = ("m/child.rs", "use super::Options;\npub struct Child;");
    let other = ("other.rs", "use crate::m::Child;");
    let parent = "mod child;\npub use child::Child;\npub struct Options;";
    assert_eq!(cycles(&[child, other, ("m/mod.rs", parent)]), []);

    let parent = format!("{parent}\nfn f(child: Child) {{}}");
    let found = cycles(&[child, other, ("m/mod.rs", &parent)]);
    assert_eq!(found, [["m/child.rs", "m/mod.rs"].map(str::to_owned).into()]);
}

#[test]
fn a_name_is_followed_through_reexports() {
    let files = [
        ("m/mod.rs", "mod x;\nmod y;\npub use self::{x::*, y::Y as Other};"),
        ("m/x.rs", "use super::Other;\npub struct X;"),
        ("m/y.rs", "pub struct Y(super::X);"),
    ];
    assert_eq!(cycles(&files), [["m/x.rs", "m/y.rs"].map(str::to_owned).into()]);
}

#[test]
fn unit_tests_comments_and_strings_are_no_imports() {
    let files = [
        ("a.rs", "use crate::b::B;\npub struct A;"),
        (
            "b.rs",
            "//! See crate::a::A.\n/* crate::a::A /* nested */ */\npub struct B;\n\
             const C: char = '\"'; const S: &str = r#\"\"crate::a::A\"\"#; fn f<'a>(s: &'a str) {}\n\
             #[cfg(test)]\nuse crate::{a::A};\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n",
        ),
        ("c/mod.rs", "pub struct C;\n#[cfg(test)]\nmod tests;\nuse crate::d::D;"),
        ("c/tests.rs", "use crate::d::D;"),
        ("d.rs", "pub struct D;"),
    ];
    assert_eq!(cycles(&files), []);
}

#[test]
fn modules_are_named_in_groups_paths_and_unit_tests() {
    let text = "use crate::{\n    api::{A, B},\n    plan,\n};\nfn f() { crate::svix::x(); }\n\
                pub(in crate::manifests) use super::y;\n#[cfg(test)]\nmod tests { use crate::engine::E; }";
    assert_eq!(named(text), ["api", "engine", "plan", "svix"].map(str::to_owned).into());
}
