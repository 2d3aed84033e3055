//! Reads Rust source as far as imports need it: identifiers and punctuation, without comments, strings and lifetimes.

/// A piece of source text that matters to imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Word(String),
    Mark(char),
}

impl Token {
    pub fn is(&self, mark: char) -> bool {
        *self == Self::Mark(mark)
    }

    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Mark(_) => None,
        }
    }
}

/// Splits source text into tokens.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if rest.starts_with("/*") {
            rest = after_block_comment(rest);
        } else if let Some(after) = after_string(rest) {
            rest = after;
        } else if c == '\'' {
            rest = after_quote(rest);
        } else if c.is_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            if !c.is_numeric() {
                tokens.push(Token::Word(rest[..end].to_owned()));
            }
            rest = &rest[end..];
        } else {
            if !c.is_whitespace() {
                tokens.push(Token::Mark(c));
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    tokens
}

fn after_block_comment(text: &str) -> &str {
    let (mut depth, mut at) = (0, 0);
    loop {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest.chars().next().map_or(0, char::len_utf8);
        }
        if depth == 0 || at >= text.len() {
            return &text[at..];
        }
    }
}

/// Returns what follows a string, of any kind, with which the text begins.
fn after_string(text: &str) -> Option<&str> {
    let body = text.trim_start_matches(['b', 'c']);
    if text.len() - body.len() > 1 {
        return None;
    }
    if let Some(raw) = body.strip_prefix('r') {
        let after_hashes = raw.trim_start_matches('#');
        let hashes = &raw[..raw.len() - after_hashes.len()];
        let content = after_hashes.strip_prefix('"')?;
        return Some(content.split_once(&format!("\"{hashes}")).map_or("", |(_, after)| after));
    }
    let content = body.strip_prefix('"')?;
    let mut is_escaped = false;
    let end = content.char_indices().find(|(_, c)| {
        let is_end = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    });
    Some(end.map_or("", |(at, _)| &content[at + 1..]))
}

/// Returns what follows a character or a lifetime.
fn after_quote(text: &str) -> &str {
    let content = &text[1..];
    let mut chars = content.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), Some(escaped)) => {
            let after = &content[1 + escaped.len_utf8()..];
            after.split_once('\'').map_or("", |(_, after)| after)
        }
        (Some(c), Some('\'')) => &content[c.len_utf8() + 1..],
        _ => content.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
    }
}

/// The tokens of a file, without and with its unit tests.
pub struct Split {
    pub product: Vec<Token>,
    pub tests: Vec<Token>,
    /// Modules that are declared as `#[cfg(test)] mod name;`.
    pub test_modules: Vec<String>,
}

/// Separates the items under `#[cfg(test)]` from the others.
pub fn split(tokens: &[Token]) -> Split {
    let attribute = self::tokens("#[cfg(test)]");
    let mut split = Split { product: Vec::new(), tests: Vec::new(), test_modules: Vec::new() };
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].starts_with(&attribute) {
            split.product.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let start = at + attribute.len();
        let end = start + item_len(&tokens[start..]);
        if let [Token::Word(keyword), Token::Word(name), Token::Mark(';')] = &tokens[start..end]
            && keyword == "mod"
        {
            split.test_modules.push(name.clone());
        }
        split.tests.extend_from_slice(&tokens[start..end]);
        at = end;
    }
    split
}

/// Returns the number of tokens of the item that begins here: to its `;` or to the end of its block.
fn item_len(tokens: &[Token]) -> usize {
    let is_use = tokens.iter().find_map(Token::word).is_some_and(|word| word == "use");
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark('{' | '(' | '[') => depth += 1,
            Token::Mark('}' | ')' | ']') => depth -= 1,
            _ => {}
        }
        if depth == 0 && (token.is(';') || token.is('}') && !is_use) {
            return at + 1;
        }
    }
    tokens.len()
}
