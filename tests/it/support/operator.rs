//! The operator as a process, against a real control plane, under the account that the chart makes for it. What it may
//! not do then fails the test, unless the test is about that.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::sync::OnceCell;

pub use super::ports::free_address;
use super::{
    control_plane::ControlPlane, harness::PATIENCE, process::image_environment, release, wait::eventually,
};

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
    host: Child,
    pid: u32,
    pub health: SocketAddr,
    pub log: PathBuf,
    may_be_refused: bool,
}

static SHARED: OnceCell<Operator> = OnceCell::const_new();

impl Operator {
    /// The operator of the shared control plane, started with its first use.
    pub async fn shared() -> &'static Operator {
        SHARED
            .get_or_init(|| async {
                let control_plane = ControlPlane::shared().await;
                install(control_plane).await;
                // A machine that stands still for seconds must not end what every test works with.
                let operator = Self::start_leased(control_plane, &account_of(control_plane), "60", &[]);
                operator.ready().await;
                operator
            })
            .await
    }

    /// Fails when the shared operator was refused something. It ends with the test run, so tests ask meanwhile.
    pub fn shared_was_refused_nothing() {
        if let Some(operator) = SHARED.get() {
            operator.was_refused_nothing();
        }
    }

    /// Starts an operator under the chart's account; [`install`] has been called.
    pub fn start(control_plane: &ControlPlane, arguments: &[&str]) -> Self {
        Self::start_with(control_plane, &account_of(control_plane), arguments)
    }

    /// Starts an operator that may do what the user of a kubeconfig may.
    pub fn start_with(control_plane: &ControlPlane, kubeconfig: &Path, arguments: &[&str]) -> Self {
        Self::start_leased(control_plane, kubeconfig, "3", arguments)
    }

    fn start_leased(
        control_plane: &ControlPlane,
        kubeconfig: &Path,
        lease_seconds: &str,
        arguments: &[&str],
    ) -> Self {
        let mut all = vec!["run", "--namespace", OPERATOR_NAMESPACE, "--lease-duration", lease_seconds];
        all.extend(arguments);
        Self::start_command(control_plane, kubeconfig, &all)
    }

    /// Starts an operator under the chart's account that logs everything, what it is made of included.
    pub fn start_at_trace(control_plane: &ControlPlane) -> Self {
        Self::start_at(control_plane, "trace")
    }

    /// Starts an operator under the chart's account that logs so.
    pub fn start_at(control_plane: &ControlPlane, level: &str) -> Self {
        // So much may be written that a short lease is lost.
        let arguments = ["run", "--namespace", OPERATOR_NAMESPACE, "--lease-duration", "60"];
        let program = Path::new(env!("CARGO_BIN_EXE_svix-operator"));
        Self::start_logging(program, control_plane, &account_of(control_plane), &arguments, level)
    }

    /// Starts a command of the program that serves health and logs as `run` does.
    pub fn start_command(control_plane: &ControlPlane, kubeconfig: &Path, arguments: &[&str]) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_svix-operator"));
        Self::start_logging(program, control_plane, kubeconfig, arguments, "svix_operator=debug")
    }

    /// The same with another build of the program.
    pub fn start_program(
        program: &Path,
        control_plane: &ControlPlane,
        kubeconfig: &Path,
        arguments: &[&str],
    ) -> Self {
        Self::start_logging(program, control_plane, kubeconfig, arguments, "svix_operator=debug")
    }

    fn start_logging(
        program: &Path,
        control_plane: &ControlPlane,
        kubeconfig: &Path,
        arguments: &[&str],
        level: &str,
    ) -> Self {
        let health = free_address();
        let log = control_plane.dir().join(format!("operator-{}.log", health.port()));
        let mut host = Command::new("sh")
            .args(["-c", SUPERVISOR, "sh"])
            .arg(program)
            .args(arguments)
            .args(["--health-addr", &health.to_string(), "--log-format", "text"])
            .envs(image_environment())
            .env("KUBECONFIG", kubeconfig)
            .env("LOG", &log)
            .env_remove("RUST_LOG")
            .env("SVIX_OPERATOR_LOG", level)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { host, pid: line.trim().parse().unwrap(), health, log, may_be_refused: false }
    }

    /// For a test of what happens without a permission.
    pub fn that_may_be_refused(mut self) -> Self {
        self.may_be_refused = true;
        self
    }

    /// Lines of its log that tell of a missing permission. That a namespace takes nothing new while it is deleted is
    /// `forbidden` as well, and names no user.
    pub fn refused(&self) -> Vec<String> {
        let log = self.log_text();
        log.lines().filter(|line| line.contains("forbidden: User ")).map(str::to_owned).collect()
    }

    fn was_refused_nothing(&self) {
        if self.may_be_refused || std::thread::panicking() {
            return;
        }
        let refused = self.refused();
        let first = &refused[..refused.len().min(5)];
        assert!(first.is_empty(), "the chart does not allow what was asked for: {first:#?}");
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
        if let Some(mut stdin) = self.host.stdin.take() {
            let _ = stdin.write_all(b"stop\n");
        }
        let _ = self.host.wait();
        self.was_refused_nothing();
    }
}

/// A kubeconfig of a ServiceAccount in the operator's namespace.
pub fn kubeconfig_of(control_plane: &ControlPlane, account: &str) -> PathBuf {
    control_plane.kubeconfig_of(OPERATOR_NAMESPACE, account)
}

/// Installs what the operator needs: the custom resources, its namespace, and the chart's accounts and permissions.
pub async fn install(control_plane: &ControlPlane) {
    install_definitions(control_plane).await;
    release::allow(control_plane, OPERATOR_NAMESPACE).await;
}

/// The same without accounts and permissions.
pub async fn install_definitions(control_plane: &ControlPlane) {
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    control_plane.kubectl(&["apply", "--server-side", "-f", crds]).await.expect_success();
    control_plane.kubectl(&["create", "namespace", OPERATOR_NAMESPACE]).await.expect_success();
    control_plane
        .kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", crds])
        .await
        .expect_success();
}

/// The kubeconfig of the chart's account for the operator.
fn account_of(control_plane: &ControlPlane) -> PathBuf {
    control_plane.kubeconfig_of(OPERATOR_NAMESPACE, OPERATOR_NAMESPACE)
}
