//! Packages of npm, PyPI and Go that tests install into the user's cache once.
//!
//! Where their tools or registries are missing, that is reported and the test passes, unless `SVIX_OPERATOR_REQUIRE_SDKS`
//! is set.

use std::path::{Path, PathBuf};

use tokio::process::Command;

fn cache(key: &str) -> PathBuf {
    let home = || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    let cache =
        std::env::var_os("XDG_CACHE_HOME").filter(|it| !it.is_empty()).map_or_else(home, PathBuf::from);
    cache.join("svix-operator/sdk").join(key)
}

/// Installs into a folder of the cache, unless it is there; whole or not at all. `None`: it cannot be had.
pub async fn installed(key: &str, install: impl AsyncFnOnce(&Path) -> Result<(), String>) -> Option<PathBuf> {
    let place = cache(key);
    if place.exists() {
        return Some(place);
    }
    let parent = place.parent().unwrap();
    std::fs::create_dir_all(parent).unwrap();
    let scratch = tempfile::tempdir_in(parent).unwrap();
    if let Err(error) = install(scratch.path()).await {
        assert!(std::env::var_os("SVIX_OPERATOR_REQUIRE_SDKS").is_none(), "{key}: {error}");
        eprintln!("not tested: {key} cannot be installed: {error}");
        return None;
    }
    // Somebody else may have been first.
    let _ = std::fs::rename(scratch.keep(), &place);
    Some(place)
}

/// Runs a program, and returns its output; else its output as an error.
pub async fn run(mut command: Command) -> Result<String, String> {
    let limit = std::time::Duration::from_secs(300);
    let output = tokio::time::timeout(limit, command.kill_on_drop(true).output()).await;
    let output = output.map_err(|_| "too slow".to_owned())?.map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stdout) + &text(&output.stderr))
    }
}

/// Installs a package of npm, and returns the folder of its files.
pub async fn npm(package: &str, version: &str) -> Option<PathBuf> {
    let key = format!("{}-npm-{version}", package.trim_start_matches('@').replace('/', "-"));
    let place = installed(&key, async |scratch| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(scratch)
            .arg(format!("{package}@{version}"));
        run(npm).await.map(drop)
    });
    Some(place.await?.join("node_modules").join(package))
}

/// Installs a package of PyPI, such as `svix==2.9.1`, and returns the folder for `PYTHONPATH`.
pub async fn python_package(package: &str) -> Option<PathBuf> {
    installed(&package.replace("==", "-py-"), async |scratch| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package, "--target"])
            .arg(scratch);
        run(pip).await.map(drop)
    })
    .await
}
