//! The test harness itself: the control plane is a real one, and it leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};

use crate::support::control_plane::{ControlPlane, FreshNamespace};
use crate::support::wait::eventually;

const SOON: Duration = Duration::from_secs(30);

fn config_map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        data: Some([("colour".to_owned(), "green".to_owned())].into()),
        ..ConfigMap::default()
    }
}

fn config_maps(client: kube::Client, namespace: &FreshNamespace) -> Api<ConfigMap> {
    Api::namespaced(client, &namespace.name)
}

#[tokio::test]
async fn an_object_is_stored_and_read_back() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("stored").await;
    let config_maps = config_maps(control_plane.client(), &namespace);

    config_maps.create(&PostParams::default(), &config_map("a")).await.unwrap();

    let read = config_maps.get("a").await.unwrap();
    assert_eq!(read.data, config_map("a").data);
    let version = control_plane.client().apiserver_version().await.unwrap();
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "37"));
    eprintln!("control plane: started in {:?}", control_plane.started_in());
}

#[tokio::test]
async fn the_weak_user_is_refused() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("weak").await;

    let refused = config_maps(control_plane.weak_client(), &namespace).get("a").await.unwrap_err();

    let kube::Error::Api(status) = refused else { panic!("{refused}") };
    assert_eq!(status.code, 403);
    assert!(status.message.contains("User \"weak-user\" cannot get resource"), "{}", status.message);
}

#[tokio::test]
async fn a_deleted_namespace_goes_with_what_is_in_it() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("gone").await;
    let config_maps = config_maps(control_plane.client(), &namespace);
    config_maps.create(&PostParams::default(), &config_map("a")).await.unwrap();

    namespace.delete().await;

    assert_eq!(config_maps.get_opt("a").await.unwrap(), None);
}

#[tokio::test]
async fn an_owned_object_goes_with_its_owner() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("owned").await;
    let config_maps = config_maps(control_plane.client(), &namespace);
    let owner = config_maps.create(&PostParams::default(), &config_map("owner")).await.unwrap();
    let mut owned = config_map("owned");
    owned.metadata.owner_references = Some(vec![OwnerReference {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        name: "owner".to_owned(),
        uid: owner.metadata.uid.unwrap(),
        ..OwnerReference::default()
    }]);
    config_maps.create(&PostParams::default(), &owned).await.unwrap();

    config_maps.delete("owner", &DeleteParams::background()).await.unwrap();

    eventually("the owned object is collected", SOON, async || {
        config_maps.get_opt("owned").await.unwrap().is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn kubectl_applies_what_it_is_given() {
    let control_plane = ControlPlane::shared().await;
    let namespace = control_plane.namespace("kubectl").await;
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {colour: green}\n";

    let applied = control_plane.kubectl_with(&["apply", "-n", &namespace.name, "-f", "-"], manifest).await;

    assert_eq!(applied.expect_success(), "configmap/a created\n");
    let missing = control_plane.kubectl(&["get", "-n", &namespace.name, "configmap", "b"]).await;
    assert!(!missing.success);
    assert!(missing.stderr.contains("(NotFound)"), "{}", missing.stderr);
}

#[tokio::test]
async fn an_outage_keeps_the_data() {
    let control_plane = ControlPlane::start().await;
    let namespace = control_plane.namespace("outage").await;
    let config_maps = config_maps(control_plane.client(), &namespace);
    config_maps.create(&PostParams::default(), &config_map("a")).await.unwrap();

    control_plane.stop_api_server().await;
    let refused = config_maps.get("a").await;
    control_plane.start_api_server().await;

    assert!(refused.is_err());
    assert_eq!(config_maps.get("a").await.unwrap().data, config_map("a").data);
}

/// The other side of [`no_process_outlives_a_killed_test_run`].
#[tokio::test]
#[ignore = "it waits to be killed; the test below runs it"]
async fn waits_to_be_killed_with_a_control_plane() {
    let control_plane = ControlPlane::start().await;
    println!("\nrunning {} {}", control_plane.address(), control_plane.dir().display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn no_process_outlives_a_killed_test_run() {
    // Given another test run with a control plane of its own
    let mut run = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "control_plane::waits_to_be_killed_with_a_control_plane",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let line = lines.find_map(|line| line.unwrap().strip_prefix("running 127").map(str::to_owned)).unwrap();
    let (address, dir) = line.split_once(' ').unwrap();
    let (address, dir) = (format!("127{address}"), PathBuf::from(dir));
    assert!(TcpStream::connect(&address).is_ok() && dir.is_dir());

    // When it is killed
    run.kill().unwrap();
    run.wait().unwrap();

    // Then its servers end, and their files go
    eventually("the servers are gone", SOON, async || {
        (TcpStream::connect(&address).is_err() && !dir.exists()).then_some(())
    })
    .await;
}
