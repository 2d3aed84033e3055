//! The operator as a process, against a real control plane.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::sync::OnceCell;

use super::{control_plane::ControlPlane, wait::eventually, world::PATIENCE};

/// Where the operator finds tokens, and keeps its Lease.
pub const OPERATOR_NAMESPACE: &str = "svix-operator";

/// Starts the program, tells its process id, and ends it when this test run ends in whatever way.
const SUPERVISOR: &str = r#"
"$@" 2>>"$LOG" </dev/null &
program=$!
echo "$program"
exec >/dev/null
read -r _
kill -KILL "$program" 2>/dev/null
wait "$program" 2>/dev/null
"#;

/// A running operator.
pub struct Operator {
    shell: Child,
    pid: u32,
    pub health: SocketAddr,
    pub log: PathBuf,
}

impl Operator {
    /// The operator of the shared control plane, started with its first use.
    pub async fn shared() -> &'static Operator {
        static SHARED: OnceCell<Operator> = OnceCell::const_new();
        SHARED
            .get_or_init(|| async {
                let control_plane = ControlPlane::shared().await;
                install(control_plane).await;
                let operator = Self::start(control_plane, &[]);
                operator.ready().await;
                operator
            })
            .await
    }

    /// Starts an operator that may do everything; the custom resources must be installed.
    pub fn start(control_plane: &ControlPlane, arguments: &[&str]) -> Self {
        Self::start_with(control_plane, control_plane.kubeconfig(), arguments)
    }

    /// Starts an operator that may do what the user of a kubeconfig may.
    pub fn start_with(control_plane: &ControlPlane, kubeconfig: &Path, arguments: &[&str]) -> Self {
        let mut all = vec!["run", "--namespace", OPERATOR_NAMESPACE, "--lease-duration", "3"];
        all.extend(arguments);
        Self::start_command(control_plane, kubeconfig, &all)
    }

    /// Starts an operator that may do everything and logs everything, what it is made of included.
    pub fn start_at_trace(control_plane: &ControlPlane) -> Self {
        // So much is written that a short lease is lost.
        let arguments = ["run", "--namespace", OPERATOR_NAMESPACE, "--lease-duration", "60"];
        Self::start_logging(control_plane, control_plane.kubeconfig(), &arguments, "trace")
    }

    /// Starts a command of the program that serves health and logs as `run` does.
    pub fn start_command(control_plane: &ControlPlane, kubeconfig: &Path, arguments: &[&str]) -> Self {
        Self::start_logging(control_plane, kubeconfig, arguments, "svix_operator=debug")
    }

    fn start_logging(
        control_plane: &ControlPlane,
        kubeconfig: &Path,
        arguments: &[&str],
        level: &str,
    ) -> Self {
        let health = free_address();
        let log = control_plane.dir().join(format!("operator-{}.log", health.port()));
        let mut shell = Command::new("sh")
            .args(["-c", SUPERVISOR, "sh"])
            .arg(env!("CARGO_BIN_EXE_svix-operator"))
            .args(arguments)
            .args(["--health-addr", &health.to_string(), "--log-format", "text"])
            .env("KUBECONFIG", kubeconfig)
            .env("LOG", &log)
            .env_remove("RUST_LOG")
            .env("SVIX_OPERATOR_LOG", level)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { shell, pid: line.trim().parse().unwrap(), health, log }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        eventually("the operator to be ready", PATIENCE, async || {
            let answer = self.get("/readyz").await.ok_or("no answer")?;
            if answer == "ok\n" { Ok(()) } else { Err(format!("{answer}\n{}", self.log_tail())) }
        })
        .await;
    }

    /// What it answers at a path of its health address; `None`: nothing.
    pub async fn get(&self, path: &str) -> Option<String> {
        let url = format!("http://{}{path}", self.health);
        reqwest::get(url).await.ok()?.text().await.ok()
    }

    /// One metric, by its name and labels as they are printed; 0 when it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").await.unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Sends a signal, such as `TERM` or `KILL`.
    pub fn signal(&self, name: &str) {
        // It may have ended already.
        let _ = Command::new("kill").args([&format!("-{name}"), &self.pid.to_string()]).status();
    }

    /// Waits until it has ended.
    pub async fn ended(&self, within: Duration) {
        let stat = PathBuf::from(format!("/proc/{}/stat", self.pid));
        eventually("the operator to end", within, async || {
            // A zombie has ended: its supervisor waits for it only when it is told to.
            let text = std::fs::read_to_string(&stat).unwrap_or_default();
            (text.is_empty() || text.contains(") Z ")).then_some(())
        })
        .await;
    }

    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if let Some(mut stdin) = self.shell.stdin.take() {
            let _ = stdin.write_all(b"stop\n");
        }
        let _ = self.shell.wait();
    }
}

/// A kubeconfig of a ServiceAccount in the operator's namespace.
pub fn kubeconfig_of(control_plane: &ControlPlane, account: &str) -> PathBuf {
    control_plane.kubeconfig_of(OPERATOR_NAMESPACE, account)
}

/// Installs the custom resources and the operator's namespace.
pub async fn install(control_plane: &ControlPlane) {
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    control_plane.kubectl(&["apply", "--server-side", "-f", crds]).await.expect_success();
    control_plane.kubectl(&["create", "namespace", OPERATOR_NAMESPACE]).await.expect_success();
    control_plane
        .kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", crds])
        .await
        .expect_success();
}

pub fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
