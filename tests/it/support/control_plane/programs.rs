//! Where the control plane's programs come from: `KUBEBUILDER_ASSETS`, a cached build, or a build.
//!
//! `tests/control-plane` pins their versions.

use std::path::PathBuf;

pub use crate::support::go_programs::at;
use crate::support::go_programs::{GoPrograms, read_in};

/// The Go module that pins the programs.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/control-plane");

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
                built = Some(control_plane(link_flags()?).build_or_cached()?);
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

fn control_plane(link_flags: String) -> GoPrograms {
    GoPrograms {
        name: "control plane",
        module: MODULE,
        packages: &[
            "./etcd",
            "k8s.io/kubernetes/cmd/kube-apiserver",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
            "k8s.io/kubernetes/cmd/kubectl",
        ],
        programs: &["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"],
        sources: &["etcd/main.go"],
        link_flags,
        takes: "6 to 10 minutes",
        without_go: "the integration tests need a Kubernetes API: install Go (https://go.dev/dl) so that it can be \
                     built, or set KUBEBUILDER_ASSETS to a directory with etcd, kube-apiserver, \
                     kube-controller-manager and kubectl",
        instead: "Set KUBEBUILDER_ASSETS to use others.",
    }
}

/// The version goes in by hand, as a release's build does it: clients and a chart's `kubeVersion`
/// stumble over a server without one.
fn link_flags() -> Result<String, String> {
    let go_mod = read_in(MODULE, "go.mod")?;
    let version = go_mod
        .lines()
        .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
        .ok_or_else(|| format!("{MODULE}/go.mod does not require k8s.io/kubernetes"))?;
    let mut parts = version.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    const AT: &str = "-X k8s.io/component-base/version";
    Ok(format!("-s -w {AT}.gitVersion={version} {AT}.gitMajor={major} {AT}.gitMinor={minor}"))
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
    let key = |flags: &str| control_plane(flags.to_owned()).cache_key().unwrap();
    assert_ne!(key("-s"), key("-w"));
    assert_eq!(key("-s"), key("-s"));
}
