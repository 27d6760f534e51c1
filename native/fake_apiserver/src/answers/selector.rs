//! Label selectors, read and refused as the real server does.
//!
//! The texts of the errors are those of the real server, because they reach the user's log.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A parsed label selector: every requirement must hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Greater,
    Less,
}

impl Selector {
    /// Reads a selector; the empty one selects everything.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser {
            tokens: tokens(text),
            position: 0,
        };
        parser.selector().map(Self)
    }

    /// Whether this selects everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object with these labels is selected.
    pub(crate) fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels
                .and_then(|labels| labels.get(&requirement.key))
                .and_then(Value::as_str);
            requirement.holds(value)
        })
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        match (self.operator, value) {
            (Operator::Exists, value) => value.is_some(),
            (Operator::DoesNotExist, value) => value.is_none(),
            (Operator::In, Some(value)) => self.values.contains(value),
            (Operator::NotIn, Some(value)) => !self.values.contains(value),
            (Operator::NotIn, None) => true,
            (Operator::In | Operator::Greater | Operator::Less, None) => false,
            (Operator::Greater, Some(value)) => self.compares(value, |label, limit| label > limit),
            (Operator::Less, Some(value)) => self.compares(value, |label, limit| label < limit),
        }
    }

    fn compares(&self, value: &str, holds: fn(i64, i64) -> bool) -> bool {
        let limit = self.values.first().and_then(|value| value.parse().ok());
        match (value.parse(), limit) {
            (Ok(label), Some(limit)) => holds(label, limit),
            _ => false,
        }
    }
}

const SYMBOLS: &str = "=!(),><";

/// Splits into symbols, the longest first, and words; the end is an empty token.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("==") || rest.starts_with("!=") {
            2
        } else if SYMBOLS.contains(first) {
            1
        } else {
            rest.find(|c: char| c.is_ascii_whitespace() || SYMBOLS.contains(c))
                .unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after.trim_start();
    }
    tokens.push(String::new());
    tokens
}

fn is_word(token: &str) -> bool {
    !token.is_empty() && !token.starts_with(|c| SYMBOLS.contains(c))
}

struct Parser {
    tokens: Vec<String>,
    position: usize,
}

impl Parser {
    fn peek(&self) -> &str {
        self.tokens.get(self.position).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        let token = self.peek().to_owned();
        self.position += 1;
        token
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        if self.peek().is_empty() {
            return Ok(requirements);
        }
        if !is_word(self.peek()) && self.peek() != "!" {
            let found = self.peek();
            return Err(format!("found '{found}', expected: !, identifier, or 'end of string'"));
        }
        loop {
            let requirement = self
                .requirement()
                .map_err(|reason| format!("unable to parse requirement: {reason}"))?;
            requirements.push(requirement);
            match self.next().as_str() {
                "" => return Ok(requirements),
                "," if is_word(self.peek()) || self.peek() == "!" => {}
                "," => {
                    let found = self.peek();
                    return Err(format!("found '{found}', expected: identifier after ','"));
                }
                found => {
                    return Err(format!("found '{found}', expected: ',' or 'end of string'"));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let negated = self.peek() == "!";
        if negated {
            self.position += 1;
        }
        let key = self.next();
        if !is_word(&key) {
            return Err(format!("found '{key}', expected: identifier"));
        }
        validate_key(&key)?;
        let existence = if negated {
            Some(Operator::DoesNotExist)
        } else if matches!(self.peek(), "" | ",") {
            Some(Operator::Exists)
        } else {
            None
        };
        if let Some(operator) = existence {
            return Ok(Requirement {
                key,
                operator,
                values: BTreeSet::new(),
            });
        }
        let (operator, values) = match self.next().as_str() {
            "in" => (Operator::In, self.values()?),
            "notin" => (Operator::NotIn, self.values()?),
            "=" | "==" => (Operator::In, self.exact_value()?),
            "!=" => (Operator::NotIn, self.exact_value()?),
            ">" => (Operator::Greater, self.exact_value()?),
            "<" => (Operator::Less, self.exact_value()?),
            found => {
                return Err(format!("found '{found}', expected: in, notin, =, ==, !=, gt, lt"));
            }
        };
        for (index, value) in values.iter().enumerate() {
            validate_value(&key, index, value)?;
        }
        Ok(Requirement { key, operator, values })
    }

    fn exact_value(&mut self) -> Result<BTreeSet<String>, String> {
        if matches!(self.peek(), "" | ",") {
            return Ok(BTreeSet::from([String::new()]));
        }
        let value = self.next();
        if is_word(&value) {
            Ok(BTreeSet::from([value]))
        } else {
            Err(format!("found '{value}', expected: identifier"))
        }
    }

    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let open = self.next();
        if open != "(" {
            return Err(format!("found '{open}' expected: '('"));
        }
        let mut values = BTreeSet::new();
        loop {
            // An empty place between commas is the empty value: `(a,,b)`.
            let value = if is_word(self.peek()) {
                self.next()
            } else {
                String::new()
            };
            values.insert(value);
            match self.next().as_str() {
                "," => {}
                ")" => return Ok(values),
                found => return Err(format!("found '{found}', expected: ',' or ')'")),
            }
        }
    }
}

const KEY_RULE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn validate_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key.split_once('/').unwrap_or(("a", key));
    let reason = if name.len() > 63 {
        "name part must be no more than 63 characters"
    } else if prefix.is_empty() || !is_label_text(name) || name.is_empty() {
        KEY_RULE
    } else {
        return Ok(());
    };
    Err(format!("<nil>: Invalid value: \"{key}\": {reason}"))
}

fn validate_value(key: &str, index: usize, value: &str) -> Result<(), String> {
    let reason = if value.len() > 63 {
        "must be no more than 63 characters"
    } else if is_label_text(value) {
        return Ok(());
    } else {
        VALUE_RULE
    };
    Err(format!("values[{index}][{key}]: Invalid value: \"{value}\": {reason}"))
}

fn is_label_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.into_iter().flatten().all(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selects(selector: &str, labels: &Value) -> bool {
        Selector::parse(selector).unwrap().matches(labels.as_object())
    }

    #[test]
    fn the_empty_selector_selects_all_labels_and_none() {
        assert!(selects("", &json!({"a": "1"})));
        assert!(Selector::parse(" ").unwrap().matches(None));
    }

    #[test]
    fn equality_compares_one_label() {
        let labels = json!({"app": "web", "tier": "front"});
        assert!(selects("app=web", &labels));
        assert!(selects("app==web,tier = front", &labels));
        assert!(!selects("app=db", &labels));
        assert!(selects("app!=db", &labels));
        assert!(selects("other!=db", &labels), "an absent label differs");
        assert!(selects("app.kubernetes.io/name!=x", &labels));
        assert!(!selects("app=", &labels));
        assert!(selects("app=", &json!({"app": ""})));
    }

    #[test]
    fn sets_and_existence_follow_the_real_grammar() {
        let labels = json!({"app": "web", "n": "7"});
        assert!(selects("app in (db, web)", &labels));
        assert!(!selects("app notin (db,web)", &labels));
        assert!(selects("other notin (x)", &labels));
        assert!(!selects("other in (x)", &labels));
        assert!(selects("app", &labels));
        assert!(!selects("!app", &labels));
        assert!(selects("app in (web),!other,n>6,n<8", &labels));
        assert!(!selects("n > 7", &labels));
        assert!(selects("in in (in)", &json!({"in": "in"})));
        assert!(selects("app in (x,)", &json!({"app": ""})));
    }

    #[test]
    fn what_is_not_a_selector_is_refused_in_the_real_words() {
        let refused = |selector: &str| Selector::parse(selector).unwrap_err();
        assert_eq!(
            refused("a b"),
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"
        );
        assert_eq!(refused("=x"), "found '=', expected: !, identifier, or 'end of string'");
        assert_eq!(refused("a,"), "found '', expected: identifier after ','");
        assert_eq!(
            refused("a in x"),
            "unable to parse requirement: found 'x' expected: '('"
        );
        assert_eq!(
            refused("a in (x"),
            "unable to parse requirement: found '', expected: ',' or ')'"
        );
        assert!(refused("-a").starts_with("unable to parse requirement: <nil>: Invalid value: \"-a\": name part"));
        assert!(refused("a=-").starts_with("unable to parse requirement: values[0][a]: Invalid value: \"-\":"));
        for bad in ["a=b=c", "a=!b", "!", "!a=b", "a in ((x))", ")", "é=x", "a=é"] {
            assert!(Selector::parse(bad).is_err(), "{bad}");
        }
    }
}
