//! A Git repository of somebody who has copied examples.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

pub struct Repository(TempDir);

impl Repository {
    pub fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "--quiet"]);
        repository
    }

    pub fn git(&self, arguments: &[&str]) {
        let stated = Command::new("git")
            .args(["-c", "user.name=shop", "-c", "user.email=shop@example.org"])
            .args(arguments)
            .current_dir(self.0.path())
            // Nothing of what this machine's user has configured.
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null())
            .output()
            .expect("the tests of the examples for Argo CD need git");
        assert!(stated.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&stated.stderr));
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders that it is in.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Changes a file, which must make a difference.
    pub fn edit(&self, name: &str, change: impl FnOnce(&str) -> String) {
        let before = std::fs::read_to_string(self.path(name)).unwrap();
        let after = change(&before);
        assert_ne!(before, after, "{name}");
        self.write(name, after);
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }
}
