//! `svix-operator reference`: docs/reference.md, generated from the CRDs and from the flags.

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _, process::ExitCode};

use clap::Command;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use crate::api;

use super::{exit::Exit, terminal};

/// Print the reference, as Markdown: every field of the four kinds, and the flags of the commands.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  svix-operator reference > reference.md
      the page docs/reference.md")]
pub struct Arguments {}

const HEAD: &str = "\
# Reference

<!-- Generated: cargo run -- reference > docs/reference.md -->
Every field of the four kinds of `svix-operator.dev/v1alpha1`, and the flags of the commands. The values of the
chart are in [its own README](../charts/svix-operator/README.md); reasons and Events are in
[Conditions](conditions.md).

A field in **bold** is required if the object that contains it is given. `[]` stands for each item of a list. Limits of
text count characters, not bytes. A field without a default is not changed in Svix while the spec does not contain it.
";

/// The meaning of each value of an enumeration, by all of its values.
type Enumerations = BTreeMap<Vec<String>, Vec<(String, String)>>;

/// Prints the reference; `program` has the flags of all commands.
pub fn run(program: &Command) -> ExitCode {
    let page = page(program);
    terminal::print(|out| out.write_all(page.as_bytes()));
    Exit::Done.into()
}

fn page(program: &Command) -> String {
    let mut page = HEAD.to_owned();
    let meanings = enumerations();
    for crd in api::crds() {
        kind(&mut page, &api::tidy_crd(&crd), &meanings);
    }
    for name in ["run", "webhook", "dev", "send", "export", "release"] {
        if let Some(command) = program.find_subcommand(name) {
            flags(&mut page, command);
        }
    }
    page
}

fn kind(page: &mut String, crd: &Value, meanings: &Enumerations) {
    let names = &crd["spec"]["names"];
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let _ = write!(
        page,
        "\n## {}\n{}\n\n{}; `kubectl get {}`.\n",
        text(&names["kind"]),
        text(&schema["description"]),
        if crd["spec"]["scope"] == "Cluster" { "It has no namespace" } else { "It has a namespace" },
        names["shortNames"][0].as_str().unwrap_or_else(|| text(&names["plural"])),
    );
    for (part, heading) in [
        ("spec", "| field | type and bounds | default | meaning |\n|---|---|---|---|\n"),
        ("status", "| field | type | | meaning |\n|---|---|---|---|\n"),
    ] {
        let schema = &schema["properties"][part];
        let _ = write!(page, "\n### {} {part}\n{heading}", text(&names["kind"]));
        fields(page, schema, part, meanings);
        let mut rules = Vec::new();
        all_rules(schema, part, &mut rules);
        if !rules.is_empty() {
            page.push_str("\nThe API server also enforces these rules:\n\n");
            rules.iter().for_each(|(path, rule)| {
                let _ = writeln!(page, "- `{path}`: {}", cell(rule));
            });
        }
    }
}

/// Writes a row for each field of an object, followed by the fields in it.
fn fields(page: &mut String, object: &Value, path: &str, meanings: &Enumerations) {
    let required =
        |name: &str| object["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name));
    for (name, schema) in object["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let (default, meaning) = described(text(&schema["description"]));
        let values: Vec<_> = texts(&schema["enum"]).collect();
        let meant =
            meanings.get(&values).into_iter().flatten().map(|(value, meant)| format!(" `{value}`: {meant}"));
        let mark = if required(name) { "**" } else { "" };
        let _ = writeln!(
            page,
            "| {mark}`{path}`{mark} | {} | {} | {} |",
            cell(&kind_of(schema)),
            cell(&default),
            cell(&(meaning + &meant.collect::<String>())),
        );
        let (inside, path) =
            if schema["items"].is_object() { (&schema["items"], path + "[]") } else { (schema, path) };
        fields(page, inside, &path, meanings);
    }
}

/// Splits a description into the default and the rest.
fn described(description: &str) -> (String, String) {
    let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(at) = description.find("Default: ") else {
        return (String::new(), description);
    };
    let after = &description[at + "Default: ".len()..];
    let (default, more) = after.split_once(". ").unwrap_or((after.trim_end_matches('.'), ""));
    let before = description[..at].trim_end().trim_end_matches(';');
    let meaning = [before, more].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    (default.to_owned(), meaning)
}

fn kind_of(schema: &Value) -> String {
    let within = |unit: &str, least: &str, most: &str| bounds(&schema[least], &schema[most], unit);
    match text(&schema["type"]) {
        "string" if schema["enum"].is_array() => {
            texts(&schema["enum"]).map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
        }
        "string" => {
            let form = match (schema["format"].as_str(), schema["pattern"].as_str()) {
                (Some("date-time"), _) => return "time".to_owned(),
                (_, Some(pattern)) => format!(", `{pattern}`"),
                _ => String::new(),
            };
            format!("text{}{form}", within(" characters", "minLength", "maxLength"))
        }
        "integer" | "number" => format!("number{}", within("", "minimum", "maximum")),
        "boolean" => "true or false".to_owned(),
        "array" => {
            let items = within(" items", "minItems", "maxItems");
            match text(&schema["items"]["type"]) {
                "object" => format!("list{items}"),
                _ => format!("list{items} of {}", kind_of(&schema["items"])),
            }
        }
        _ if schema["additionalProperties"].is_object() => {
            let keys = within(" keys", "minProperties", "maxProperties");
            format!("map{keys} of {}", kind_of(&schema["additionalProperties"]))
        }
        _ if schema["x-kubernetes-preserve-unknown-fields"] == true => "any object".to_owned(),
        _ => "object".to_owned(),
    }
}

fn bounds(least: &Value, most: &Value, unit: &str) -> String {
    match (least.as_f64(), most.as_f64()) {
        (Some(least), Some(most)) => format!(" of {least} to {most}{unit}"),
        (None, Some(most)) => format!(" of at most {most}{unit}"),
        (Some(least), None) => format!(" of at least {least}{unit}"),
        (None, None) => String::new(),
    }
}

/// The rules that a schema has beyond types and bounds, with the paths that they are about.
fn all_rules(schema: &Value, path: &str, found: &mut Vec<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        found.push((path.to_owned(), text(&rule["message"]).to_owned()));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        all_rules(field, &format!("{path}.{name}"), found);
    }
    for (inside, mark) in [("items", "[]"), ("additionalProperties", ".*")] {
        if schema[inside].is_object() {
            all_rules(&schema[inside], &format!("{path}{mark}"), found);
        }
    }
}

/// The CRDs list the values of enumerations without the documentation of each, which only the types have.
fn enumerations() -> Enumerations {
    fn of<T: JsonSchema>(generator: &mut SchemaGenerator) {
        let _ = generator.subschema_for::<T>();
    }
    fn collect(schema: &Value, found: &mut Enumerations) {
        if let Some(values) = schema["oneOf"].as_array() {
            let meant: Vec<_> = values
                .iter()
                .filter_map(|value| {
                    let meaning =
                        text(&value["description"]).split_whitespace().collect::<Vec<_>>().join(" ");
                    Some((value["const"].as_str()?.to_owned(), meaning))
                })
                .collect();
            found.insert(meant.iter().map(|(value, _)| value.clone()).collect(), meant);
        }
    }
    let mut generator = SchemaGenerator::default();
    of::<api::SvixConnectionSpec>(&mut generator);
    of::<api::WebhookEventTypeSpec>(&mut generator);
    of::<api::WebhookEndpointSpec>(&mut generator);
    of::<api::WebhookEventSpec>(&mut generator);
    let mut found = Enumerations::new();
    generator.definitions().values().for_each(|schema| collect(schema, &mut found));
    found
}

fn flags(page: &mut String, command: &Command) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = write!(
        page,
        "\n## Flags of `svix-operator {}`\n{about}.\n\n| flag | environment | default | meaning |\n|---|---|---|---|\n",
        command.get_name(),
    );
    for flag in command.get_arguments() {
        let Some(long) = flag.get_long().filter(|long| *long != "help" && !flag.is_hide_set()) else {
            continue;
        };
        let takes = flag.get_action().takes_values();
        let value = flag.get_value_names().filter(|_| takes).and_then(<[_]>::first);
        let values: Vec<_> = flag
            .get_possible_values()
            .iter()
            .filter(|_| takes)
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        let mut help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        if !help.ends_with('.') {
            // clap takes it away.
            help.push('.');
        }
        let (default, mut help) = described(&help);
        if !values.is_empty() {
            let _ = write!(help, " One of {}.", values.join(", "));
        }
        let defaults = flag.get_default_values().first().filter(|_| takes);
        let default = defaults.map_or(default, |value| format!("`{}`", value.to_string_lossy()));
        let _ = writeln!(
            page,
            "| `--{long}{}` | {} | {} | {} |",
            value.map(|value| format!(" {value}")).unwrap_or_default(),
            flag.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default(),
            cell(&default),
            cell(&help),
        );
    }
}

/// Escapes text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn a_default_is_split_from_its_description() {
        let described_as = |text: &str| {
            let (default, meaning) = described(text);
            format!("{default}|{meaning}")
        };
        assert_eq!(described_as("How often\nit is read. Default: `10m`."), "`10m`|How often it is read.");
        assert_eq!(described_as("Most; 0: no limit. Default: 50."), "50|Most; 0: no limit.");
        assert_eq!(
            described_as("Uid. Default: the connection's. Cannot be changed."),
            "the connection's|Uid. Cannot be changed."
        );
        assert_eq!(described_as("Its name."), "|Its name.");
    }

    #[test]
    fn every_field_and_enum_value_is_described() {
        for row in page(&crate::cli::Arguments::command())
            .lines()
            .filter(|line| line.starts_with("| `") || line.starts_with("| **`"))
        {
            assert!(!row.ends_with("|  |"), "{row}");
        }
        let meanings = enumerations();
        assert!(meanings.len() > 6, "{meanings:?}");
        for (value, meaning) in meanings.values().flatten() {
            assert!(!meaning.is_empty(), "{value}");
        }
    }
}
