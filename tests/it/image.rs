//! The image's recipe, as far as it can be tried without building one, and what the program says of its own build.

use std::{
    collections::BTreeSet,
    fs::File,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
    time::{Duration, SystemTime},
};

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
fn the_image_uses_existing_files_and_the_version() {
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

const SOURCES: [&str; 3] = ["build.rs", "src/lib.rs", "src/main.rs"];

/// Cargo as far as the recipe can see it: it compiles again only what is newer than what was compiled, which is of 2001.
/// The program is what was compiled, joined.
const CARGO: &str = r#"#!/bin/sh
env | grep -E '^(CARGO_|CC_|SVIX_OPERATOR_)' | sort >>"$LOG"
echo "cargo $*" >>"$LOG"
made=target/$CARGO_BUILD_TARGET/release
mkdir -p "$made"
for source in build.rs src/lib.rs src/main.rs; do
    compiled=$made/${source##*/}
    if [ ! -e "$compiled" ] || [ "$source" -nt "$compiled" ]; then cp "$source" "$compiled"; fi
    touch -t 200101010000 "$compiled"
done
cat "$made/build.rs" "$made/lib.rs" "$made/main.rs" >"$made/svix-operator"
"#;

/// The recipe's first stage in a folder of its own, with `apt-get`, `rustup` and `cargo` that only write down how they
/// are called: what the last command gave, what was written down, and the program.
fn build(build_arch: &str, target_arch: &str) -> (Output, Vec<String>, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (tools, work) = (folder.path().join("tools"), folder.path().join("work"));
    let log = folder.path().join("log");
    let note = "#!/bin/sh\necho \"${0##*/} $*\" >>\"$LOG\"\n";
    std::fs::create_dir(&tools).unwrap();
    std::fs::create_dir(&work).unwrap();
    for (name, script) in [("apt-get", note), ("rustup", note), ("cargo", CARGO)] {
        std::fs::write(tools.join(name), script).unwrap();
        std::fs::set_permissions(tools.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let recipe = file("Dockerfile").replace("\\\n", "");
    let stage: Vec<_> = recipe.lines().skip_while(|line| !line.ends_with(" AS build")).skip(1).collect();
    let mut last = None;
    for line in stage.iter().take_while(|line| !line.starts_with("FROM ")) {
        if let Some(what) = line.strip_prefix("COPY ") {
            let words: Vec<_> = what.split_whitespace().collect();
            let copied = Command::new("cp")
                .arg("-r")
                .args(&words[..words.len() - 1])
                .arg(work.join(words[words.len() - 1]))
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status()
                .unwrap();
            assert!(copied.success(), "{line}");
            // As in a checkout that is older than what was compiled before.
            for source in SOURCES.map(|name| work.join(name)).iter().filter(|source| source.exists()) {
                let source = File::options().write(true).open(source).unwrap();
                source.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_800)).unwrap();
            }
        } else if let Some(script) = line.strip_prefix("RUN ") {
            // Everything in the working directory, or this test would write elsewhere.
            assert!(!script.contains(" /") && !script.contains(">/"), "{script}");
            let output = Command::new("sh")
                .args(["-c", script])
                .current_dir(&work)
                .env_clear()
                .env("PATH", format!("{}:/usr/bin:/bin", tools.display()))
                .env("LOG", &log)
                .envs([("BUILDARCH", build_arch), ("TARGETARCH", target_arch), ("COMMIT", "0123abc")])
                .output()
                .unwrap();
            let success = output.status.success();
            last = Some(output);
            if !success {
                break;
            }
        }
    }
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let program = std::fs::read_to_string(work.join("svix-operator")).ok();
    (last.unwrap(), log.lines().map(str::to_owned).collect(), program)
}

#[test]
fn the_dockerfile_compiles_for_each_architecture() {
    let sources = SOURCES.map(file).concat();
    for (target_arch, target, packages) in [
        ("amd64", "x86_64-unknown-linux-gnu", "gcc-x86-64-linux-gnu libc6-dev-amd64-cross"),
        ("arm64", "aarch64-unknown-linux-gnu", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"),
    ] {
        let machine = target.split('-').next().unwrap();
        for build_arch in ["amd64", "arm64"] {
            let (output, log, program) = build(build_arch, target_arch);
            assert!(output.status.success(), "{build_arch} {target_arch}: {output:?}");
            let mut expected = Vec::new();
            if build_arch != target_arch {
                expected.push("apt-get update".to_owned());
                expected.push(format!("apt-get install --yes --no-install-recommends {packages}"));
                expected.push(format!("rustup target add {target}"));
            }
            let environment = [
                format!("CARGO_BUILD_TARGET={target}"),
                format!(
                    "CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_LINKER={machine}-linux-gnu-gcc",
                    machine.to_uppercase()
                ),
                format!("CC_{machine}_unknown_linux_gnu={machine}-linux-gnu-gcc"),
            ];
            expected.extend(environment.clone());
            expected.push("cargo build --release --locked".to_owned());
            expected.extend(environment);
            expected.push("SVIX_OPERATOR_COMMIT=0123abc".to_owned());
            expected.push("cargo build --release --locked".to_owned());
            assert_eq!(log, expected, "{build_arch} {target_arch}");
            assert!(program.unwrap() == sources, "{build_arch} {target_arch}: the program of nothing");
        }
    }
}

#[test]
fn the_dockerfile_refuses_unknown_architectures() {
    let (output, log, program) = build("amd64", "riscv64");
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error, "no image for 'riscv64': expected amd64 or arm64\n");
    assert_eq!((log, program), (Vec::new(), None));
}

#[test]
fn the_image_is_built_by_a_rust_that_may_build_this() {
    let recipe = file("Dockerfile");
    let minor = |version: &str| version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
    let image = recipe.lines().find_map(|line| line.strip_prefix("ARG RUST_VERSION=")).unwrap();
    let least = env!("CARGO_PKG_RUST_VERSION");
    assert!(minor(image) >= minor(least), "{image} builds, {least} is the least");
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
