//! Text that is safe on a terminal.

/// Whether a character controls a terminal, ends a line, or changes the order in which text is shown.
#[must_use]
pub fn controls_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text in one line that controls no terminal and hides nothing: two values that differ look different.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a character changes how the text around it is shown, or is not seen itself.
fn is_unsafe(c: char) -> bool {
    controls_terminal(c)
        || matches!(c,
            // Soft hyphen, and marks of other scripts that take no room.
            '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
            // Spaces without width, and what joins or parts characters.
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            // Annotations, tags and variation selectors.
            | '\u{fff9}'..='\u{fffb}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_line_is_invisible() {
        for hidden in
            ["a\u{1b}[2Jb", "a\u{9b}b", "a\nb", "a\u{202e}b", "a\u{200b}b", "a\u{feff}b", "a\u{e0041}b"]
        {
            let shown = printable(hidden);
            assert!(shown.contains('\u{fffd}') && !shown.contains('\u{1b}'), "{hidden:?}: {shown:?}");
        }
        assert_eq!(printable("Grüße, 世界, \u{1f600}"), "Grüße, 世界, \u{1f600}");
    }
}
