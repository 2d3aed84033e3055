//! Manifests are read as kubectl reads them: a corpus and mutations of it through both, equal in objects or in refusing.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use svix_operator::manifests::{read_text, yaml};

use crate::support::control_plane::kubectl_program;

/// Fragments of an object's `spec`, or whole files if they have a kind themselves.
const CORPUS: &str = include_str!("data/kubectl-yaml.txt");

/// Where this program refuses what kubectl reads, on purpose: kubectl would lose or misread something without a word.
/// Each is a message of ours, and the reason.
const STRICTER: [(&str, &str); 16] = [
    ("is given twice", "kubectl takes the last one"),
    ("which stands before it", "kubectl takes the merged value, YAML's specification the other one"),
    ("reads nothing behind ...", "kubectl drops the rest of the document"),
    ("refuses or takes for a line break", "kubectl folds the text there"),
    ("stands only before ---", "most readers end the document there and drop the line"),
    ("of which kubectl reads only the first", "kubectl finds no --- in UTF-16"),
    ("a byte order mark inside a document", "kubectl makes it a part of a key"),
    ("more behind the end of the document's value", "kubectl drops what follows the value"),
    (
        "a key of several lines",
        "without a value kubectl reads it, and mostly a comma or a line end is missing",
    ),
    ("a text tagged !!", "kubectl takes the tag off"),
    ("which kubectl takes for a part of the key", "most readers end the key there"),
    ("which kubectl takes for the mark of a key", "kubectl ends the text there"),
    ("which closes nothing", "behind the end of the value kubectl drops it"),
    ("a tag that cannot be read", "kubectl makes a comma, a bracket or a second ! a part of the tag"),
    ("a directive, which kubectl does not read", "behind ... kubectl drops it with the rest of the document"),
    ("that is not made of letters, digits, - and _", "kubectl ends the name before ?, :, % and @"),
];

const HEAD: &str = "apiVersion: v1\nkind: X\nmetadata: {name: x}\n";

/// The result of reading a file: its objects, or a refusal.
type Outcome = Result<Vec<Value>, String>;

fn cases() -> Vec<Vec<u8>> {
    // Escapes keep control characters and line ends of the corpus visible.
    let mut cases: Vec<Vec<u8>> = CORPUS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let text: String = serde_json::from_str(&format!("\"{line}\"")).expect(line);
            text.replace("HEAD", HEAD).into_bytes()
        })
        .collect();
    let texts: Vec<String> = cases.iter().map(|case| String::from_utf8(case.clone()).unwrap()).collect();
    for text in texts.iter().take(12) {
        let units = |order: fn(u16) -> [u8; 2]| {
            std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(order).collect::<Vec<u8>>()
        };
        cases.push(units(u16::to_be_bytes));
        cases.push(units(u16::to_le_bytes));
        cases.push(text.replace('\n', "\r\n").into_bytes());
        cases.push(text.replace('\n', "\r").into_bytes());
        cases.push(format!("\u{feff}{text}").into_bytes());
    }
    // Mutations: a fragment put before, behind or into each text.
    for (number, text) in texts.iter().enumerate() {
        for (index, fragment) in
            ["---\n", "# c\n", "\t", "\"", "- ", ": ", "...\n", "\u{feff}", "{", "%A\n"].iter().enumerate()
        {
            let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
            let place = places[(number * 31 + index * 17) % places.len()];
            cases.push(format!("{}{fragment}{}", &text[..place], &text[place..]).into_bytes());
        }
    }
    cases
}

fn ours(path: &Path) -> Outcome {
    let text = read_text(path).map_err(|error| error.to_string())?;
    let mut objects = Vec::new();
    for document in yaml::documents(&text) {
        let value = document.map_err(|error| error.to_string())?.value;
        let is_list = value["kind"] == "List";
        let Some(items) = value.get("items").filter(|_| is_list).and_then(Value::as_array) else {
            objects.push(value);
            continue;
        };
        if items.is_empty() {
            return Err("no objects".to_owned());
        }
        if let Some(item) = items.iter().find(|item| item.get("apiVersion").is_none()) {
            return Err(format!("no object: {item}"));
        }
        objects.extend(items.iter().cloned());
    }
    match objects.iter().find(|object| !is_object(object)) {
        Some(other) => Err(format!("no object: {other}")),
        None => Ok(objects),
    }
}

fn is_object(value: &Value) -> bool {
    value.get("kind").is_some_and(|kind| kind.as_str().is_some_and(|kind| !kind.is_empty()))
        && value.get("apiVersion").is_none_or(|version| version.is_string() || version.is_null())
        && value.get("items").is_none()
}

/// Reads all files in one run of kubectl, with a marker after each. Its errors name files.
fn kubectls(dir: &Path, count: usize) -> Vec<Outcome> {
    let output = Command::new(kubectl_program())
        .args(["patch", "--local", "--type=json", "-p", "[]", "-o", "json", "-f"])
        .arg(dir)
        .env("KUBECONFIG", "/dev/null")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut outcomes = vec![Vec::new()];
    for value in serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>() {
        let value = value.unwrap();
        if value["kind"] == "Marker" {
            outcomes.push(Vec::new());
        } else {
            outcomes.last_mut().unwrap().push(value);
        }
    }
    assert_eq!(outcomes.len(), count + 1, "{stderr}");
    let is_refused = |number: usize, objects: &[Value]| {
        let file = format!("{number:05}-case.yaml");
        // An error about an item of a List names no file.
        let is_list = || fs::read_to_string(dir.join(&file)).is_ok_and(|text| text.contains("items:"));
        stderr.contains(&file) || (objects.is_empty() && is_list())
    };
    outcomes
        .into_iter()
        .take(count)
        .enumerate()
        .map(|(number, objects)| match is_refused(number, &objects) {
            true => Err("refused".to_owned()),
            false => Ok(objects),
        })
        .collect()
}

/// Numbers as floats: kubectl prints whole floats in other ways than it reads them.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(comparable).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), comparable(value))).collect(),
        other => other.clone(),
    }
}

/// Returns the cases that both do not read alike.
fn differences(cases: &[Vec<u8>]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    for (number, case) in cases.iter().enumerate() {
        fs::write(dir.path().join(format!("{number:05}-case.yaml")), case).unwrap();
        let marker = "apiVersion: v1\nkind: Marker\nmetadata: {name: m}\n";
        fs::write(dir.path().join(format!("{number:05}-marker.yaml")), marker).unwrap();
    }
    let theirs = kubectls(dir.path(), cases.len());
    let mut differences = Vec::new();
    for (number, (case, theirs)) in cases.iter().zip(theirs).enumerate() {
        let ours = ours(&dir.path().join(format!("{number:05}-case.yaml")));
        let is_equal = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => {
                ours.iter().map(comparable).collect::<Vec<_>>()
                    == theirs.iter().map(comparable).collect::<Vec<_>>()
            }
            (Err(_), Err(_)) => true,
            (Err(error), Ok(_)) => STRICTER.iter().any(|(message, _)| error.contains(message)),
            (Ok(_), Err(_)) => false,
        };
        if !is_equal {
            let case = String::from_utf8_lossy(case);
            differences.push(format!("{case:?}\n  ours: {ours:?}\n  kubectl: {theirs:?}"));
        }
    }
    differences
}

#[test]
fn both_read_the_same_objects_or_refuse() {
    let cases = cases();

    let differences = differences(&cases);

    let (count, total) = (differences.len(), cases.len());
    assert!(differences.is_empty(), "{count} of {total} differ:\n{}", differences.join("\n"));
}

/// Other texts than those of the corpus: `KUBECTL_YAML_CASES` names a file with a JSON list of them.
#[test]
#[ignore = "needs a list of texts, named by KUBECTL_YAML_CASES"]
fn other_cases() {
    let path = std::env::var("KUBECTL_YAML_CASES").expect("KUBECTL_YAML_CASES names a file");
    let texts: Vec<String> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let cases: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();

    let differences: Vec<_> = cases.chunks(5000).flat_map(differences).collect();

    let (count, total) = (differences.len(), cases.len());
    assert!(differences.is_empty(), "{count} of {total} differ:\n{}", differences.join("\n"));
}
