//! Who may do what: bearer tokens and the rules bound to each.

use std::collections::HashMap;

use serde_json::Value;

use crate::json;

/// What one rule allows; `"*"` in a list stands for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// `list`, `watch`, `get`.
    pub verbs: Vec<String>,
    /// Plural names, `endpoints`.
    pub resources: Vec<String>,
    /// Namespaces; only `"*"` allows requests for all namespaces at once.
    pub namespaces: Vec<String>,
}

impl Rule {
    /// A rule from lists of words.
    pub fn new(verbs: &[&str], resources: &[&str], namespaces: &[&str]) -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self {
            verbs: owned(verbs),
            resources: owned(resources),
            namespaces: owned(namespaces),
        }
    }

    /// The rule that allows everything.
    pub fn everything() -> Self {
        Self::new(&["*"], &["*"], &["*"])
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        let fields = json::object(value, "a rule", &["verbs", "resources", "namespaces"])?;
        Ok(Self {
            verbs: json::strings(fields, "verbs")?,
            resources: json::strings(fields, "resources")?,
            namespaces: json::strings(fields, "namespaces")?,
        })
    }

    fn allows(&self, verb: &str, resource: &str, namespace: Option<&str>) -> bool {
        let holds = |words: &[String], word: &str| words.iter().any(|w| w == "*" || w == word);
        holds(&self.verbs, verb)
            && holds(&self.resources, resource)
            && holds(&self.namespaces, namespace.unwrap_or("*"))
    }
}

/// The user behind a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// The name that messages show.
    pub(crate) name: String,
    rules: Vec<Rule>,
}

impl User {
    /// A user with these rules.
    pub(crate) fn new(name: &str, rules: Vec<Rule>) -> Self {
        Self {
            name: name.to_owned(),
            rules,
        }
    }

    /// Reads the body of `PUT /tokens/{token}`.
    pub(crate) fn from_json(value: &Value) -> Result<Self, String> {
        let fields = json::object(value, "a token", &["user", "rules"])?;
        let rules = json::list(fields, "rules")?;
        Ok(Self {
            name: json::string(fields, "user")?,
            rules: rules.iter().map(Rule::from_json).collect::<Result<_, _>>()?,
        })
    }

    /// Whether any rule allows this; no namespace means all of them.
    pub(crate) fn may(&self, verb: &str, resource: &str, namespace: Option<&str>) -> bool {
        self.rules.iter().any(|rule| rule.allows(verb, resource, namespace))
    }

    /// Whether the user may do everything; decides about paths that are no resources.
    pub(crate) fn may_do_everything(&self) -> bool {
        self.may("*", "*", None)
    }
}

/// All tokens that the server accepts.
#[derive(Debug, Default)]
pub(crate) struct Access(HashMap<String, User>);

impl Access {
    /// Accepts a token from now on.
    pub(crate) fn put(&mut self, token: &str, user: User) {
        self.0.insert(token.to_owned(), user);
    }

    /// Forgets a token; says whether there was one.
    pub(crate) fn delete(&mut self, token: &str) -> bool {
        self.0.remove(token).is_some()
    }

    /// The user behind an `authorization` header.
    pub(crate) fn authenticate(&self, authorization: Option<&str>) -> Option<User> {
        let (scheme, token) = authorization?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        self.0.get(token.trim()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_bind_verb_resource_and_namespace_together() {
        let user = User::new(
            "u",
            vec![
                Rule::new(&["list"], &["endpoints"], &["a"]),
                Rule::new(&["watch"], &["*"], &["*"]),
            ],
        );
        assert!(user.may("list", "endpoints", Some("a")));
        assert!(!user.may("list", "endpoints", Some("b")));
        assert!(!user.may("list", "endpoints", None));
        assert!(!user.may("list", "pods", Some("a")));
        assert!(user.may("watch", "pods", None));
        assert!(!user.may_do_everything());
        assert!(User::new("u", vec![Rule::everything()]).may_do_everything());
    }

    #[test]
    fn only_a_known_bearer_token_is_a_user() {
        let mut access = Access::default();
        access.put("secret", User::new("u", Vec::new()));
        assert!(access.authenticate(Some("Bearer secret")).is_some());
        assert!(access.authenticate(Some("bearer secret")).is_some());
        assert!(access.authenticate(Some("Basic secret")).is_none());
        assert!(access.authenticate(Some("Bearer other")).is_none());
        assert!(access.authenticate(Some("secret")).is_none());
        assert!(access.authenticate(None).is_none());
        assert!(access.delete("secret"));
        assert!(access.authenticate(Some("Bearer secret")).is_none());
    }
}
