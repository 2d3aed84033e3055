//! The image's recipe, as far as it can be tried without building one, and what the program says of its own build.

use std::{collections::BTreeSet, path::Path, process::Command};

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_version_tells_commit_and_build() {
    let output = Command::new(env!("CARGO_BIN_EXE_svix-operator")).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let [version, commit, build] = lines[..] else { panic!("{text}") };
    assert_eq!(version, concat!("svix-operator ", env!("CARGO_PKG_VERSION")));
    assert!(commit.starts_with("commit: ") && commit.len() > 10, "{commit}");
    assert!(build.starts_with("build:  ") && build.contains(" for ") && build.contains("rustc"), "{build}");
}

#[test]
fn the_image_is_built_from_files_that_are_there_and_has_the_programs_version() {
    let recipe = file("Dockerfile");
    let lines: Vec<_> = recipe.lines().collect();
    let copied: BTreeSet<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|what| !what.starts_with("--from"))
        .flat_map(|what| {
            let words: Vec<_> = what.split_whitespace().collect();
            words[..words.len() - 1].to_vec()
        })
        .collect();
    let ignored = file(".dockerignore");
    let let_in: BTreeSet<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert_eq!(copied, let_in);
    for path in copied {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path}");
    }
    assert!(lines.contains(&concat!("ARG VERSION=", env!("CARGO_PKG_VERSION"))));
    // A number, or Kubernetes cannot tell that it is not root.
    let user = lines.iter().rev().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
}

#[test]
fn the_examples_name_the_version_that_this_is() {
    let version = env!("CARGO_PKG_VERSION");
    for (name, text) in [
        ("examples/gateway/kustomization.yaml", format!("newTag: {version}")),
        ("examples/gateway/component/kustomization.yaml", format!("?ref=v{version}")),
        ("examples/flux/source.yaml", format!("tag: v{version}")),
        ("examples/argo-cd/app-of-apps.yaml", format!("targetRevision: v{version}")),
        ("examples/argo-cd/apps/operator.yaml", format!("targetRevision: v{version}")),
        ("examples/argo-cd/apps/declarations.yaml", format!("targetRevision: v{version}")),
        ("docs/installation.md", format!("svix-operator:{version}")),
    ] {
        assert!(file(name).contains(&text), "{name}: {text}");
    }
}
