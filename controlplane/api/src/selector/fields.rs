//! Field selectors: `status.phase=Running,spec.nodeName!=a`, with `\` escaping `\`, `,` and `=` in values.

use std::fmt;

use super::SelectorError;

/// A conjunction of exact comparisons on the fields a kind offers. Without terms it matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    field: String,
    value: String,
    negated: bool,
}

impl FieldSelector {
    /// Matches everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Reads the `fieldSelector` query parameter. Which fields a kind knows is not checked here.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut terms = Vec::new();
        for part in split_terms(text).into_iter().filter(|part| !part.is_empty()) {
            let Some((field, negated, value)) = split_term(part) else {
                let why = format!("invalid selector: '{text}'; can't understand '{part}'");
                return Err(SelectorError(why));
            };
            terms.push(Term { field: field.to_owned(), value: unescape(value)?, negated });
        }
        Ok(Self { terms })
    }

    /// True if there is no term, so that everything matches.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The fields that are compared.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().map(|term| term.field.as_str())
    }

    /// The value a field must have, if there is such a term: a list of one `metadata.name` is a lookup.
    pub fn exact(&self, field: &str) -> Option<&str> {
        let term = self.terms.iter().find(|term| term.field == field && !term.negated)?;
        Some(&term.value)
    }

    /// True if the fields fulfil every term; `value_of` gives a field's value, empty if it is absent.
    pub fn matches<'a>(&self, value_of: impl Fn(&str) -> std::borrow::Cow<'a, str>) -> bool {
        self.terms.iter().all(|term| (value_of(&term.field) == term.value) != term.negated)
    }
}

/// The canonical string; parsing it gives the same selector.
impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let operator = if term.negated { "!=" } else { "=" };
            write!(f, "{comma}{}{operator}{}", term.field, escape(&term.value))?;
        }
        Ok(())
    }
}

/// Splits at commas that are not escaped.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

/// Field, whether it is negated, and the value still escaped: the first operator counts.
fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    for (at, _) in term.char_indices() {
        let rest = &term[at..];
        for (operator, negated) in [("!=", true), ("==", false), ("=", false)] {
            if let Some(value) = rest.strip_prefix(operator) {
                return Some((&term[..at], negated, value));
            }
        }
    }
    None
}

fn unescape(value: &str) -> Result<String, SelectorError> {
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped @ ('\\' | ',' | '=')) => plain.push(escaped),
                other => {
                    let sequence: String = other.into_iter().collect();
                    let why = "invalid field selector: invalid escape sequence";
                    return Err(SelectorError(format!("{why}: \\{sequence}")));
                }
            },
            ',' | '=' => {
                let why = "invalid field selector: unescaped character in value";
                return Err(SelectorError(format!("{why}: {c}")));
            }
            _ => plain.push(c),
        }
    }
    Ok(plain)
}

fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terms_compare_exactly() {
        let selector = FieldSelector::parse("a=1,b!=2,c==,d=x\\,y\\=z").unwrap();
        let fields: Vec<_> = selector.fields().collect();
        assert_eq!(fields, ["a", "b", "c", "d"]);
        assert_eq!(selector.exact("a"), Some("1"));
        assert_eq!(selector.exact("b"), None);
        let with_b = |b: &'static str| {
            selector.matches(|field| {
                Cow::Borrowed(match field {
                    "a" => "1",
                    "b" => b,
                    "d" => "x,y=z",
                    _ => "",
                })
            })
        };
        assert!(with_b("3"));
        assert!(!with_b("2"));
    }

    #[test]
    fn errors_are_those_of_kubernetes() {
        for (text, sentence) in [
            ("a=1,b", "invalid selector: 'a=1,b'; can't understand 'b'"),
            ("a=b=c", "invalid field selector: unescaped character in value: ="),
            ("a=\\x", "invalid field selector: invalid escape sequence: \\x"),
        ] {
            assert_eq!(FieldSelector::parse(text).unwrap_err().to_string(), sentence);
        }
        assert!(FieldSelector::parse(",").unwrap().is_everything());
    }

    proptest! {
        #[test]
        fn any_value_round_trips(value in "\\PC{0,12}") {
            let selector = FieldSelector {
                terms: vec![Term { field: "a".into(), value, negated: false }],
            };
            prop_assert_eq!(FieldSelector::parse(&selector.to_string()).unwrap(), selector);
        }
    }
}
