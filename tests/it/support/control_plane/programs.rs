//! Where the control plane's programs come from: `KUBEBUILDER_ASSETS`, a cached build, or a build.
//!
//! `tests/control-plane` pins their versions; the cache is keyed by what would change the build.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sha2::{Digest, Sha256};

/// The Go module that pins the programs.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/control-plane");
const NAMES: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];
const PACKAGES: [&str; 4] = [
    "./etcd",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kubectl",
];

/// The programs' paths.
#[derive(Clone, Debug)]
pub struct Programs {
    pub etcd: PathBuf,
    pub kube_apiserver: PathBuf,
    pub kube_controller_manager: PathBuf,
    pub kubectl: PathBuf,
}

impl Programs {
    /// Finds every program in `KUBEBUILDER_ASSETS`. What that lacks (setup-envtest's assets have no
    /// kube-controller-manager), and everything when it is not set, is from our own build, which is
    /// made first when it is not in the cache yet.
    pub fn find() -> Result<Self, String> {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        if let Some(dir) = &assets
            && !dir.is_dir()
        {
            return Err(format!("KUBEBUILDER_ASSETS is {}, which is no directory", dir.display()));
        }
        let mut built = None;
        let mut find = |name: &str| -> Result<PathBuf, String> {
            if let Some(found) = assets.as_ref().map(|dir| dir.join(name)).filter(|path| path.is_file()) {
                return Ok(found);
            }
            if built.is_none() {
                built = Some(build_or_cached()?);
            }
            Ok(built.as_ref().map(|dir: &PathBuf| dir.join(name)).unwrap_or_default())
        };
        Ok(Self {
            etcd: find("etcd")?,
            kube_apiserver: find("kube-apiserver")?,
            kube_controller_manager: find("kube-controller-manager")?,
            kubectl: find("kubectl")?,
        })
    }
}

/// The directory of the build, made now when there is none.
fn build_or_cached() -> Result<PathBuf, String> {
    let flags = link_flags()?;
    let root = cache_root()?;
    let home = root.join(cache_key(&flags)?);
    if is_complete(&home) {
        return Ok(home);
    }
    fs::create_dir_all(&root).map_err(at("creating", &root))?;
    let lock_path = root.join("lock");
    let lock = File::create(&lock_path).map_err(at("creating", &lock_path))?;
    if lock.try_lock().is_err() {
        say("waiting for another test run, which is building its programs");
        lock.lock().map_err(at("locking", &lock_path))?;
    }
    // The other run may have built what this one needs.
    if is_complete(&home) {
        return Ok(home);
    }
    // Built beside its place and renamed into it: a build that was cut short is never used.
    let unfinished = root.join("unfinished");
    let _ = fs::remove_dir_all(&unfinished);
    fs::create_dir_all(&unfinished).map_err(at("creating", &unfinished))?;
    build(&unfinished, &flags)?;
    let _ = fs::remove_dir_all(&home);
    fs::rename(&unfinished, &home).map_err(at("renaming into place", &home))?;
    Ok(home)
}

fn build(into: &Path, flags: &str) -> Result<(), String> {
    let start = Instant::now();
    let mut go = Command::new("go")
        .current_dir(MODULE)
        .args(["build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o"])
        .arg(format!("{}/", into.display()))
        .args(PACKAGES)
        // A workspace above this one must not change what is built.
        .env("GOWORK", "off")
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "the integration tests need a Kubernetes API: install Go \
                 (https://go.dev/dl) so that it can be built, or set KUBEBUILDER_ASSETS to a directory \
                 with etcd, kube-apiserver, kube-controller-manager and kubectl"
                .to_owned(),
            _ => format!("go did not start: {error}"),
        })?;
    say("building etcd, kube-apiserver, kube-controller-manager and kubectl with Go. This happens once and \
         takes about 6 to 10 minutes; set KUBEBUILDER_ASSETS to use others");
    let status = go.wait().map_err(|error| format!("waiting for go: {error}"))?;
    if !status.success() || !is_complete(into) {
        return Err(format!("`go build` in {MODULE} ended with {status}; what it said is above"));
    }
    say(&format!("built in {} s", start.elapsed().as_secs()));
    Ok(())
}

/// Tells the person at the terminal. Not by `eprintln!`, which the test harness keeps back.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "control plane: {what}");
}

/// The version goes in by hand, as a release's build does it: clients and a chart's `kubeVersion`
/// stumble over a server without one.
fn link_flags() -> Result<String, String> {
    let go_mod = read("go.mod")?;
    let version = go_mod
        .lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
        .ok_or_else(|| format!("{MODULE}/go.mod does not require k8s.io/kubernetes"))?;
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    const AT: &str = "-X k8s.io/component-base/version";
    Ok(format!("-s -w {AT}.gitVersion={version} {AT}.gitMajor={major} {AT}.gitMinor={minor}"))
}

fn cache_key(flags: &str) -> Result<String, String> {
    let mut hash = Sha256::new();
    for part in [read("go.mod")?, read("go.sum")?, read("etcd/main.go")?, flags.to_owned()] {
        // Lengths keep the parts apart.
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// Where builds are kept, one directory per key.
fn cache_root() -> Result<PathBuf, String> {
    let variable = |name| std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let base = match variable("SVIX_OPERATOR_CACHE") {
        Some(own) => own,
        None => variable("XDG_CACHE_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".cache")))
            .ok_or("no place for a cached build: set SVIX_OPERATOR_CACHE, XDG_CACHE_HOME or HOME")?,
    };
    Ok(base.join("svix-operator/control-plane"))
}

fn is_complete(dir: &Path) -> bool {
    NAMES.iter().all(|name| dir.join(name).is_file())
}

fn read(name: &str) -> Result<String, String> {
    let path = Path::new(MODULE).join(name);
    fs::read_to_string(&path).map_err(at("reading", &path))
}

/// Says in an error what was being done with which path.
pub fn at<'a>(doing: &'a str, path: &'a Path) -> impl FnOnce(std::io::Error) -> String + 'a {
    move |error| format!("{doing} {}: {error}", path.display())
}

#[test]
fn the_version_in_the_binary_is_the_pinned_one() {
    let flags = link_flags().unwrap();

    assert_eq!(
        flags,
        "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 \
         -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"
    );
}

#[test]
fn other_flags_are_another_build() {
    assert_ne!(cache_key("-s").unwrap(), cache_key("-w").unwrap());
    assert_eq!(cache_key("-s").unwrap(), cache_key("-s").unwrap());
}
