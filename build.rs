//! What `svix-operator --version` tells: the commit, and what the program was built for and by.
//!
//! The commit is that of `SVIX_OPERATOR_COMMIT`, for builds where there is no git (an image), else git's. Nothing here
//! depends on the time, so that the same source gives the same program.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=SVIX_OPERATOR_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let profile = variable("PROFILE");
    let commit = std::env::var("SVIX_OPERATOR_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = match commit {
        Some(commit) => commit,
        // While one works, a build after each commit would be a price for nothing.
        None if profile == "debug" => "not told in a debug build".to_owned(),
        None => git_commit().unwrap_or_else(|| "unknown".to_owned()),
    };
    let rustc = output(&variable("RUSTC"), &["--version"]).unwrap_or_else(|| "an unknown rustc".to_owned());
    let build = format!("{profile} for {} by {rustc}", variable("TARGET"));
    println!("cargo::rustc-env=SVIX_OPERATOR_COMMIT={commit}");
    println!("cargo::rustc-env=SVIX_OPERATOR_BUILD={build}");
}

/// The commit, and whether the files differ from it.
fn git_commit() -> Option<String> {
    // Each commit and each switch of branches writes there.
    let log = output("git", &["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={log}");
    for path in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let commit = output("git", &["rev-parse", "HEAD"])?;
    let changed =
        output("git", &["status", "--porcelain", "--", "src", "Cargo.toml", "Cargo.lock", "build.rs"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit} and changes") })
}

/// What a command prints, when it succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A variable that Cargo sets.
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
