//! What all commands have in common: help, exit codes, completions, closed pipes, and how kubectl finds the program.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::support::control_plane;

mod session;
mod signature;

const PROGRAM: &str = env!("CARGO_BIN_EXE_svix-operator");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8([output.stdout.as_slice(), &output.stderr].concat()).unwrap()
}

fn page() -> String {
    std::fs::read_to_string(format!("{}/docs/cli.md", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The names that the help of a command lists under `Commands:`.
fn listed(help: &str) -> Vec<&str> {
    let Some((_, rest)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let lines = rest.lines().take_while(|line| line.starts_with("  "));
    // A description that is wrapped goes on further right.
    let names =
        lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").collect()
}

/// Each command that does something, with its `--help`.
fn commands() -> Vec<(String, String)> {
    let (mut commands, mut parents) = (Vec::new(), vec![Vec::<String>::new()]);
    while let Some(parent) = parents.pop() {
        let arguments: Vec<&str> = parent.iter().map(String::as_str).chain(["--help"]).collect();
        let help = text(&run(&arguments));
        let children = listed(&help);
        if children.is_empty() {
            commands.push((parent.join(" "), help));
        } else {
            parents.extend(children.iter().map(|child| [parent.as_slice(), &[(*child).to_owned()]].concat()));
        }
    }
    commands
}

#[test]
fn the_page_has_a_line_for_each_command() {
    let names: BTreeSet<String> = commands().into_iter().map(|(name, _)| name).collect();

    let page = page();
    let table = page.split("## Commands").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let explained: BTreeSet<String> = rows.map(str::to_owned).collect();

    assert!(names.len() > 12, "{names:?}");
    assert_eq!(explained, names);
}

#[test]
fn the_session_has_each_command() {
    let page = page();
    let session = page.split("## Session").nth(1).unwrap();
    let lines: Vec<&str> = session.lines().filter(|line| line.starts_with("$ ")).collect();
    for (name, _) in commands() {
        let command = format!("svix-operator {name}");
        assert!(lines.iter().any(|line| line.contains(&command)), "{name}");
    }
}

#[test]
fn the_help_of_each_command_has_an_example() {
    for (name, help) in commands() {
        assert!(
            help.contains("Examples:\n") && help.contains(&format!("svix-operator {name}")),
            "{name}: {help}"
        );
    }
}

#[test]
fn examples_fit_on_a_line_and_say_what_follows() {
    for (name, help) in commands() {
        let examples: Vec<&str> = help.split("Examples:\n").nth(1).unwrap().trim_end().lines().collect();
        let is_command = |line: &str| line.starts_with("  ") && !line.starts_with("   ");
        // A line that is wrapped goes on with the indentation of its beginning.
        let wrapped = examples.iter().find(|line| is_command(line) && !line.contains("svix-operator "));
        assert_eq!(wrapped, None, "{name}");
        assert!(!is_command(examples.last().unwrap()), "{name}: {examples:?}");
    }
}

#[test]
fn wrong_arguments_are_exit_code_2_for_each_command() {
    for (name, _) in commands() {
        let arguments: Vec<&str> = name.split(' ').chain(["--no-such-flag"]).collect();

        let output = run(&arguments);

        assert_eq!(output.status.code(), Some(2), "{name}: {}", text(&output));
    }
}

#[test]
fn a_typo_is_corrected() {
    for (arguments, expected) in
        [(&["validdate"][..], "'validate'"), (&["diff", "m", "--show-foriegn"], "'--show-foreign'")]
    {
        let output = run(arguments);

        assert!(text(&output).contains(&format!(
            "similar {}",
            if expected.contains("--") { "argument" } else { "subcommand" }
        )));
        assert!(text(&output).contains(expected), "{}", text(&output));
    }
}

#[test]
fn completions_of_five_shells_know_all_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run(&["completions", shell]);

        assert_eq!(output.status.code(), Some(0), "{shell}: {}", text(&output));
        for (name, _) in commands() {
            let last = name.split(' ').next_back().unwrap();
            assert!(text(&output).contains(last), "{shell}: {name}");
        }
    }
}

#[test]
fn bash_reads_its_completions() {
    let script = run(&["completions", "bash"]).stdout;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("completions");
    std::fs::write(&file, script).unwrap();
    let complete = format!(
        "set -u; source {}; COMP_WORDS=(svix-operator val); COMP_CWORD=1; \
         _svix__operator svix-operator val svix-operator; echo \"${{COMPREPLY[@]}}\"",
        file.display()
    );

    let output = Command::new("bash").args(["-c", &complete]).output().unwrap();

    assert_eq!(text(&output), "validate\n");
}

/// Runs a command whose reader ends after the first line. Returns its exit code, and what it says on standard error.
fn first_line_only(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(PROGRAM);
    let mut child = command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut reader = BufReader::with_capacity(16, child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(!line.is_empty());
    drop(reader);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_error() {
    for arguments in [&["crds"][..], &["reference"], &["completions", "zsh"]] {
        let (code, errors) = first_line_only(arguments);

        assert_eq!(code, Some(0), "{arguments:?}: {errors}");
        assert!(!errors.contains("error"), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_closed_standard_error_is_no_defect() {
    let mut command = Command::new(PROGRAM);
    let mut child = command.args(["validate", "/nowhere"]).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());

    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[cfg(unix)]
fn plugin(folder: &Path) {
    std::os::unix::fs::symlink(PROGRAM, folder.join("kubectl-svix")).unwrap();
}

#[cfg(unix)]
#[test]
fn kubectl_finds_the_plugin() {
    let folder = tempfile::tempdir().unwrap();
    plugin(folder.path());
    let kubectl = |arguments: &[&str]| {
        Command::new(control_plane::kubectl_program())
            .args(arguments)
            .env("PATH", folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };

    let list = kubectl(&["plugin", "list"]);
    let help = kubectl(&["svix", "diff", "--help"]);
    let refused = kubectl(&["svix", "validate", "/nowhere"]);

    assert!(text(&list).contains("kubectl-svix"), "{}", text(&list));
    let help = text(&help);
    assert!(
        help.contains("Usage: kubectl svix diff") && help.contains("\n  SVIX_TOKEN=... kubectl svix diff"),
        "{help}"
    );
    assert!(!help.contains("svix-operator diff"), "{help}");
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
}

#[test]
fn the_krew_manifest_is_complete() {
    let path = format!("{}/packaging/krew/svix.yaml", env!("CARGO_MANIFEST_DIR"));
    let template = std::fs::read_to_string(path).unwrap();
    // As krew's release bot fills it in.
    let lines = template.lines().map(|line| match line.trim_start().strip_prefix("{{addURIAndSha \"") {
        Some(rest) => {
            let uri = rest.split("\" .TagName").next().unwrap();
            format!("      uri: {uri}\n      sha256: {}", "0".repeat(64))
        }
        None => line.to_owned(),
    });
    let text = lines.collect::<Vec<_>>().join("\n").replace("{{ .TagName }}", "v0.1.0");

    let manifest: serde_json::Value = serde_yaml::from_str(&text).unwrap();

    assert_eq!(manifest["kind"], "Plugin");
    assert_eq!(manifest["metadata"]["name"], "svix");
    assert_eq!(manifest["spec"]["version"], "v0.1.0");
    let short = manifest["spec"]["shortDescription"].as_str().unwrap();
    // krew's own limits for its index.
    assert!(short.len() <= 50 && !short.ends_with('.'), "{short}");
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    assert_eq!(platforms.len(), 2);
    for platform in platforms {
        assert_eq!(platform["bin"], "kubectl-svix");
        let uri = platform["uri"].as_str().unwrap();
        let arch = platform["selector"]["matchLabels"]["arch"].as_str().unwrap();
        assert!(uri.starts_with("https://") && uri.contains("/v0.1.0/") && uri.contains(arch), "{uri}");
        let files = platform["files"].as_array().unwrap();
        assert!(files.iter().any(|file| file["to"] == "kubectl-svix"), "{files:?}");
    }
}
