//! A real Kubernetes control plane: etcd, kube-apiserver, and the namespace and garbage-collector
//! controllers of kube-controller-manager. No kubelet and no scheduler: nothing runs a Pod.
//!
//! One per test run ([`ControlPlane::shared`]), a namespace per test ([`ControlPlane::namespace`]).
//! A test that takes the API away starts its own ([`ControlPlane::start`]).

mod credentials;
pub(super) mod process;
mod programs;

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};

use credentials::Credentials;
use process::Process;
use programs::{Programs, at};

use super::{ports::free_port, wait::eventually};

/// A start is about two seconds on an idle machine; a busy CI machine gets a generous factor.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// Names a folder where the API server of every control plane writes down who asked it what, and which outlives them.
pub const AUDIT_FOLDER: &str = "SVIX_OPERATOR_AUDIT_FOLDER";

/// A running control plane. It ends with the value, or with the test run, however that ends.
pub struct ControlPlane {
    // Dropped in this order: clients before servers.
    controller_manager: Option<Process>,
    api_server: Mutex<Option<Process>>,
    etcd: Process,
    etcd_port: u16,
    port: u16,
    dir: PathBuf,
    kubeconfig: PathBuf,
    credentials: Credentials,
    programs: Programs,
    /// Where the API server writes down who asked it what.
    audit_log: Option<PathBuf>,
    started_in: Duration,
}

/// Waits for a build of the programs that is under way or still to come. On a machine that has never seen
/// them it takes minutes and every core, and what measures time should not run beside it.
pub async fn no_build_under_way() {
    // What is wrong with a build is told by the tests that need it.
    let _ = tokio::task::spawn_blocking(Programs::find).await;
}

/// The kubectl of the control plane's build, for what needs no API server.
pub fn kubectl_program() -> PathBuf {
    Programs::find().unwrap_or_else(|why| panic!("no kubectl: {why}")).kubectl
}

/// What a program said when it ended.
#[derive(Debug)]
pub struct Finished {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Standard output of a program that must have succeeded.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert!(self.success, "it failed: {}{}", self.stdout, self.stderr);
        self.stdout
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl ControlPlane {
    /// The control plane that all tests of this run share; the first call starts it.
    ///
    /// # Panics
    /// With the programs' last log lines when it does not start; for every later caller too,
    /// without a second try.
    pub async fn shared() -> &'static ControlPlane {
        static SHARED: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
        let shared = tokio::task::spawn_blocking(|| SHARED.get_or_init(|| Self::start_blocking(false))).await;
        match shared.expect("the start of the control plane panicked") {
            Ok(control_plane) => control_plane,
            Err(why) => panic!("no control plane: {why}"),
        }
    }

    /// A control plane of the caller's own, which ends when it is dropped.
    pub async fn start() -> ControlPlane {
        Self::start_own(false).await
    }

    /// The same, with an API server that writes down who asked it what ([`Self::audit`]).
    pub async fn start_audited() -> ControlPlane {
        Self::start_own(true).await
    }

    async fn start_own(audited: bool) -> ControlPlane {
        let own = tokio::task::spawn_blocking(move || Self::start_blocking(audited)).await;
        own.expect("the start of the control plane panicked")
            .unwrap_or_else(|why| panic!("no control plane: {why}"))
    }

    /// A client that may do everything. It belongs to the calling test's runtime.
    pub fn client(&self) -> Client {
        client(self.config())
    }

    /// A client of the weak user (`weak-user`), who may do only what a test's RoleBinding allows.
    pub fn weak_client(&self) -> Client {
        client(config(self.port, &self.credentials, &self.credentials.weak_token))
    }

    /// What [`Self::client`] is made of, for a test that changes it (a proxy's address, another
    /// user by impersonation).
    pub fn config(&self) -> kube::Config {
        config(self.port, &self.credentials, &self.credentials.admin_token)
    }

    /// A kubeconfig file that may do everything.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A kubeconfig file of a ServiceAccount, which may do what its roles let it.
    pub fn kubeconfig_of(&self, namespace: &str, account: &str) -> PathBuf {
        let text = fs::read_to_string(&self.kubeconfig).expect("reading the kubeconfig");
        let user = format!("    as: system:serviceaccount:{namespace}:{account}\n    token: ");
        let text = text.replacen("    token: ", &user, 1);
        let path = self.dir.join(format!("{namespace}.{account}.kubeconfig"));
        // Renamed into place, as a process may be reading the one that is there.
        let unfinished = tempfile::NamedTempFile::new_in(&self.dir).expect("a new file");
        fs::write(&unfinished, text).expect("writing a kubeconfig");
        unfinished.persist(&path).expect("renaming a kubeconfig");
        path
    }

    /// Where the API server listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The kubectl that goes with the API server.
    pub fn kubectl_program(&self) -> &Path {
        &self.programs.kubectl
    }

    /// The PEM of the authority that signed the API server's certificate.
    pub fn ca_pem(&self) -> &str {
        &self.credentials.ca_pem
    }

    /// What the API server was asked so far, when it is audited.
    pub fn audit(&self) -> Vec<serde_json::Value> {
        read_audit_log(self.audit_log.as_ref().expect("an audited API server"))
    }

    /// The files of this control plane; gone when it ends.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How long the start took, without a build.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// A new namespace whose name begins with `prefix`.
    pub async fn namespace(&self, prefix: &str) -> FreshNamespace {
        let client = self.client();
        let namespace = Namespace {
            metadata: ObjectMeta { generate_name: Some(format!("{prefix}-")), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let created = Api::all(client.clone()).create(&PostParams::default(), &namespace).await;
        let name = created.expect("creating a namespace").metadata.name.unwrap_or_default();
        FreshNamespace { name, client }
    }

    /// The folder that kubectl is in.
    pub fn tools(&self) -> &Path {
        self.programs.kubectl.parent().expect("a path to a program")
    }

    /// Runs kubectl as admin, without blocking the runtime (a test may serve a webhook meanwhile).
    pub async fn kubectl(&self, arguments: &[&str]) -> Finished {
        self.kubectl_with(arguments, "").await
    }

    /// Runs kubectl with `stdin` as its standard input, for `-f -`.
    pub async fn kubectl_with(&self, arguments: &[&str], stdin: &str) -> Finished {
        // A file, as writing into a pipe while reading another can lock up.
        let mut input = tempfile::tempfile().expect("a file for standard input");
        std::io::Write::write_all(&mut input, stdin.as_bytes()).expect("writing standard input");
        std::io::Seek::rewind(&mut input).expect("rewinding standard input");
        let mut kubectl = Command::new(&self.programs.kubectl);
        kubectl
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", self.dir.join("kubectl-cache"))
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let output = tokio::task::spawn_blocking(move || kubectl.output()).await;
        output.expect("kubectl's thread").expect("starting kubectl").into()
    }

    /// Kills the API server. Clients get "connection refused" until [`Self::start_api_server`].
    pub async fn stop_api_server(&self) {
        let server = self.api_server.lock().unwrap_or_else(PoisonError::into_inner).take();
        let stopped = tokio::task::spawn_blocking(|| server.map(Process::stop)).await;
        stopped.expect("stopping the API server");
    }

    /// Starts the API server again on the same port with the same data, and waits until it is ready.
    pub async fn start_api_server(&self) {
        let server = start_api_server(
            &self.programs,
            &self.credentials,
            &self.dir,
            [self.etcd_port, self.port],
            self.audit_log.as_deref(),
        )
        .expect("starting the API server");
        *self.api_server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        let client = self.client();
        eventually("the API server is ready again", START_DEADLINE, async || ready(&client).await).await;
    }

    fn start_blocking(audited: bool) -> Result<Self, String> {
        let programs = Programs::find()?;
        const TRIES: usize = 5;
        for _ in 1..TRIES {
            match Self::try_start(&programs, audited) {
                // Between choosing a free port and a server's use of it, another process took it.
                Err(why) if why.contains("address already in use") => {}
                result => return result,
            }
        }
        Self::try_start(&programs, audited)
    }

    fn try_start(programs: &Programs, audited: bool) -> Result<Self, String> {
        let start = Instant::now();
        let dir = tempfile::Builder::new()
            .prefix("svix-operator-control-plane-")
            .tempdir()
            .map_err(|error| format!("making a temporary directory: {error}"))?;
        let credentials = Credentials::generate(dir.path())?;
        let [etcd_port, etcd_peer_port, port] = std::array::from_fn(|_| free_port());
        let kubeconfig = dir.path().join("kubeconfig");
        let url = format!("https://127.0.0.1:{port}");
        fs::write(&kubeconfig, credentials.kubeconfig(&url, &credentials.admin_token))
            .map_err(at("writing", &kubeconfig))?;
        let everyone_audited = std::env::var_os(AUDIT_FOLDER).map(PathBuf::from);
        let audit_folder = everyone_audited.or_else(|| audited.then(|| dir.path().to_owned()));
        let audit_log = match audit_folder {
            Some(folder) => {
                fs::create_dir_all(&folder).map_err(at("making", &folder))?;
                Some(folder.join(format!("{}.audit.log", uuid::Uuid::new_v4())))
            }
            None => None,
        };
        let etcd = start_etcd(programs, dir.path(), etcd_port, etcd_peer_port)?;
        // From here on the processes remove the directory when they end.
        let dir = dir.keep();

        until(&[&etcd], || TcpStream::connect((Ipv4Addr::LOCALHOST, etcd_port)).is_ok())?;
        let api_server =
            start_api_server(programs, &credentials, &dir, [etcd_port, port], audit_log.as_deref())?;
        // A runtime of its own, as a client belongs to the runtime that it was made in.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("making a runtime: {error}"))?;
        let guard = runtime.enter();
        let client = client(config(port, &credentials, &credentials.admin_token));
        drop(guard);
        until(&[&etcd, &api_server], || runtime.block_on(ready(&client)).is_ok())?;
        let controller_manager = start_controller_manager(programs, &dir, &kubeconfig)?;

        Ok(Self {
            controller_manager: Some(controller_manager),
            api_server: Mutex::new(Some(api_server)),
            etcd,
            etcd_port,
            port,
            dir,
            kubeconfig,
            credentials,
            programs: programs.clone(),
            audit_log,
            started_in: start.elapsed(),
        })
    }
}

/// A namespace for one test. It stays until the control plane ends, unless it is deleted.
pub struct FreshNamespace {
    pub name: String,
    client: Client,
}

impl FreshNamespace {
    /// Deletes the namespace and waits until everything in it is gone.
    pub async fn delete(self) {
        let namespaces: Api<Namespace> = Api::all(self.client);
        namespaces.delete(&self.name, &DeleteParams::default()).await.expect("deleting a namespace");
        eventually("the namespace is gone", Duration::from_secs(60), async || {
            match namespaces.get_opt(&self.name).await {
                Ok(None) => Ok(()),
                Ok(Some(there)) => Err(format!("{:?}", there.status)),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }
}

impl fmt::Display for FreshNamespace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// The requests in a file that an audited API server writes.
pub fn read_audit_log(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).expect("reading what was audited");
    // The last line may be under way.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn start_etcd(programs: &Programs, dir: &Path, port: u16, peer_port: u16) -> Result<Process, String> {
    let arguments = [
        format!("--data-dir={}", dir.join("etcd").display()),
        format!("--listen-client-urls=http://127.0.0.1:{port}"),
        format!("--advertise-client-urls=http://127.0.0.1:{port}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer_port}"),
        format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer_port}"),
        format!("--initial-cluster=default=http://127.0.0.1:{peer_port}"),
        // The data ends with the test run.
        "--unsafe-no-fsync".to_owned(),
    ];
    Process::start("etcd", &programs.etcd, &arguments, dir)
}

fn start_api_server(
    programs: &Programs,
    credentials: &Credentials,
    dir: &Path,
    [etcd_port, port]: [u16; 2],
    audit_log: Option<&Path>,
) -> Result<Process, String> {
    let file = |flag: &str, path: &Path| format!("--{flag}={}", path.display());
    let mut arguments = vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        "--bind-address=127.0.0.1".to_owned(),
        // Not into the `kubernetes` Service's endpoints, which take no loopback address.
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--secure-port={port}"),
        file("cert-dir", dir),
        file("tls-cert-file", &credentials.serving_cert),
        file("tls-private-key-file", &credentials.serving_key),
        file("token-auth-file", &credentials.token_file),
        file("service-account-signing-key-file", &credentials.service_account_key),
        file("service-account-key-file", &credentials.service_account_public_key),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        // No controller makes service accounts here, so a Pod would wait for one for ever.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        // Benchmarks measure the operator, not the server's fairness.
        "--enable-priority-and-fairness=false".to_owned(),
        "--max-requests-inflight=4000".to_owned(),
        "--max-mutating-requests-inflight=2000".to_owned(),
    ];
    if let Some(audit_log) = audit_log {
        let policy = dir.join("audit-policy.yaml");
        let everything = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\n\
                          rules: [{level: Metadata}]\n";
        fs::write(&policy, everything).map_err(at("writing", &policy))?;
        arguments.extend([file("audit-policy-file", &policy), file("audit-log-path", audit_log)]);
    }
    Process::start("kube-apiserver", &programs.kube_apiserver, &arguments, dir)
}

fn start_controller_manager(programs: &Programs, dir: &Path, kubeconfig: &Path) -> Result<Process, String> {
    let arguments = [
        format!("--kubeconfig={}", kubeconfig.display()),
        // Without them a deleted namespace is Terminating, and an owned object there, for ever.
        "--controllers=namespace,garbagecollector".to_owned(),
        "--leader-elect=false".to_owned(),
        // It serves nobody.
        "--secure-port=0".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
    ];
    Process::start("kube-controller-manager", &programs.kube_controller_manager, &arguments, dir)
}

/// Waits until `ready`, or until one of `processes` has ended or the deadline has passed.
fn until(processes: &[&Process], mut ready: impl FnMut() -> bool) -> Result<(), String> {
    let end = Instant::now() + START_DEADLINE;
    loop {
        if ready() {
            return Ok(());
        }
        let ended = processes.iter().any(|process| process.has_exited());
        if ended || Instant::now() >= end {
            let why = if ended {
                "a program ended at its start".to_owned()
            } else {
                format!("not ready within {START_DEADLINE:?}")
            };
            let logs: String = processes.iter().map(|process| process.log_tail()).collect();
            return Err(format!("{why}\n{logs}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks the API server whether it is ready, its own start-up work (RBAC's roles) included.
async fn ready(client: &Client) -> Result<(), String> {
    let request = axum::http::Request::get("/readyz").body(Vec::new()).map_err(|error| error.to_string())?;
    client.request_text(request).await.map(drop).map_err(|error| error.to_string())
}

fn config(port: u16, credentials: &Credentials, token: &str) -> kube::Config {
    let url = format!("https://127.0.0.1:{port}").parse().expect("an address is a URL");
    let mut config = kube::Config::new(url);
    config.root_cert = Some(vec![credentials.ca_der.clone()]);
    config.auth_info.token = Some(token.to_owned().into());
    config
}

fn client(config: kube::Config) -> Client {
    Client::try_from(config).expect("a client for the control plane")
}
