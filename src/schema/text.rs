//! Values and text, short enough for a message.

use serde_json::Value;

/// Most characters of a value in a message.
const MAX_VALUE: usize = 60;

/// Returns a value as compact JSON, of which no more than [`MAX_VALUE`] characters are written.
pub(super) fn short(value: &Value) -> String {
    struct Beginning(Vec<u8>);
    impl std::io::Write for Beginning {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // A character has up to four bytes.
            if self.0.len() > MAX_VALUE * 4 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            let room = MAX_VALUE * 4 + 4;
            self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut beginning = Beginning(Vec::new());
    let whole = serde_json::to_writer(&mut beginning, value).is_ok();
    let text = String::from_utf8_lossy(&beginning.0);
    match text.char_indices().nth(MAX_VALUE) {
        None if whole => text.into_owned(),
        None => format!("{text}…"),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Returns text in quotes, of which no more than [`MAX_VALUE`] characters are shown.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

/// Returns text, of which no more than [`MAX_VALUE`] characters are shown.
pub(super) fn beginning(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Returns a message, cut after 200 characters.
pub(super) fn shortened(message: &str) -> String {
    match message.char_indices().nth(200) {
        None => message.to_owned(),
        Some((end, _)) => format!("{}…", &message[..end]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_values_are_cut_and_never_built() {
        let long = json!("x".repeat(1_000_000));
        assert_eq!(short(&long).chars().count(), MAX_VALUE + 1);
        let wide = json!(vec!["é"; 100_000]);
        assert!(short(&wide).ends_with('…') && short(&wide).chars().count() == MAX_VALUE + 1);
        assert_eq!(short(&json!({"a": [1, null]})), r#"{"a":[1,null]}"#);
    }
}
