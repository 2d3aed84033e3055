//! The formats of the output.

use super::*;

/// A folder with an error, a warning, and names that formats must escape.
fn varied() -> Folder {
    Folder::new(&[
        ("a, b: 50%.yaml", &ENDPOINT.replace("[order.placed]", "[\"<&\\\"]]>\"]")),
        ("b.yaml", &EVENT_TYPE.replace("{type: string}", "{type: string, format: uid}")),
        ("broken.yaml", "a: [\n"),
    ])
}

#[test]
fn sarif_is_valid_by_its_schema() {
    let folder = varied();
    let schema: Value = serde_json::from_str(SARIF).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();

    let output = folder.validate(&["--output", "sarif"]);

    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let errors: Vec<_> = validator.iter_errors(&log).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new(), "{log:#}");
    let results = log["runs"][0]["results"].as_array().unwrap();
    let levels: Vec<_> = results.iter().map(|result| result["level"].as_str().unwrap()).collect();
    assert!(levels.contains(&"error") && levels.contains(&"warning"), "{log:#}");
    let first = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(first["artifactLocation"]["uri"], "./a%2C%20b%3A%2050%25.yaml", "{log:#}");
    assert_eq!(first["region"]["startLine"], 6, "{log:#}");
}

#[test]
fn github_commands_are_escaped() {
    let output = varied().validate(&["--output", "github"]);

    let text = stdout(&output);
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("::error file=./a%2C b%3A 50%25.yaml,line=6,col="), "{text}");
    assert!(first.contains(",title=WebhookEndpoint shop/orders::/spec/eventTypes/0: "), "{text}");
    assert!(text.contains("\n::warning file=./b.yaml,line=9,col="), "{text}");
    assert!(text.contains("\n::error file=./broken.yaml,line="), "{text}");
}

#[test]
fn junit_has_a_case_for_each_object() {
    let output = varied().validate(&["--output", "junit"]);

    let text = stdout(&output);
    assert!(text.contains(r#"<testsuites name="svix-operator validate" tests="3" failures="2">"#), "{text}");
    assert!(
        text.contains(r#"<testcase name="WebhookEventType shop/order.placed" classname="./b.yaml">"#),
        "{text}"
    );
    assert!(text.contains("<system-out>./b.yaml:9:"), "{text}");
    assert!(!text.contains("<&"), "{text}");
}
