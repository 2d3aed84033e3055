//! Markdown for a comment on a pull request. GitHub's comments have at most 65,536 characters, so what does not fit is counted.
//! Names and values come from files that anybody may propose, so they stand in code blocks, which they cannot end.

use std::fmt::Write as _;

use crate::plan::printable;

use super::{
    super::model::{Action, Change, ChangeSet},
    lines::{lines, notes},
    summary::{head, summary},
};

/// The most characters.
const MAX: usize = 65_000;
/// Left for what comes after the changes.
const RESERVE: usize = 1_000;
/// The most characters of one change.
const MAX_CHANGE: usize = 8_000;

pub(super) fn write(changes: &ChangeSet) -> String {
    let mut out = String::from("### Changes in Svix\n\n");
    let _ = writeln!(out, "{}\n", summary(changes));
    for note in &changes.notes {
        let _ = writeln!(out, "{}\n", printable(note));
    }
    let mut left_out = 0;
    let mut length = out.chars().count();
    let shown = |change: &&Change| change.action != Action::Nothing || !change.notes.is_empty();
    for change in changes.changes.iter().filter(shown) {
        let section = section(change);
        let section_length = section.chars().count();
        if length + section_length > MAX - RESERVE {
            left_out += 1;
            continue;
        }
        length += section_length;
        out.push_str(&section);
    }
    if left_out > 0 {
        let _ = writeln!(
            out,
            "\n{left_out} more are not shown, since a comment is bounded; run `svix-operator diff`."
        );
    }
    if !changes.foreign.is_empty() {
        let _ = writeln!(out, "\n{} in Svix that no manifest declares.", changes.foreign.len());
    }
    out
}

fn section(change: &Change) -> String {
    let mut body = String::new();
    for line in lines(change) {
        let _ = writeln!(body, "{} {}", line.sign.character(), line.text);
    }
    if let Some(refusal) = &change.refusal {
        let _ = writeln!(body, "! {}: {}", printable(&refusal.reason), printable(&refusal.message));
    }
    for note in notes(change) {
        let _ = writeln!(body, "# {}", printable(&note));
    }
    if let Some((end, _)) = body.char_indices().nth(MAX_CHANGE) {
        body.truncate(end);
        body.push_str("…\n");
    }
    let fence = fence(&body);
    let title = escaped(&head(change));
    format!(
        "<details><summary>{} <code>{title}</code></summary>\n\n{fence}diff\n{body}{fence}\n\n</details>\n",
        change.action.verb()
    )
}

/// A fence that the text cannot end.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// A text within HTML in Markdown: no tags, no mentions, no links.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '!' | '~' | '|' => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{
        super::super::model::{FieldChange, Foreign, Refusal, Side},
        *,
    };

    /// Texts that end code, begin tags, mention people or link, and long ones.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "`",
                "```",
                "~~~",
                "````diff",
                "</code>",
                "</details>",
                "<img src=x onerror=alert(1)>",
                "@team",
                "#1",
                "[a](https://b.example)",
                "![a](b)",
                "\n",
                "\r\n",
                "\n\n# x\n",
                "\u{85}",
                "\u{2028}",
                "\u{202e}",
                "&lt;",
                "<!--",
                "|",
                "\\",
                "*",
                "_",
                "https://a.example",
                "\u{1b}[31m",
                "\t",
                "- ",
                "> ",
                "a",
            ])
            .prop_map(ToOwned::to_owned),
            (1..20_000usize).prop_map(|length| "x".repeat(length)),
        ];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    fn side() -> impl Strategy<Value = Side> {
        prop_oneof![
            Just(Side::Absent),
            Just(Side::Hidden),
            text().prop_map(|text| Side::Value(json!(text))),
            (text(), text()).prop_map(|(key, text)| Side::Value(json!({ key: text }))),
        ]
    }

    prop_compose! {
        fn change()(
            names in prop::array::uniform4(text()), optional in prop::array::uniform3(prop::option::of(text())),
            fields in prop::collection::vec((text(), side(), side()), 0..20),
            notes in prop::collection::vec(text(), 0..3), refusal in prop::option::of(text()),
        ) -> Change {
            let [kind, namespace, name, reason] = names;
            let [origin, application, resource] = optional;
            let fields = fields.into_iter().map(|(field, before, after)| FieldChange { field, before, after });
            Change {
                kind, namespace, name, origin, application, resource,
                action: if refusal.is_some() { Action::Refuse } else { Action::Change },
                fields: fields.collect(),
                notes,
                refusal: refusal.map(|message| Refusal { reason, message }),
                incompatible: false,
                breaks_receivers: false,
                receivers: None,
                missing_secrets: Vec::new(),
                unmanaged: false,
                fingerprint: None,
            }
        }
    }

    prop_compose! {
        fn change_set()(changes in prop::collection::vec(change(), 0..12), name in text()) -> ChangeSet {
            let foreign = Foreign { kind: name.clone(), application: None, name, owner: None };
            ChangeSet { foreign: vec![foreign], ..ChangeSet::new(changes) }
        }
    }

    /// Checks that every line is one that this module writes, and that names and values stand only in code.
    fn check(markdown: &str) -> Result<(), TestCaseError> {
        let mut fence: Option<&str> = None;
        for line in markdown.split(['\n', '\r']) {
            if let Some(open) = fence {
                // A fence may be indented by three spaces and closed by more characters than it has.
                let is_closed = line.trim_start_matches(' ').starts_with(open);
                prop_assert!(!is_closed || line == open, "closes the code: {line:?}");
                prop_assert!(is_closed || line.starts_with(['+', '-', '~', '!', '#', '…']), "{line:?}");
                fence = fence.filter(|_| !is_closed);
                continue;
            }
            if let Some(title) = line.strip_prefix("<details><summary>") {
                let (_, title) = title.split_once(" <code>").unwrap_or_default();
                let title = title.strip_suffix("</code></summary>").unwrap_or("<");
                prop_assert!(!title.contains(['<', '>', '@', '`']), "{line:?}");
            } else if line.starts_with("```") {
                fence = line.strip_suffix("diff");
                prop_assert!(fence.is_some(), "{line:?}");
            } else {
                let is_ours = ["", "</details>", "### Changes in Svix"].contains(&line)
                    || line.starts_with(|first: char| first.is_ascii_digit())
                    || line.starts_with("no differences");
                prop_assert!(
                    is_ours && !line.contains(['<', '`', '@', '['])
                        || line == "</details>"
                        || line.contains("run `svix-operator diff`"),
                    "{line:?}"
                );
            }
        }
        prop_assert_eq!(fence, None);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn names_and_values_cannot_leave_their_code(changes in change_set()) {
            let markdown = write(&changes);

            check(&markdown)?;
            prop_assert!(markdown.chars().count() <= MAX, "{}", markdown.chars().count());
        }
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let change = |index: usize| Change {
            name: format!("{index}-{}", "n".repeat(240)),
            notes: vec!["x".repeat(7_000)],
            ..bare_change()
        };

        let markdown = write(&ChangeSet::new((0..10_000).map(change).collect()));

        assert!(markdown.chars().count() <= MAX);
        let shown = markdown.matches("<details>").count();
        assert!((5..12).contains(&shown), "{shown}");
        assert!(markdown.contains(&format!("\n{} more are not shown", 10_000 - shown)), "{shown}");
    }

    fn bare_change() -> Change {
        Change {
            kind: "WebhookEndpoint".to_owned(),
            namespace: "ns".to_owned(),
            name: String::new(),
            origin: None,
            application: None,
            resource: None,
            action: Action::Create,
            fields: Vec::new(),
            notes: Vec::new(),
            refusal: None,
            incompatible: false,
            breaks_receivers: false,
            receivers: None,
            missing_secrets: Vec::new(),
            unmanaged: false,
            fingerprint: None,
        }
    }
}
