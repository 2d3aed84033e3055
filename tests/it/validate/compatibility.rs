//! Schemas that are compared with earlier ones.

use super::*;

#[test]
fn schemas_are_compared_with_earlier_manifests() {
    let before = Folder::new(&[("a.yaml", EVENT_TYPE)]);
    let base = before.path().to_str().unwrap();
    let enforced = format!("{EVENT_TYPE}  compatibility: {{action: Enforce}}\n");
    let breaking =
        |text: &str| Folder::new(&[("a.yaml", &text.replace("type: string", "type: [string, integer]"))]);

    let same = Folder::new(&[("a.yaml", EVENT_TYPE)]).validate(&["--against", base]);
    let warned = breaking(EVENT_TYPE).validate(&["--against", base]);
    let refused = breaking(&enforced).validate(&["--against", base, "--output", "github"]);
    let exit_zero = breaking(&enforced).validate(&["--against", base, "--exit-zero"]);

    assert_eq!((code(&same), code(&warned), code(&refused), code(&exit_zero)), (0, 0, 4, 0), "{refused:?}");
    let warning = "./a.yaml:5:3: warning: WebhookEventType shop/order.placed: /spec/schema: the schema breaks compatibility \
         (ConsumerSafe): it permits a payload that the schema before refused: {\"id\":0}";
    assert!(stdout(&warned).contains(warning), "{}", stdout(&warned));
    let annotation = "::error file=./a.yaml,line=5,";
    assert!(stdout(&refused).contains(annotation), "{}", stdout(&refused));
    assert!(stdout(&refused).contains("svix-operator.dev/allow-breaking"), "{}", stdout(&refused));
}

#[test]
fn a_missing_history_is_said_once() {
    let all = |name: &str| {
        let text = EVENT_TYPE.replace("name: order.placed", &format!("name: {name}"));
        format!("{text}  compatibility: {{against: All}}\n")
    };
    let texts = |change: fn(&str) -> String| {
        let [one, other] = ["order.placed", "order.paid"].map(|name| change(&all(name)));
        Folder::new(&[("a.yaml", &one), ("b.yaml", &other)])
    };
    let before = texts(str::to_owned);
    let base = before.path().to_str().unwrap();

    let same = texts(str::to_owned).validate(&["--against", base]);
    let changed = texts(|text| text.replace("type: string", "type: [string, integer]"));
    let changed = changed.validate(&["--against", base]);

    let errors = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let note = "note: 2 schemas with compatibility.against: All are compared with the last version only";
    assert_eq!((code(&same), errors(&same)), (0, String::new()));
    assert_eq!((code(&changed), errors(&changed).matches(note).count()), (0, 1), "{}", errors(&changed));
}

#[test]
fn schemas_are_compared_with_a_commit() {
    let folder = Folder::new(&[("a.yaml", EVENT_TYPE)]);
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=test", "-c", "user.email=test@example.org"]).args(arguments);
        assert!(git.current_dir(folder.path()).output().unwrap().status.success(), "{arguments:?}");
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "first"]);
    let changed = EVENT_TYPE.replace("type: string", "type: [string, integer]");
    std::fs::write(folder.path().join("a.yaml"), format!("{changed}  compatibility: {{action: Enforce}}\n"))
        .unwrap();

    let compared = folder.validate(&["--against", "git:HEAD"]);
    let no_commit = folder.validate(&["--against", "git:nowhere"]);
    let no_base = folder.validate(&["--against", "nowhere"]);

    assert_eq!((code(&compared), code(&no_commit), code(&no_base)), (4, 2, 2), "{}", stdout(&compared));
    let error = String::from_utf8(no_commit.stderr).unwrap();
    assert!(error.contains("there is no commit \"nowhere\"; fetch it, or name another"), "{error}");
}
