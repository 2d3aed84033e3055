//! Programs that are Go modules: pinned by a `go.mod` of this repository, built once per machine, and kept in the cache
//! folder under a key of what would change the build.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sha2::{Digest, Sha256};

/// What is built from one Go module.
pub struct GoPrograms {
    /// What they are called in messages, and in the cache.
    pub name: &'static str,
    /// The folder with `go.mod`.
    pub module: &'static str,
    /// What is given to `go build`.
    pub packages: &'static [&'static str],
    /// The files that come of it.
    pub programs: &'static [&'static str],
    /// Files of the module that go into the build, beside `go.mod` and `go.sum`.
    pub sources: &'static [&'static str],
    /// For the linker.
    pub link_flags: String,
    /// How long a build from nothing takes.
    pub takes: &'static str,
    /// What to do on a machine without Go.
    pub without_go: &'static str,
    /// How to save the build, if one can.
    pub instead: &'static str,
}

impl GoPrograms {
    /// The folder with the programs, built now when there is none.
    pub fn build_or_cached(&self) -> Result<PathBuf, String> {
        let root = cache_root()?.join(self.name.replace(' ', "-"));
        let home = root.join(self.cache_key()?);
        if self.is_complete(&home) {
            return Ok(home);
        }
        fs::create_dir_all(&root).map_err(at("creating", &root))?;
        let lock_path = root.join("lock");
        let lock = File::create(&lock_path).map_err(at("creating", &lock_path))?;
        if lock.try_lock().is_err() {
            self.say("waiting for another test run, which is building its programs");
            lock.lock().map_err(at("locking", &lock_path))?;
        }
        // The other run may have built what this one needs.
        if self.is_complete(&home) {
            return Ok(home);
        }
        // Built beside its place and renamed into it: a build that was cut short is never used.
        let unfinished = root.join("unfinished");
        let _ = fs::remove_dir_all(&unfinished);
        fs::create_dir_all(&unfinished).map_err(at("creating", &unfinished))?;
        self.build(&unfinished)?;
        let _ = fs::remove_dir_all(&home);
        fs::rename(&unfinished, &home).map_err(at("renaming into place", &home))?;
        Ok(home)
    }

    fn build(&self, into: &Path) -> Result<(), String> {
        let start = Instant::now();
        let mut go = self
            .go()
            .args(["build", "-mod=readonly", "-trimpath", "-ldflags", &self.link_flags, "-o"])
            .arg(format!("{}/", into.display()))
            .args(self.packages)
            .spawn()
            .map_err(|error| self.not_started(&error))?;
        self.say(&format!(
            "building {} with Go. This happens once and takes about {}. {}",
            self.programs.join(", "),
            self.takes,
            self.instead
        ));
        let status = go.wait().map_err(|error| format!("waiting for go: {error}"))?;
        if !status.success() || !self.is_complete(into) {
            return Err(format!("`go build` in {} ended with {status}; its output is above", self.module));
        }
        self.say(&format!("built in {} s", start.elapsed().as_secs()));
        Ok(())
    }

    /// The folder of a module that this one requires, fetched when it is not there.
    pub fn folder_of(&self, module: &str) -> Result<PathBuf, String> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Download {
            dir: PathBuf,
        }
        let stated = self
            .go()
            .args(["mod", "download", "-json", module])
            .output()
            .map_err(|error| self.not_started(&error))?;
        serde_json::from_slice::<Download>(&stated.stdout)
            .map(|download| download.dir)
            .map_err(|error| format!("{module}: {error}: {}", String::from_utf8_lossy(&stated.stdout)))
    }

    fn go(&self) -> Command {
        let mut go = Command::new("go");
        go.current_dir(self.module)
            // A workspace above this one must not change what is built.
            .env("GOWORK", "off")
            // Go's own default, which distributions change to `local`: a Go that is too old for a module fetches the
            // one that its go.mod names, and any other does the work itself.
            .env("GOTOOLCHAIN", "auto");
        go
    }

    fn not_started(&self, error: &std::io::Error) -> String {
        match error.kind() {
            std::io::ErrorKind::NotFound => self.without_go.to_owned(),
            _ => format!("go did not start: {error}"),
        }
    }

    pub fn cache_key(&self) -> Result<String, String> {
        let mut hash = Sha256::new();
        let mut parts = vec![self.read("go.mod")?, self.read("go.sum")?];
        for source in self.sources {
            parts.push(self.read(source)?);
        }
        parts.push(self.link_flags.clone());
        for part in parts {
            // Lengths keep the parts apart.
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }

    /// A file of the module.
    pub fn read(&self, name: &str) -> Result<String, String> {
        read_in(self.module, name)
    }

    fn is_complete(&self, dir: &Path) -> bool {
        self.programs.iter().all(|name| dir.join(name).is_file())
    }

    /// Tells the person at the terminal. Not by `eprintln!`, which the test harness keeps back.
    fn say(&self, what: &str) {
        let _ = writeln!(std::io::stderr(), "{}: {what}", self.name);
    }
}

/// A file of a module.
pub fn read_in(module: &str, name: &str) -> Result<String, String> {
    let path = Path::new(module).join(name);
    fs::read_to_string(&path).map_err(at("reading", &path))
}

/// Where builds are kept.
fn cache_root() -> Result<PathBuf, String> {
    let variable = |name| std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let base = match variable("SVIX_OPERATOR_CACHE") {
        Some(own) => own,
        None => variable("XDG_CACHE_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".cache")))
            .ok_or("no place for a cached build: set SVIX_OPERATOR_CACHE, XDG_CACHE_HOME or HOME")?,
    };
    Ok(base.join("svix-operator"))
}

/// Says in an error what was being done with which path.
pub fn at<'a>(doing: &'a str, path: &'a Path) -> impl FnOnce(std::io::Error) -> String + 'a {
    move |error| format!("{doing} {}: {error}", path.display())
}
