//! References that lead back to where they are without going into a member or an element.
//!
//! Drafts leave open what such a schema means, so what leads around is not modelled.

use super::raw::{Raw, RawId};
use crate::schema::evolution::model::Keyword;

/// Replaces keywords that lead around in one place of a payload by keywords that are not modelled.
pub(super) fn cut(raw: &mut [Raw]) {
    let on_cycle = on_cycle(raw);
    if !on_cycle.contains(&true) {
        return;
    }
    for node in (0..raw.len()).filter(|node| on_cycle[*node]) {
        for keyword in &mut raw[node].keywords {
            let Some(name) = in_place(keyword) else { continue };
            let mut leads_around = false;
            keyword.each_node(|to| leads_around |= on_cycle[to]);
            if leads_around {
                *keyword = Keyword::Other { keyword: name, content: format!("{name} around {node}").into() };
            }
        }
    }
}

/// The name of a keyword whose nodes apply to the value itself.
fn in_place(keyword: &Keyword) -> Option<&'static str> {
    match keyword {
        Keyword::AllOf(nodes) if nodes.len() == 1 => Some("$ref"),
        Keyword::AllOf(_) => Some("allOf"),
        Keyword::AnyOf(_) => Some("anyOf"),
        Keyword::AtMostOne(_) => Some("oneOf"),
        Keyword::Not(_) => Some("not"),
        Keyword::If { .. } => Some("if"),
        Keyword::Dependent { .. } => Some("dependentSchemas"),
        _ => None,
    }
}

/// The nodes that are on a cycle, or between two.
fn on_cycle(raw: &[Raw]) -> Vec<bool> {
    let mut children: Vec<Vec<RawId>> = vec![Vec::new(); raw.len()];
    let mut parents = children.clone();
    for (node, raw) in raw.iter().enumerate() {
        for keyword in raw.keywords.iter().filter(|keyword| in_place(keyword).is_some()) {
            keyword.each_node(|child| {
                children[node].push(child);
                parents[child].push(node);
            });
        }
    }
    let mut remaining = vec![true; raw.len()];
    strip(&children, &parents, &mut remaining);
    strip(&parents, &children, &mut remaining);
    remaining
}

/// Takes away the nodes that lead to none that remains, again and again.
fn strip(to: &[Vec<RawId>], from: &[Vec<RawId>], remaining: &mut [bool]) {
    let mut counts: Vec<usize> =
        to.iter().map(|nodes| nodes.iter().filter(|node| remaining[**node]).count()).collect();
    let mut ends: Vec<RawId> = (0..to.len()).filter(|node| remaining[*node] && counts[*node] == 0).collect();
    while let Some(node) = ends.pop() {
        remaining[node] = false;
        for before in &from[node] {
            if remaining[*before] {
                counts[*before] -= 1;
                if counts[*before] == 0 {
                    ends.push(*before);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::schema::evolution::{Level, Verdict, Version, compare};

    #[test]
    fn what_leads_around_in_one_place_is_not_decided() {
        let around = |least: u64| {
            json!({"anyOf": [{"$ref": "#/definitions/a"}], "definitions": {
                "a": {"not": {"$ref": "#/definitions/b"}},
                "b": {"anyOf": [{"$ref": "#/definitions/a"}, {"minLength": least}]},
            }})
        };
        let [one, two] = [around(1), around(2)];
        let versions = [&one, &two].map(|schema| Version::new(schema, true));
        let [Ok(one), Ok(two)] = versions else { return };

        assert!(matches!(compare(&one, &two, Level::Strict), Verdict::NotDecided { .. }));
        assert!(matches!(compare(&one, &one, Level::Strict), Verdict::Safe | Verdict::Empty));
    }

    #[test]
    fn what_leads_around_through_members_is_decided() {
        let tree = |kind: &str| json!({"type": kind, "properties": {"next": {"allOf": [{"$ref": "#"}]}}});
        let [one, two] = [tree("object"), tree("array")];
        let versions = [&one, &two].map(|schema| Version::new(schema, true));
        let [Ok(one), Ok(two)] = versions else { return };

        assert!(matches!(compare(&one, &two, Level::Strict), Verdict::Breaking(_)));
    }
}
