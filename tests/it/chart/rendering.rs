//! What the chart renders, without a cluster.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CHART, file, rendered, value_sets};
use crate::support::tools::tool;

#[tokio::test]
async fn lint_finds_nothing_with_any_set_of_values() {
    for (set, arguments) in value_sets() {
        let mut all = vec!["lint", "--strict", CHART];
        all.extend(arguments.iter().map(String::as_str));
        let stated = tool("helm", None, &all, "").await;
        assert!(stated.success, "{set}: {}{}", stated.stdout, stated.stderr);
    }
}

#[tokio::test]
async fn its_unit_tests_pass() {
    println!("{}", tool("helm-unittest", None, &[CHART], "").await.expect_success());
}

#[tokio::test]
async fn rendering_twice_gives_the_same() {
    for (set, arguments) in value_sets() {
        assert_eq!(rendered(&arguments).await, rendered(&arguments).await, "{set}");
    }
    // What would make a difference between one cluster, or one moment, and another.
    let folder = format!("{}/{CHART}/templates", env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let code: String = text.split("{{").skip(1).filter_map(|part| part.split("}}").next()).collect();
        for function in
            ["genCA", "genSelfSigned", "genSigned", "genPrivateKey", "lookup", "rand", "now", "uuidv4"]
        {
            let words = code.split(|c: char| !c.is_alphanumeric());
            assert!(
                !words.into_iter().any(|word| word.starts_with(function) && word.len() < function.len() + 10),
                "{} uses {function}",
                path.display()
            );
        }
    }
}

#[tokio::test]
async fn a_typo_in_values_is_refused() {
    for (typo, reported) in [
        ("webook.enabled=true", "'webook' not allowed"),
        ("webhook.failurePolicy=Ignore", "'failurePolicy' not allowed"),
        ("webhook.declarationsFailurePolicy=ignore", "'/webhook/declarationsFailurePolicy'"),
        ("webhook.certManager.issuerRef.nam=x", "'nam' not allowed"),
        ("operator.resources.limit.memory=1Gi", "'limit' not allowed"),
        ("monitoring.serviceMonitor.enable=true", "'enable' not allowed"),
        ("watchNamespaces=team-a", "'/watchNamespaces'"),
        ("watchNamespaces={Team}", "'/watchNamespaces/0'"),
        ("replicas=two", "'/replicas'"),
    ] {
        let stated = tool("helm", None, &["template", "x", CHART, "--set", typo], "").await;
        assert!(!stated.success && stated.stderr.contains(reported), "{typo}: {}", stated.stderr);
    }
    // What Helm hands to a chart that another depends on.
    let stated = tool("helm", None, &["template", "x", CHART, "--set", "global.a=b,enabled=true"], "").await;
    assert!(stated.success, "{}", stated.stderr);
}

/// The paths of what a schema lets be set, down to where it takes anything.
fn paths_of_schema(schema: &Value, root: &Value, at: &str, found: &mut BTreeSet<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).expect("a definition"),
        None => schema,
    };
    let Some(properties) = schema["properties"].as_object() else {
        found.insert(at.to_owned());
        return;
    };
    assert_eq!(schema["additionalProperties"], false, "{at} takes any typo");
    for (name, property) in properties {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        paths_of_schema(property, root, &path, found);
    }
}

fn paths_of_values(values: &Value, schema: &BTreeSet<String>, at: &str, found: &mut BTreeSet<String>) {
    match values.as_object() {
        Some(map) if !schema.contains(at) && !map.is_empty() => {
            for (name, value) in map {
                let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                paths_of_values(value, schema, &path, found);
            }
        }
        _ => {
            found.insert(at.to_owned());
        }
    }
}

#[test]
fn values_schema_and_readme_agree() {
    let schema: Value = serde_json::from_str(&file(&format!("{CHART}/values.schema.json"))).unwrap();
    let values: Value = serde_yaml::from_str(&file(&format!("{CHART}/values.yaml"))).unwrap();
    let (mut allowed, mut there) = (BTreeSet::new(), BTreeSet::new());
    paths_of_schema(&schema, &schema, "", &mut allowed);
    paths_of_values(&values, &allowed, "", &mut there);
    // Helm's own; and what has no default but a name.
    let without_default = |path: &String| {
        ["global", "enabled"].contains(&path.as_str())
            || path.starts_with("webhook.certManager.issuerRef.")
            || path.ends_with(".resources.claims")
    };
    allowed.retain(|path| !without_default(path));
    let whole = "webhook.certManager.issuerRef".to_owned();
    assert!(there.remove(&whole));
    let open = |path: &String| path.contains(".resources.");
    let (known, given): (BTreeSet<_>, BTreeSet<_>) = (
        allowed.iter().filter(|path| !open(path)).collect(),
        there.iter().filter(|path| !open(path)).collect(),
    );
    assert_eq!(known, given);

    let readme = file(&format!("{CHART}/README.md"));
    for path in known {
        assert!(readme.contains(&format!("| `{path}` |")), "{path} has no comment in values.yaml");
    }
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let chart: Value = serde_yaml::from_str(&file(&format!("{CHART}/Chart.yaml"))).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
}
