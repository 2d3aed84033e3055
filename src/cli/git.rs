//! Manifests at a commit of Git.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::manifests::{self, Input, Loaded, ReadError};

/// Why manifests at a commit cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no git.
    #[error("cannot run git: {0}")]
    Start(#[from] io::Error),
    /// git failed.
    #[error("git {command}: {message}")]
    Failed {
        /// What was run.
        command: &'static str,
        /// What it printed.
        message: String,
    },
    /// Standard input has no earlier version.
    #[error("--against git: `-` has no earlier version; name folders and files")]
    StandardInput,
    /// A name is not UTF-8.
    #[error("git {0}: found a path that is not UTF-8 text")]
    NotUtf8(&'static str),
    /// A file is not text.
    #[error("git: {name}: {source}")]
    NotText {
        /// The file.
        name: String,
        /// What is wrong.
        source: ReadError,
    },
}

/// A text after `git:` that names no commit.
#[derive(Debug, thiserror::Error)]
#[error("expected `git:` and the name of a commit, such as git:origin/main")]
pub struct InvalidReference;

/// Returns the commit that `git:REF` names; `None`: the text is not of this form.
pub fn reference(text: &str) -> Option<Result<String, InvalidReference>> {
    let reference = text.strip_prefix("git:")?;
    // git takes what begins with a dash for an option.
    let is_name = !reference.is_empty() && !reference.starts_with('-');
    Some(is_name.then(|| reference.to_owned()).ok_or(InvalidReference))
}

/// Reads the manifests below the same paths at a commit. A path that is not there at that commit has none.
pub fn load(reference: &str, paths: &[PathBuf]) -> Result<Loaded, GitError> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            return Err(GitError::StandardInput);
        }
        inputs.extend(files(reference, path)?);
    }
    Ok(manifests::load_all(&inputs))
}

fn files(reference: &str, path: &Path) -> Result<Vec<Input>, GitError> {
    // Paths of ls-tree are relative to the folder that it runs in.
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let commit = format!("{reference}^{{commit}}");
    let commit = git(folder, "rev-parse", &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])
        .map_err(|error| match error {
            GitError::Failed { message, .. } if message.is_empty() => GitError::Failed {
                command: "rev-parse",
                message: format!("there is no commit {reference:?}; fetch it, or name another"),
            },
            error => error,
        })?;
    let commit = text(commit, "rev-parse")?;
    let commit = commit.trim();
    let listing = git(folder, "ls-tree", &["ls-tree", "-r", "-z", "--name-only", commit, "."])?;
    let listing = text(listing, "ls-tree")?;
    let only = (!path.is_dir()).then(|| path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    let mut inputs = Vec::new();
    for name in listing.split('\0').filter(|name| !name.is_empty()) {
        let is_manifest = [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending));
        let is_hidden = name.split('/').any(|part| part.starts_with('.'));
        let is_named = only.as_deref().is_none_or(|only| only == name);
        if !is_named || (only.is_none() && (!is_manifest || is_hidden)) {
            continue;
        }
        let object = format!("{commit}:./{name}");
        let content = git(folder, "cat-file", &["cat-file", "blob", &object])?;
        let name = format!("{reference}:{}", folder.join(name).display());
        match manifests::decode(content.stdout) {
            Ok(text) => inputs.push(Input::Text { text, name }),
            Err(source) => return Err(GitError::NotText { name, source }),
        }
    }
    Ok(inputs)
}

fn git(folder: &Path, command: &'static str, arguments: &[&str]) -> Result<Output, GitError> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output()?;
    if output.status.success() {
        return Ok(output);
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(GitError::Failed { command, message })
}

fn text(output: Output, command: &'static str) -> Result<String, GitError> {
    String::from_utf8(output.stdout).map_err(|_| GitError::NotUtf8(command))
}
