//! The files of an export. They are written beside the target and moved to it at the end, so that a target never has a part of
//! an export, and a file never a part of its content.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::manifests::yaml;

use super::{identity::Identity, limitation::Limitation, names::object_name, options::Layout};

/// The file that names all others.
const KUSTOMIZATION: &str = "kustomization.yaml";
/// The file that lists what is not in the manifests.
pub const REPORT: &str = "not-exported.md";

/// Why files cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The target is no folder.
    #[error("{}: found a file, expected a folder", .0.display())]
    NotAFolder(PathBuf),
    /// The target has files.
    #[error(
        "{}: found a folder that is not empty, expected an empty or a new one; --overwrite replaces the files of an export and removes none",
        .0.display()
    )]
    NotEmpty(PathBuf),
    /// The system does not write.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Where a manifest goes.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// The connection.
    Connection,
    /// An event type, by the name of its object.
    EventType(&'a str),
    /// An endpoint of an application.
    Endpoint(&'a str, &'a Identity),
    /// The Secret of an endpoint of an application.
    Secret(&'a str, &'a Identity),
}

impl Place<'_> {
    /// The path of the file, relative to the target.
    fn path(&self, layout: Layout) -> String {
        let of_object = |folder: &str, identity: &Identity| match &identity.namespace {
            Some(namespace) => format!("{folder}/{namespace}/{}.yaml", identity.name),
            None => format!("{folder}/{}.yaml", identity.name),
        };
        match (layout, self) {
            (Layout::File, Self::Secret(..)) => "secrets.yaml".to_owned(),
            (Layout::File, _) => "manifests.yaml".to_owned(),
            (_, Self::Connection) => "connection.yaml".to_owned(),
            (Layout::Object, Self::EventType(name)) => format!("event-types/{name}.yaml"),
            (Layout::Object, Self::Endpoint(_, identity)) => of_object("endpoints", identity),
            (Layout::Object, Self::Secret(_, identity)) => of_object("secrets", identity),
            (Layout::Application, Self::EventType(_)) => "event-types.yaml".to_owned(),
            (Layout::Application, Self::Endpoint(application, _)) => {
                format!("applications/{}.yaml", object_name(application))
            }
            (Layout::Application, Self::Secret(application, _)) => {
                format!("secrets/{}.yaml", object_name(application))
            }
        }
    }

    fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(..))
    }
}

/// The files of an export, before they are moved to the target.
pub struct Files {
    target: PathBuf,
    staging: PathBuf,
    layout: Layout,
    written: BTreeSet<String>,
    /// The files that are written at the moment: manifests, and Secrets.
    open: [Option<(String, BufWriter<File>)>; 2],
}

impl Files {
    /// Prepares files for a target: a folder that does not exist or is empty, or any with `overwrite`.
    pub fn new(target: &Path, layout: Layout, overwrite: bool) -> Result<Self, FilesError> {
        let at = |source| FilesError::Io { path: target.to_owned(), source };
        let staging_in = match fs::metadata(target) {
            Ok(found) if !found.is_dir() => return Err(FilesError::NotAFolder(target.to_owned())),
            Ok(_) if !overwrite && fs::read_dir(target).map_err(at)?.next().is_some() => {
                return Err(FilesError::NotEmpty(target.to_owned()));
            }
            Ok(_) => target.to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // On the same file system, so that it can be renamed.
                let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
                parent.unwrap_or(Path::new(".")).to_owned()
            }
            Err(error) => return Err(at(error)),
        };
        let staging = staging_in.join(format!(".svix-export-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(&staging).map_err(|source| FilesError::Io { path: staging.clone(), source })?;
        Ok(Self { target: target.to_owned(), staging, layout, written: BTreeSet::new(), open: [None, None] })
    }

    /// Adds a manifest. Limitations become comments above it.
    pub fn add(
        &mut self,
        place: Place<'_>,
        manifest: &Value,
        limitations: &[Limitation],
    ) -> Result<(), FilesError> {
        let path = place.path(self.layout);
        let full = self.staging.join(&path);
        self.open_file(&path, place.is_secret())
            .and_then(|(file, is_new)| {
                if !is_new {
                    file.write_all(b"---\n")?;
                }
                for limitation in limitations {
                    writeln!(file, "# Note: {}", one_line(&limitation.to_string()))?;
                }
                file.write_all(yaml::write(manifest).as_bytes())
            })
            .map_err(|source| FilesError::Io { path: full, source })
    }

    /// Returns a file to append to, and whether it is empty.
    fn open_file(&mut self, path: &str, is_secret: bool) -> io::Result<(&mut BufWriter<File>, bool)> {
        let is_new = !self.written.contains(path);
        let slot = &mut self.open[usize::from(is_secret)];
        let file = match slot.take() {
            Some((open, file)) if open == path => file,
            other => {
                if let Some((_, mut file)) = other {
                    file.flush()?;
                }
                let full = self.staging.join(path);
                if let Some(parent) = full.parent() {
                    fs::create_dir_all(parent)?;
                }
                let mut options = OpenOptions::new();
                options.create(true).append(true);
                if is_secret {
                    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                }
                BufWriter::new(options.open(full)?)
            }
        };
        if is_new {
            self.written.insert(path.to_owned());
        }
        Ok((&mut slot.insert((path.to_owned(), file)).1, is_new))
    }

    /// Writes the kustomization and the report, and moves everything to the target. Returns how many files there are.
    pub fn finish(mut self, report: &str) -> Result<usize, FilesError> {
        for (_, mut file) in self.open.iter_mut().filter_map(Option::take) {
            file.flush().map_err(|source| FilesError::Io { path: self.staging.clone(), source })?;
        }
        let resources: Vec<&String> = self.written.iter().collect();
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources,
        });
        for (name, text) in [(KUSTOMIZATION, yaml::write(&kustomization)), (REPORT, report.to_owned())] {
            let path = self.staging.join(name);
            fs::write(&path, text).map_err(|source| FilesError::Io { path, source })?;
            self.written.insert(name.to_owned());
        }
        if self.staging.parent() != Some(&*self.target) {
            let moved = fs::rename(&self.staging, &self.target);
            moved.map_err(|source| FilesError::Io { path: self.target.clone(), source })?;
            return Ok(self.written.len());
        }
        for path in &self.written {
            let target = self.target.join(path);
            let moved = target.parent().map_or(Ok(()), fs::create_dir_all);
            moved
                .and_then(|()| fs::rename(self.staging.join(path), &target))
                .map_err(|source| FilesError::Io { path: target, source })?;
        }
        Ok(self.written.len())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Nothing is left of an export that failed; after one that did not, there are only empty folders.
        let _ = fs::remove_dir_all(&self.staging);
    }
}

/// A text as a comment: what it quotes may have line breaks.
fn one_line(text: &str) -> String {
    let is_break =
        |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}');
    text.chars().map(|character| if is_break(character) { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::export::identity::Uid;

    fn identity() -> Identity {
        Identity { namespace: Some("ns".to_owned()), name: "hook".to_owned(), uid: Uid::Default }
    }

    fn export(target: &Path, layout: Layout, overwrite: bool) -> Result<usize, FilesError> {
        let mut files = Files::new(target, layout, overwrite)?;
        let (manifest, identity) = (json!({"a": "yes"}), identity());
        files.add(Place::EventType("a.b"), &manifest, &[Limitation::Archived])?;
        files.add(Place::Connection, &manifest, &[])?;
        files.add(Place::Endpoint("App", &identity), &manifest, &[])?;
        files.add(Place::Secret("App", &identity), &manifest, &[])?;
        files.add(Place::Endpoint("App", &identity), &manifest, &[])?;
        files.finish("nothing\n")
    }

    fn paths(folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            match path.is_dir() {
                true => found.extend(paths(&path).into_iter().map(|below| format!("{name}/{below}"))),
                false => found.push(name),
            }
        }
        found.sort();
        found
    }

    #[test]
    fn each_layout_has_its_files() {
        for (layout, expected) in [
            (Layout::File, &["manifests.yaml", "secrets.yaml"][..]),
            (
                Layout::Object,
                &[
                    "connection.yaml",
                    "endpoints/ns/hook.yaml",
                    "event-types/a.b.yaml",
                    "secrets/ns/hook.yaml",
                ],
            ),
            (
                Layout::Application,
                &["applications/x--zapp.yaml", "connection.yaml", "event-types.yaml", "secrets/x--zapp.yaml"],
            ),
        ] {
            let parent = tempfile::tempdir().unwrap();
            let target = parent.path().join("new/folder");

            export(&target, layout, false).unwrap();

            let mut expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
            let kustomization = fs::read_to_string(target.join(KUSTOMIZATION)).unwrap();
            assert!(
                expected.iter().all(|path| kustomization.contains(&format!("- {path}\n"))),
                "{kustomization}"
            );
            expected.extend([KUSTOMIZATION.to_owned(), REPORT.to_owned()]);
            expected.sort();
            assert_eq!(paths(&target), expected);
            assert_eq!(paths(parent.path()).len(), expected.len());
        }
    }

    #[test]
    fn documents_of_a_file_are_separated() {
        let target = tempfile::tempdir().unwrap();

        export(target.path(), Layout::File, false).unwrap();

        let text = fs::read_to_string(target.path().join("manifests.yaml")).unwrap();
        assert!(text.starts_with("# Note: /archived: "), "{text}");
        assert!(text.ends_with("a: \"yes\"\n---\na: \"yes\"\n---\na: \"yes\"\n---\na: \"yes\"\n"), "{text}");
    }

    #[test]
    fn secrets_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let target = tempfile::tempdir().unwrap();
        export(target.path(), Layout::File, false).unwrap();
        let mode = fs::metadata(target.path().join("secrets.yaml")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn files_of_others_are_kept() {
        let target = tempfile::tempdir().unwrap();
        fs::write(target.path().join("mine.txt"), "mine").unwrap();
        fs::write(target.path().join("connection.yaml"), "old").unwrap();

        assert!(matches!(export(target.path(), Layout::Object, false), Err(FilesError::NotEmpty(_))));
        assert_eq!(paths(target.path()), ["connection.yaml", "mine.txt"]);
        export(target.path(), Layout::Object, true).unwrap();

        assert_eq!(fs::read_to_string(target.path().join("mine.txt")).unwrap(), "mine");
        assert_eq!(fs::read_to_string(target.path().join("connection.yaml")).unwrap(), "a: \"yes\"\n");
        assert!(matches!(
            export(&target.path().join("mine.txt"), Layout::File, true),
            Err(FilesError::NotAFolder(_))
        ));
    }

    #[test]
    fn nothing_is_left_of_an_export_that_ends_early() {
        let parent = tempfile::tempdir().unwrap();
        let mut files = Files::new(&parent.path().join("new"), Layout::File, false).unwrap();
        files.add(Place::Connection, &json!({}), &[]).unwrap();

        drop(files);

        assert_eq!(paths(parent.path()), [""; 0]);
    }
}
