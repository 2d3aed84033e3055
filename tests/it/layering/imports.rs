//! What a file defines, imports and names.

use std::collections::BTreeSet;

use super::source::Token;

/// The segments of a path.
pub type Path = Vec<String>;

/// A `use` declaration of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The name in this file; `*` for all names.
    pub name: String,
    pub path: Path,
    /// Whether it is visible outside of this file.
    pub is_reexport: bool,
}

/// What a file defines, imports and names.
#[derive(Debug, Default)]
pub struct Imports {
    pub imports: Vec<Import>,
    /// Items that are defined at the top of the file.
    pub definitions: BTreeSet<String>,
    /// Paths of two segments or more, outside of `use` declarations.
    pub paths: BTreeSet<Path>,
    /// Single types and called functions, outside of `use` declarations.
    pub words: BTreeSet<String>,
}

/// Reads tokens.
pub fn read(tokens: &[Token]) -> Imports {
    let mut file = Imports::default();
    let (mut at, mut depth) = (0, 0_usize);
    let mut is_public = false;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Mark('{' | '(' | '[') => depth += 1,
            Token::Mark('}' | ')' | ']') => depth = depth.saturating_sub(1),
            Token::Mark(_) => {}
            Token::Word(word) if word == "pub" => {
                is_public = true;
                at += 1;
                if tokens.get(at).is_some_and(|next| next.is('(')) {
                    at += tokens[at..].iter().position(|token| token.is(')')).map_or(1, |end| end + 1);
                }
                continue;
            }
            Token::Word(word) if word == "use" => {
                at = read_use(tokens, at + 1, &[], is_public, &mut file.imports);
                is_public = false;
                continue;
            }
            Token::Word(word) => {
                is_public = false;
                const DEFINES: [&str; 8] =
                    ["fn", "struct", "enum", "trait", "type", "const", "static", "union"];
                if let Some(name) = tokens.get(at + 1).and_then(Token::word)
                    && depth == 0
                    && DEFINES.contains(&word.as_str())
                {
                    file.definitions.insert(name.to_owned());
                }
                at = read_path(tokens, at, &mut file);
                continue;
            }
        }
        at += 1;
    }
    file
}

/// Reads the path that begins here, unless it is a field or a method. Returns the position behind it.
fn read_path(tokens: &[Token], start: usize, file: &mut Imports) -> usize {
    let mut path: Path = tokens[start].word().map(str::to_owned).into_iter().collect();
    let mut at = start + 1;
    while let [Token::Mark(':'), Token::Mark(':'), Token::Word(word), ..] = &tokens[at..] {
        path.push(word.clone());
        at += 3;
    }
    let is_member = start > 0 && tokens[start - 1].is('.') && !(start > 1 && tokens[start - 2].is('.'));
    let is_declared = start > 0 && matches!(tokens[start - 1].word(), Some("fn" | "mod" | "let"));
    if is_member || is_declared {
        return at;
    }
    let first = &path[0];
    let is_type = first.starts_with(char::is_uppercase);
    let is_call = tokens.get(at).is_some_and(|next| next.is('('));
    if path.len() > 1 {
        file.words.insert(first.clone());
        file.paths.insert(path);
    } else if is_type || is_call {
        file.words.insert(first.clone());
    }
    at
}

/// Reads the tree of a `use` declaration. Returns the position behind it.
fn read_use(
    tokens: &[Token],
    start: usize,
    prefix: &[String],
    is_reexport: bool,
    found: &mut Vec<Import>,
) -> usize {
    let mut path = prefix.to_vec();
    let mut at = start;
    let mut name = None;
    let mut is_group = false;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Word(word) if word == "as" => {
                name = tokens.get(at + 1).and_then(Token::word).map(str::to_owned);
                at += 1;
            }
            Token::Word(word) => path.push(word.clone()),
            Token::Mark('*') => path.push("*".to_owned()),
            Token::Mark('{') => {
                is_group = true;
                at += 1;
                while !tokens[at].is('}') {
                    at = read_use(tokens, at, &path, is_reexport, found);
                    at += usize::from(tokens[at].is(','));
                }
            }
            Token::Mark(',' | '}' | ';') => break,
            Token::Mark(_) => {}
        }
        at += 1;
    }
    if !is_group {
        let is_self = path.len() > 1 && path.last().is_some_and(|last| last == "self");
        if is_self {
            path.pop();
        }
        let last = path.last().cloned().unwrap_or_default();
        let is_glob = last == "*";
        if is_glob {
            path.pop();
        }
        found.push(Import { name: name.unwrap_or(last), path, is_reexport });
    }
    at
}
