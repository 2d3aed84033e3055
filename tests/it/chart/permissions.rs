//! What the chart allows beside what was asked for: nothing was refused, and nothing is allowed that no test used.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{control_plane::ControlPlane, operator::OPERATOR_NAMESPACE};

/// `verb group/resource`, where the core group has no name, and whether it is about the release's own namespace.
type Permission = String;

fn permission(verb: &str, group: &str, resource: &str, namespace: &Value) -> Permission {
    let place = if namespace == OPERATOR_NAMESPACE { " at home" } else { "" };
    format!("{verb} {group}/{resource}{place}")
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().map(|it| it.as_str().unwrap())
}

/// What the roles that objects bind to an account allow it.
fn allowed(objects: &[Value], account: &str) -> BTreeSet<Permission> {
    let bindings = objects.iter().filter(|object| object["kind"].as_str().unwrap().ends_with("Binding"));
    let mine = bindings.filter(|binding| {
        binding["subjects"].as_array().unwrap().iter().any(|subject| subject["name"] == account)
    });
    let roles = mine.map(|binding| {
        let place = &binding["metadata"]["namespace"];
        let role = &binding["roleRef"];
        let found = objects
            .iter()
            .find(|object| object["kind"] == role["kind"] && object["metadata"]["name"] == role["name"]);
        (found.unwrap_or_else(|| panic!("no {role}")), place)
    });
    let mut all = BTreeSet::new();
    for (role, place) in roles {
        for rule in role["rules"].as_array().unwrap() {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    all.extend(texts(&rule["verbs"]).map(|verb| permission(verb, group, resource, place)));
                }
            }
        }
    }
    all
}

/// What an account asked for and got, and what it was refused.
fn asked(control_plane: &ControlPlane, account: &str) -> (BTreeSet<Permission>, Vec<Value>) {
    let user = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{account}");
    let (mut used, mut refused) = (BTreeSet::new(), Vec::new());
    for request in control_plane.audit() {
        if request["impersonatedUser"]["username"] != user.as_str() || request["objectRef"].is_null() {
            continue;
        }
        if request["responseStatus"]["code"] == 403 {
            refused.push(request);
            continue;
        }
        let object = &request["objectRef"];
        let mut resource = object["resource"].as_str().unwrap().to_owned();
        if let Some(part) = object["subresource"].as_str() {
            resource = format!("{resource}/{part}");
        }
        let verb = request["verb"].as_str().unwrap();
        let group = object["apiGroup"].as_str().unwrap_or_default();
        used.insert(permission(verb, group, &resource, &object["namespace"]));
    }
    (used, refused)
}

/// Fails when an account was refused something.
pub fn none_refused(control_plane: &ControlPlane, account: &str) {
    let (used, refused) = asked(control_plane, account);
    assert!(refused.is_empty() && !used.is_empty(), "{account} was refused: {refused:#?}");
}

/// Fails when an account was refused something, or may do what it did not do; `rare` is what it may do and did not have
/// to, because of what happens seldom.
pub fn fit(control_plane: &ControlPlane, objects: &[Value], account: &str, rare: &[&str]) {
    let (used, refused) = asked(control_plane, account);
    assert!(refused.is_empty(), "{account} was refused: {refused:#?}");
    let unused: Vec<_> = allowed(objects, account).difference(&used).cloned().collect();
    let mut rare: Vec<_> = rare.iter().map(|&permission| permission.to_owned()).collect();
    rare.sort();
    assert_eq!(
        unused, rare,
        "{account} may do what it did not, or did what is said to be rare; used: {used:#?}"
    );
}
