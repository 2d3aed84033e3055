//! Argo CD as a process on a cluster: its application controller and its repository server (`tests/argo-cd`), with its
//! definitions and the project that its server would make.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::json;
use tempfile::TempDir;

use super::{
    control_plane::{ControlPlane, process::Process},
    harness::PATIENCE,
    tools::{argo_cd_sources, folder_with},
    wait::eventually,
};

/// Where it finds Applications and its settings.
pub const ARGO_CD_NAMESPACE: &str = "argocd";

/// A running Argo CD.
pub struct ArgoCd {
    process: Process,
    // What it reads from Git.
    _folder: TempDir,
}

/// Makes what an installation of Argo CD brings, but for the programs.
pub async fn install_argo_cd(control_plane: &ControlPlane) {
    let sources = tokio::task::spawn_blocking(argo_cd_sources).await.unwrap();
    for definition in ["application", "appproject"] {
        let file = sources.join(format!("manifests/crds/{definition}-crd.yaml"));
        let file = file.to_str().unwrap();
        control_plane.kubectl(&["apply", "--server-side", "-f", file]).await.expect_success();
        // A definition that was just made may have no conditions at all, which kubectl takes for a mistake.
        eventually("Argo CD's definitions", PATIENCE, async || {
            let stated = control_plane.kubectl(&["wait", "--for=condition=Established", "-f", file]).await;
            if stated.success { Ok(()) } else { Err(stated.stderr) }
        })
        .await;
    }
    control_plane.kubectl(&["create", "namespace", ARGO_CD_NAMESPACE]).await.expect_success();
    // As Argo CD's server makes it at its first start: everything is allowed.
    let project = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": "default", "namespace": ARGO_CD_NAMESPACE},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    });
    let apply = ["apply", "--server-side", "-f", "-"];
    control_plane.kubectl_with(&apply, &project.to_string()).await.expect_success();
}

impl ArgoCd {
    /// Starts it. It ends with the value, or with the test run.
    pub async fn start(control_plane: &ControlPlane) -> Self {
        let found = tokio::task::spawn_blocking(|| {
            (folder_with("controller").join("controller"), folder_with("helm"), argo_cd_sources())
        });
        let (program, helm, sources) = found.await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [temporary, scripts] = ["tmp", "bin"].map(|name| folder.path().join(name));
        std::fs::create_dir(&temporary).unwrap();
        std::fs::create_dir(&scripts).unwrap();
        // What its image has in PATH beside git and helm.
        let script = scripts.join("git-verify-wrapper.sh");
        std::fs::write(&script, std::fs::read(sources.join("hack/git-verify-wrapper.sh")).unwrap()).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let programs = [helm.to_owned(), scripts].into_iter();
        let path = std::env::join_paths(programs.chain(std::env::split_paths(&path))).unwrap();
        let variable = |name: &str, value: &Path| format!("{name}={}", value.display());
        let arguments = [
            variable("KUBECONFIG", control_plane.kubeconfig()),
            variable("HOME", folder.path()),
            variable("TMPDIR", &temporary),
            variable("PATH", Path::new(&path)),
            // Nothing of what this machine's user has configured.
            "GIT_CONFIG_GLOBAL=/dev/null".to_owned(),
            "GIT_CONFIG_NOSYSTEM=1".to_owned(),
            // It does not run in the cluster that it calls its own.
            "ARGOCD_FAKE_IN_CLUSTER=true".to_owned(),
            program.display().to_string(),
            format!("-namespace={ARGO_CD_NAMESPACE}"),
        ];
        let process = Process::start("argo-cd", Path::new("env"), &arguments, folder.path()).unwrap();
        Self { process, _folder: folder }
    }

    /// What it wrote last, for the message of a test that fails.
    pub fn log_tail(&self) -> String {
        let ended = if self.process.has_exited() { "it has ended\n" } else { "" };
        format!("{ended}{}", self.process.log_tail())
    }
}
