//! The capturing groups of a pattern, found before it is read.

use std::collections::BTreeSet;

/// Longest name of a group.
pub(super) const MAX_NAME: usize = 100;

/// Returns the number of groups that capture, and their names.
pub(super) fn captures(pattern: &[char]) -> (u32, BTreeSet<String>) {
    let (mut groups, mut names) = (0, BTreeSet::new());
    let (mut in_class, mut position) = (false, 0);
    while let Some(c) = pattern.get(position) {
        match c {
            '\\' => position += 1,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => {
                let rest = &pattern[position + 1..];
                match rest {
                    ['?', '<', '=' | '!', ..] => {}
                    ['?', '<', name @ ..] => {
                        groups += 1;
                        let name = &name[..name.len().min(MAX_NAME + 1)];
                        let name = name.split(|c| *c == '>').next();
                        names.extend(name.map(|name| name.iter().collect::<String>()));
                    }
                    ['?', ..] => {}
                    _ => groups += 1,
                }
            }
            _ => {}
        }
        position += 1;
    }
    (groups, names)
}
