//! The paths that a source writes: its words and signs, those that tests alone see left out, and in them every path.

use std::collections::BTreeMap;

/// The names that lead to a module; none for `lib.rs`.
pub(crate) type Module = Vec<String>;

/// A path as it is written in a module, which may be one within a file.
pub(crate) type Written = (Module, Vec<String>);

/// The words and signs of a source, without comments and texts.
pub(crate) fn lex(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            let length = text(rest);
            // Derive macros read paths out of texts.
            let inner = rest[1..length].trim_end_matches('"');
            if inner.starts_with("crate::") || inner.starts_with("super::") {
                tokens.extend(lex(inner));
            }
            length
        } else if let Some(length) = raw_text(rest) {
            length
        } else if first == '\'' {
            character(rest)
        } else if first == '_' || first.is_alphanumeric() {
            let length = rest
                .find(|c: char| c != '_' && !c.is_alphanumeric())
                .unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                tokens.push(rest[..length].to_owned());
            }
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// A text in quotes, with escapes.
fn text(source: &str) -> usize {
    let mut chars = source.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '"' => return index + 1,
            _ => {}
        }
    }
    source.len()
}

/// `r"..."`, `br#"..."#` and so on, where there is one.
fn raw_text(source: &str) -> Option<usize> {
    let start = source.strip_prefix(['b', 'c']).unwrap_or(source).strip_prefix('r')?;
    let body = start.trim_start_matches('#');
    let end = format!("\"{}", &start[..start.len() - body.len()]);
    let body = body.strip_prefix('"')?;
    Some(source.len() - body.len() + body.find(&end)? + end.len())
}

/// A character in quotes, or the quote of a lifetime.
fn character(source: &str) -> usize {
    if source.starts_with("'\\") {
        return 3 + source[3..].find('\'').map_or(0, |end| end + 1);
    }
    let mut after = source.char_indices().skip(2);
    match after.next() {
        Some((index, '\'')) => index + 1,
        _ => 1,
    }
}

/// Leaves out what is compiled for tests only, and tells which modules in other files are.
pub(crate) fn without_tests(tokens: &[String], mut module_for_tests: impl FnMut(&str)) -> Vec<String> {
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let Some(first) = rest.first() {
        let Some(mut item) = after(rest, "# [ cfg ( test ) ]") else {
            kept.push(first.clone());
            rest = &rest[1..];
            continue;
        };
        while item.first().is_some_and(|token| token == "#") {
            item = &item[group(&item[1..]) + 1..];
        }
        let length = item_length(item);
        if let Some(start) = item[..length].iter().position(|token| token == "mod")
            && item[length - 1] == ";"
        {
            module_for_tests(&item[start + 1]);
        }
        rest = &item[length..];
    }
    kept
}

/// The tokens after these, when they begin with these.
fn after<'a>(tokens: &'a [String], start: &str) -> Option<&'a [String]> {
    start.split(' ').try_fold(tokens, |rest, wanted| {
        let (first, rest) = rest.split_first()?;
        (first == wanted).then_some(rest)
    })
}

/// How many tokens the brackets at the start have, with all that is in them.
fn group(tokens: &[String]) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

/// How many tokens an item, a statement or a field has.
fn item_length(tokens: &[String]) -> usize {
    let first = match tokens {
        [public, open, ..] if public == "pub" && open == "(" => 1 + group(&tokens[1..]),
        [public, ..] if public == "pub" => 1,
        _ => 0,
    };
    let is = |at: usize, words: &str| {
        let token = tokens.get(at);
        token.is_some_and(|token| words.split(' ').any(|word| word == token))
    };
    let value = is(first, "use static type let") || is(first, "const") && !is(first + 1, "fn unsafe async extern");
    let definition = is(
        first,
        "mod fn struct enum union impl trait unsafe async extern macro_rules const",
    );
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            ";" => return at + 1,
            "," if !value && !definition => return at + 1,
            ")" | "]" | "}" => return at,
            "{" if !value => return at + group(&tokens[at..]),
            _ => at += group(&tokens[at..]),
        }
    }
    at
}

/// The paths of one source.
#[derive(Default)]
pub(crate) struct Paths {
    pub(crate) written: Vec<Written>,
    /// What the source has from elsewhere, by the name that it uses.
    pub(crate) names: BTreeMap<(Module, String), Written>,
}

impl Paths {
    pub(crate) fn of(module: &[String], tokens: &[String]) -> Self {
        let mut paths = Self::default();
        paths.read(module, tokens);
        paths
    }

    fn read(&mut self, module: &[String], tokens: &[String]) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let before = |back: usize| at.checked_sub(back).map_or("", |at| tokens[at].as_str());
            let next = |on: usize| tokens.get(at + on).map_or("", String::as_str);
            if token == "mod" && next(2) == "{" {
                let length = group(&tokens[at + 2..]);
                let inner = [module, &tokens[at + 1..at + 2]].concat();
                self.read(&inner, &tokens[at + 3..at + 2 + length - 1]);
                at += 2 + length;
            } else if token == "use" && next(1) != "<" {
                at += 1 + self.tree(module, &[], &tokens[at + 1..]);
            } else if next(1) == "::" && before(1) != "::" {
                let more = tokens[at + 1..]
                    .chunks(2)
                    .take_while(|pair| pair[0] == "::" && is_name(pair.get(1)));
                let length = 1 + 2 * more.count();
                let path = tokens[at..at + length].iter().step_by(2).cloned().collect();
                // `pub(in ...)` says who may use, and uses nothing.
                if is_name(Some(token)) && !(before(1) == "in" && before(2) == "(") {
                    self.written.push((module.to_vec(), path));
                }
                at += length;
            } else {
                at += 1;
            }
        }
    }

    /// One tree of a `use`, below a prefix; says how many tokens it has.
    fn tree(&mut self, module: &[String], prefix: &[String], tokens: &[String]) -> usize {
        let mut path = prefix.to_vec();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token.as_str() {
                "::" if at == 0 => return 0,
                "::" => at += 1,
                "{" => {
                    let length = group(&tokens[at..]);
                    let end = at + length - 1;
                    at += 1;
                    while at < end {
                        at += self.tree(module, &path, &tokens[at..end]) + 1;
                    }
                    return end + 1;
                }
                "as" => {
                    self.found(module, path, &tokens[at + 1]);
                    return at + 2;
                }
                "*" => {
                    self.written.push((module.to_vec(), path));
                    return at + 1;
                }
                ";" | "," | "}" => break,
                // The end of a tree about the prefix itself.
                "self" if !path.is_empty() => at += 1,
                _ => {
                    path.push(token.clone());
                    at += 1;
                }
            }
        }
        if let Some(name) = path.last().cloned() {
            self.found(module, path, &name);
        }
        at
    }

    fn found(&mut self, module: &[String], path: Vec<String>, name: &str) {
        let written = (module.to_vec(), path);
        self.names.insert((module.to_vec(), name.to_owned()), written.clone());
        self.written.push(written);
    }
}

fn is_name(token: Option<&String>) -> bool {
    token.is_some_and(|token| token.starts_with(|c: char| c == '_' || c.is_alphabetic()))
}
