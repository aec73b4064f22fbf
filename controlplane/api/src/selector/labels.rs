//! Label selectors: `a=b,c!=d,e in (f,g),!h` and `metav1.LabelSelector` objects.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use super::SelectorError;
use super::parser::{self, checked};
use crate::meta;

/// Anything labels can be read from.
pub trait Labels {
    /// The value of one label.
    fn label(&self, key: &str) -> Option<&str>;
}

impl Labels for Map<String, Value> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }
}

impl Labels for BTreeMap<String, String> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

impl<L: Labels> Labels for Option<L> {
    fn label(&self, key: &str) -> Option<&str> {
        self.as_ref()?.label(key)
    }
}

impl<L: Labels + ?Sized> Labels for &L {
    fn label(&self, key: &str) -> Option<&str> {
        (**self).label(key)
    }
}

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Present with one of the values; also `=` and `==`.
    In,
    /// Absent, or with none of the values; also `!=`.
    NotIn,
    /// Present.
    Exists,
    /// Absent.
    DoesNotExist,
    /// Present, and an integer greater than the value.
    Gt,
    /// Present, and an integer less than the value.
    Lt,
}

/// One term; all terms of a selector must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Label key.
    pub key: String,
    /// How to compare.
    pub operator: Operator,
    /// Sorted, without duplicates; one for `Gt` and `Lt`, none for `Exists` and `DoesNotExist`.
    pub values: BTreeSet<String>,
}

impl Requirement {
    /// True if labels fulfil this term.
    pub fn matches(&self, labels: &impl Labels) -> bool {
        let value = labels.label(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => self.compare(value, |have, limit| have > limit),
            Operator::Lt => self.compare(value, |have, limit| have < limit),
        }
    }

    fn compare(&self, value: Option<&str>, holds: fn(i64, i64) -> bool) -> bool {
        let have = value.and_then(|value| value.parse().ok());
        let limit = self.values.first().and_then(|value| value.parse().ok());
        have.zip(limit).is_some_and(|(have, limit)| holds(have, limit))
    }
}

/// A selector over labels. Without requirements it matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    /// `metav1.LabelSelector` of `null`: selects nothing.
    nothing: bool,
}

impl LabelSelector {
    /// Matches everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Matches nothing.
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// Reads the `labelSelector` query parameter; an empty string matches everything.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let requirements = parser::requirements(text).map_err(SelectorError)?;
        Ok(Self { requirements, nothing: false })
    }

    /// Reads a `metav1.LabelSelector`: `null` matches nothing, `{}` matches everything.
    pub fn from_object(object: &Value) -> Result<Self, SelectorError> {
        if object.is_null() {
            return Ok(Self::nothing());
        }
        let mut selector = Self::from_map(&object["matchLabels"]);
        for expression in meta::list(&object["matchExpressions"]) {
            selector.requirements.push(requirement(expression)?);
        }
        Ok(selector)
    }

    /// A plain map of labels that must all be equal, as `Service.spec.selector` and `matchLabels` are.
    /// An absent or empty map matches everything; a Service without selector is its reader's business.
    pub fn from_map(labels: &Value) -> Self {
        let requirements =
            labels.as_object().into_iter().flatten().map(|(key, value)| Requirement {
                key: key.clone(),
                operator: Operator::In,
                values: BTreeSet::from([value.as_str().unwrap_or_default().to_owned()]),
            });
        Self { requirements: requirements.collect(), nothing: false }
    }

    /// True if there is no requirement, so that everything matches.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// The terms.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// True if labels fulfil every term.
    pub fn matches(&self, labels: &impl Labels) -> bool {
        !self.nothing && self.requirements.iter().all(|term| term.matches(labels))
    }

    /// [`Self::matches`] on an object's own labels.
    pub fn matches_object(&self, object: &Value) -> bool {
        self.matches(&meta::labels(object))
    }
}

/// The canonical string, as `Scale.status.selector` holds it; parsing it gives the same selector.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            let values: Vec<&str> = term.values.iter().map(String::as_str).collect();
            let (key, values) = (&term.key, values.join(","));
            match (term.operator, term.values.len()) {
                (Operator::Exists, _) => write!(f, "{key}")?,
                (Operator::DoesNotExist, _) => write!(f, "!{key}")?,
                (Operator::Gt, _) => write!(f, "{key}>{values}")?,
                (Operator::Lt, _) => write!(f, "{key}<{values}")?,
                (Operator::In, 1) => write!(f, "{key}={values}")?,
                (Operator::NotIn, 1) => write!(f, "{key}!={values}")?,
                (Operator::In, _) => write!(f, "{key} in ({values})")?,
                (Operator::NotIn, _) => write!(f, "{key} notin ({values})")?,
            }
        }
        Ok(())
    }
}

/// One `matchExpressions` entry.
fn requirement(expression: &Value) -> Result<Requirement, SelectorError> {
    let key = expression["key"].as_str().unwrap_or_default();
    let operator = match expression["operator"].as_str().unwrap_or_default() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => {
            let sentence = format!("\"{other}\" is not a valid label selector operator");
            return Err(SelectorError(sentence));
        }
    };
    let values = meta::list(&expression["values"]).iter().filter_map(Value::as_str);
    checked(key, operator, values.map(ToOwned::to_owned).collect()).map_err(SelectorError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn matches(selector: &str, labels: Value) -> bool {
        let labels = labels.as_object().unwrap().clone();
        LabelSelector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn strings_select() {
        let labels = json!({"a": "b", "n": "5", "in": "x"});
        for selector in [
            "",
            "a",
            "a=b",
            "a==b",
            "a = b , n=5",
            "a!=c",
            "x!=y",
            "!x",
            "! x",
            "a in (b)",
            "a in (c, b)",
            "a notin (c)",
            "x notin (a,b)",
            "n>4",
            "n<6",
            "in in (x)",
            "in",
        ] {
            assert!(matches(selector, labels.clone()), "{selector}");
        }
        for selector in
            ["x", "a=c", "a!=b", "!a", "a in (c)", "a in ()", "a notin (b)", "n>5", "a>1"]
        {
            assert!(!matches(selector, labels.clone()), "{selector}");
        }
        assert!(matches("a=,b", json!({"a": "", "b": "1"})));
        assert!(matches("a in (,x)", json!({"a": ""})));
    }

    #[test]
    fn errors_are_those_of_kubernetes() {
        for (selector, sentence) in [
            (",a", "found ',', expected: !, identifier, or 'end of string'"),
            ("a,", "found '', expected: identifier after ','"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("!a=b", "found '=', expected: ',' or 'end of string'"),
            ("!", "unable to parse requirement: found '', expected: identifier"),
            (
                "a b",
                "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
            ),
            ("a in b", "unable to parse requirement: found 'b' expected: '('"),
            ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("a==!b", "unable to parse requirement: found '!', expected: identifier"),
            (
                "a>b",
                "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' \
                 operators, the value must be an integer",
            ),
        ] {
            let error = LabelSelector::parse(selector).unwrap_err();
            assert_eq!(error.to_string(), sentence, "{selector}");
        }
        let error = LabelSelector::parse("a=b/c").unwrap_err().to_string();
        assert!(
            error.starts_with(
                "unable to parse requirement: values[0][a]: Invalid value: \"b/c\": a valid label \
                 must be an empty string or consist of alphanumeric characters"
            ),
            "{error}"
        );
    }

    #[test]
    fn objects_select() {
        let labels = json!({"a": "b", "c": "d"}).as_object().unwrap().clone();
        let select =
            |object: Value| LabelSelector::from_object(&object).map(|s| s.matches(&labels));
        assert_eq!(select(json!(null)), Ok(false));
        assert_eq!(select(json!({})), Ok(true));
        assert_eq!(select(json!({"matchLabels": {"a": "b"}})), Ok(true));
        let expressions = json!({"matchLabels": {"a": "b"}, "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["d"]},
            {"key": "e", "operator": "DoesNotExist"},
            {"key": "a", "operator": "NotIn", "values": ["b"]},
        ]});
        assert_eq!(select(expressions), Ok(false));
        let error = select(json!({"matchExpressions": [{"key": "a", "operator": "Gt"}]}));
        assert_eq!(error.unwrap_err().to_string(), "\"Gt\" is not a valid label selector operator");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "[a-c=!<>(), int]{0,24}") {
            let _ = LabelSelector::parse(&text);
        }

        #[test]
        fn printing_round_trips(
            first in "!?[a-c]|[a-c](=|!=)[x-z]|[a-c] (not)?in \\([x-z](,[x-z])?\\)",
            second in "(,[a-c]=[x-z])?",
        ) {
            let selector = LabelSelector::parse(&format!("{first}{second}")).unwrap();
            prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
        }
    }
}
