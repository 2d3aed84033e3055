//! The programs that people install and judge with: helm and helm-unittest, and in small programs of our own
//! Prometheus' engine, and the Go types of other people's kinds (`tests/tools` pins them); Argo CD's controller, sync
//! engine and Lua (`tests/argo-cd`); kustomize (`tests/kustomize`); actionlint (`tests/actionlint`).

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use super::{
    control_plane::{ControlPlane, Finished},
    go_programs::GoPrograms,
};

/// The folder with the tools, built when this machine has none.
fn tools() -> &'static Path {
    static TOOLS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = TOOLS.get_or_init(|| {
        let programs = GoPrograms {
            name: "tools",
            module: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools"),
            packages: &[
                "./kstatus",
                "./promql",
                "./strict",
                "helm.sh/helm/v4/cmd/helm",
                "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
            ],
            programs: &["kstatus", "promql", "strict", "helm", "helm-unittest"],
            sources: &["kstatus/main.go", "promql/main.go", "strict/main.go"],
            link_flags: "-s -w".to_owned(),
            takes: "2 to 5 minutes",
            without_go: "the tests of the chart need helm: install Go (https://go.dev/dl) so that it can be built",
            instead: "",
        };
        programs.build_or_cached()
    });
    found.as_deref().unwrap_or_else(|why| panic!("no tools: {why}"))
}

/// The programs that are Argo CD's.
const ARGO_CD: [&str; 3] = ["controller", "lua", "sync"];

fn argo_cd_programs() -> GoPrograms {
    GoPrograms {
        name: "argo cd",
        module: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/argo-cd"),
        packages: &["./controller", "./lua", "./sync"],
        programs: &ARGO_CD,
        sources: &[
            "controller/main.go",
            "lua/main.go",
            "sync/application.go",
            "sync/checks.go",
            "sync/comparison.go",
            "sync/main.go",
            "sync/repository.go",
        ],
        link_flags: "-s -w".to_owned(),
        takes: "3 to 8 minutes",
        without_go: "the tests of the examples for Argo CD need its engine: install Go (https://go.dev/dl) so that it \
                     can be built",
        instead: "",
    }
}

/// The folder with them, built when this machine has none.
fn argo_cd() -> &'static Path {
    static ARGO_CD_TOOLS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = ARGO_CD_TOOLS.get_or_init(|| argo_cd_programs().build_or_cached());
    found.as_deref().unwrap_or_else(|why| panic!("no tools: {why}"))
}

/// Where Argo CD's own sources are, its manifests among them.
pub fn argo_cd_sources() -> PathBuf {
    let found = argo_cd_programs().folder_of("github.com/argoproj/argo-cd/v3");
    found.unwrap_or_else(|why| panic!("no sources of Argo CD: {why}"))
}

/// The program, built when this machine has none.
fn kustomize() -> &'static Path {
    static KUSTOMIZE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = KUSTOMIZE.get_or_init(|| {
        let programs = GoPrograms {
            name: "kustomize",
            module: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kustomize"),
            packages: &["sigs.k8s.io/kustomize/kustomize/v5"],
            // What Go calls a program whose package ends in its major version.
            programs: &["kustomize"],
            sources: &[],
            link_flags: "-s -w".to_owned(),
            takes: "a minute",
            without_go: "the tests of the examples need kustomize: install Go (https://go.dev/dl) so that it can be built",
            instead: "",
        };
        programs.build_or_cached()
    });
    found.as_deref().unwrap_or_else(|why| panic!("no kustomize: {why}"))
}

/// The program, built when this machine has none.
fn actionlint() -> &'static Path {
    static ACTIONLINT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = ACTIONLINT.get_or_init(|| {
        let programs = GoPrograms {
            name: "actionlint",
            module: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/actionlint"),
            packages: &["github.com/rhysd/actionlint/cmd/actionlint"],
            programs: &["actionlint"],
            sources: &[],
            link_flags: "-s -w".to_owned(),
            takes: "half a minute",
            without_go: "the tests of the workflows need actionlint: install Go (https://go.dev/dl) so that it can be built",
            instead: "",
        };
        programs.build_or_cached()
    });
    found.as_deref().unwrap_or_else(|why| panic!("no actionlint: {why}"))
}

/// The folder with one of the tools.
pub fn folder_with(name: &str) -> &'static Path {
    match name {
        "actionlint" => actionlint(),
        "kustomize" => kustomize(),
        _ if ARGO_CD.contains(&name) => argo_cd(),
        _ => tools(),
    }
}

/// Runs commands as a person at a terminal does who has kubectl, helm and a kubeconfig, in the project's folder.
pub async fn shell(cluster: &ControlPlane, commands: &str) -> Finished {
    let mut sh = Command::new("sh");
    let folders = [tools(), cluster.kubectl_program().parent().expect("a folder")].map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path)));
    sh.args(["-euc", commands])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", path.expect("a PATH"))
        .env("HOME", cluster.dir())
        .env("KUBECONFIG", cluster.kubeconfig())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || sh.output()).await;
    output.expect("the shell's thread").expect("starting sh").into()
}

/// Runs one of the tools in the project's folder, as the admin of a cluster when one is given.
pub async fn tool(
    name: &'static str,
    cluster: Option<&ControlPlane>,
    arguments: &[&str],
    stdin: &str,
) -> Finished {
    let mut input = tempfile::tempfile().expect("a file for standard input");
    std::io::Write::write_all(&mut input, stdin.as_bytes()).expect("writing standard input");
    std::io::Seek::rewind(&mut input).expect("rewinding standard input");
    let home = tempfile::tempdir().expect("a folder for what the tool keeps");
    let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    // Without a cluster, it must not find this machine's own.
    let kubeconfig = cluster.map_or_else(|| home.path().join("none"), |it| it.kubeconfig().to_owned());
    let run = move || {
        let output = Command::new(folder_with(name).join(name))
            .args(&arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("HOME", home.path())
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            .env("KUBECONFIG", kubeconfig)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output();
        output.unwrap_or_else(|error| panic!("starting {name}: {error}"))
    };
    tokio::task::spawn_blocking(run).await.expect("the tool's thread").into()
}
