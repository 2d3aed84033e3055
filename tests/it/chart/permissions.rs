//! What the chart allows beside what was asked for: nothing was refused, and nothing is allowed that no test used.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::support::{
    control_plane::{AUDIT_FOLDER, ControlPlane, read_audit_log},
    operator::OPERATOR_NAMESPACE,
    release,
};

/// `verb group/resource`, where the core group has no name, and whether it is about the release's own namespace.
type Permission = String;

fn permission(verb: &str, group: &str, resource: &str, at_home: bool) -> Permission {
    let place = if at_home { " at home" } else { "" };
    format!("{verb} {group}/{resource}{place}")
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().map(|it| it.as_str().unwrap())
}

/// What the roles that objects bind to an account allow it; `home` is the namespace of the release.
fn allowed(objects: &[Value], home: &str, account: &str) -> BTreeSet<Permission> {
    let bindings = objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("Binding"));
    let mine = bindings.filter(|binding| {
        binding["subjects"].as_array().unwrap().iter().any(|subject| subject["name"] == account)
    });
    let roles = mine.map(|binding| {
        let at_home = binding["metadata"]["namespace"] == home;
        let role = &binding["roleRef"];
        let found = objects
            .iter()
            .find(|object| object["kind"] == role["kind"] && object["metadata"]["name"] == role["name"]);
        (found.unwrap_or_else(|| panic!("no {role}")), at_home)
    });
    let mut all = BTreeSet::new();
    for (role, at_home) in roles {
        for rule in role["rules"].as_array().unwrap() {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    all.extend(texts(&rule["verbs"]).map(|verb| permission(verb, group, resource, at_home)));
                }
            }
        }
    }
    all
}

/// A request that was made under an account of a release.
struct Request {
    /// The namespace of the account.
    home: String,
    account: String,
    verb: String,
    group: String,
    resource: String,
    at_home: bool,
    refused: bool,
}

impl Request {
    /// What an audited API server wrote about a request for an object under an account.
    fn from_audit(entry: &Value) -> Option<Self> {
        let user = entry["impersonatedUser"]["username"].as_str()?;
        let (home, account) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        let object = entry["objectRef"].as_object()?;
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let part = text("subresource");
        let resource = text("resource");
        Some(Self {
            home: home.to_owned(),
            account: account.to_owned(),
            verb: entry["verb"].as_str()?.to_owned(),
            group: text("apiGroup").to_owned(),
            resource: if part.is_empty() { resource.to_owned() } else { format!("{resource}/{part}") },
            at_home: text("namespace") == home,
            refused: entry["responseStatus"]["code"] == 403,
        })
    }

    /// What made the request possible: a permission at home before one everywhere.
    fn used(&self, allowed: &BTreeSet<Permission>) -> Permission {
        let with = |at_home| permission(&self.verb, &self.group, &self.resource, at_home);
        let near = with(self.at_home);
        if allowed.contains(&near) { near } else { with(false) }
    }
}

fn requests(entries: &[Value]) -> impl Iterator<Item = Request> {
    entries.iter().filter_map(Request::from_audit)
}

fn of_account(control_plane: &ControlPlane, account: &str) -> Vec<Request> {
    let mut all: Vec<_> = requests(&control_plane.audit()).collect();
    all.retain(|it| it.home == OPERATOR_NAMESPACE && it.account == account);
    let refused: BTreeSet<_> =
        all.iter().filter(|it| it.refused).map(|it| it.used(&BTreeSet::new())).collect();
    assert!(refused.is_empty() && !all.is_empty(), "{account} was refused: {refused:#?}");
    all
}

/// Fails when an account was refused something.
pub fn none_refused(control_plane: &ControlPlane, account: &str) {
    of_account(control_plane, account);
}

/// Fails when an account was refused something, or may do what it did not do; `rare` is what it may do and did not have
/// to, because of what happens seldom.
pub fn fit(control_plane: &ControlPlane, objects: &[Value], account: &str, rare: &[&str]) {
    let allowed = allowed(objects, OPERATOR_NAMESPACE, account);
    let used: BTreeSet<_> = of_account(control_plane, account).iter().map(|it| it.used(&allowed)).collect();
    let unused: Vec<_> = allowed.difference(&used).cloned().collect();
    let mut rare: Vec<_> = rare.iter().map(|&permission| permission.to_owned()).collect();
    rare.sort();
    assert_eq!(
        unused, rare,
        "{account} may do what it did not, or did what is said to be rare; used: {used:#?}"
    );
}

/// Judges what all tests did together: `.ci/run` has every API server of the suite audited, and asks here afterwards.
/// That nothing was refused is judged by the tests themselves ([`crate::support::operator`]), since a few are about that.
#[tokio::test]
#[ignore = "needs SVIX_OPERATOR_AUDIT_FOLDER, with what a run of the whole suite left there"]
async fn nothing_is_allowed_that_no_test_used() {
    let folder = std::env::var(AUDIT_FOLDER).expect("the folder of a run of the whole suite");
    let objects = release::objects(release::ANY).await;
    let webhook = format!("{}-webhook", release::ANY);
    let operator = allowed(&objects, release::ANY, release::ANY);
    let webhook = allowed(&objects, release::ANY, &webhook);
    assert!(operator.len() > 20 && webhook.len() > 10, "{operator:#?} {webhook:#?}");
    let (mut unused_operator, mut unused_webhook) = (operator.clone(), webhook.clone());
    for entry in Path::new(&folder).read_dir().unwrap() {
        for request in requests(&read_audit_log(&entry.unwrap().path())).filter(|it| !it.refused) {
            if request.account.ends_with("-webhook") {
                unused_webhook.remove(&request.used(&webhook));
            } else {
                unused_operator.remove(&request.used(&operator));
            }
        }
    }
    assert!(
        unused_operator.is_empty() && unused_webhook.is_empty(),
        "no test used what the chart allows the operator: {unused_operator:#?}\nthe webhook: {unused_webhook:#?}"
    );
}
