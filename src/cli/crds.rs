//! `svix-operator crds`: the custom resource definitions as YAML.

use std::{fs, io::Write as _, path::PathBuf, process::ExitCode};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use crate::api;

/// Print the custom resource definitions.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Write one file per kind into this folder instead of printing them.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

/// Prints or writes the definitions.
pub fn run(arguments: &Arguments) -> ExitCode {
    match write(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn write(arguments: &Arguments) -> Result<(), String> {
    if let Some(dir) = &arguments.output_dir {
        fs::create_dir_all(dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    }
    for crd in api::crds() {
        let text = yaml(&crd).map_err(|error| format!("cannot write {}: {error}", crd.spec.names.plural))?;
        match &arguments.output_dir {
            None => std::io::stdout()
                .write_all(format!("---\n{text}").as_bytes())
                .map_err(|error| error.to_string())?,
            Some(dir) => {
                let path = dir.join(format!("{}.yaml", crd.spec.names.plural));
                fs::write(&path, text)
                    .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
            }
        }
    }
    Ok(())
}

fn yaml(crd: &CustomResourceDefinition) -> Result<String, serde_yaml::Error> {
    // By way of a JSON tree: a definition then never carries a field that is empty only in the Rust type.
    serde_yaml::to_string(&api::tidy_crd(crd))
}
