//! `svix-operator crds`: the custom resource definitions as YAML.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::api;

use super::{exit::Exit, terminal};

/// Print the custom resource definitions.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator crds | kubectl apply --server-side -f -
      install or update the definitions of a cluster
  svix-operator crds | grep '^  name: svix'
      name: svixconnections.svix-operator.dev")]
pub struct Arguments {
    /// Write one file per kind into this folder instead of printing them.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum CrdsError {
    #[error("cannot make {}: {source}", .folder.display())]
    CreateFolder { folder: PathBuf, source: io::Error },
    #[error("cannot write {name}: {source}")]
    Serialize { name: String, source: serde_yaml::Error },
    #[error("cannot write {}: {source}", .file.display())]
    WriteFile { file: PathBuf, source: io::Error },
}

/// Prints or writes the definitions.
pub fn run(arguments: &Arguments) -> ExitCode {
    match write(arguments) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Usage.into()
        }
    }
}

fn write(arguments: &Arguments) -> Result<(), CrdsError> {
    if let Some(folder) = &arguments.output_dir {
        fs::create_dir_all(folder)
            .map_err(|source| CrdsError::CreateFolder { folder: folder.clone(), source })?;
    }
    for crd in api::crds() {
        let name = &crd.spec.names.plural;
        let text = yaml(&crd).map_err(|source| CrdsError::Serialize { name: name.clone(), source })?;
        match &arguments.output_dir {
            None => terminal::print(|out| write!(out, "---\n{text}")),
            Some(folder) => {
                let file = folder.join(format!("{name}.yaml"));
                fs::write(&file, text).map_err(|source| CrdsError::WriteFile { file, source })?;
            }
        }
    }
    Ok(())
}

fn yaml(crd: &CustomResourceDefinition) -> Result<String, serde_yaml::Error> {
    // From a JSON tree, which has no field that is empty only in the Rust type.
    serde_yaml::to_string(&api::tidy_crd(crd))
}
