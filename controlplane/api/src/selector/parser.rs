//! Label selector strings: from tokens to requirements, with the errors of Kubernetes' own parser.

use std::collections::BTreeSet;

use super::labels::{Operator, Requirement};
use super::lexer::{Sort, Token, tokens};
use crate::name;

/// Reads a whole selector.
pub(super) fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let tokens = tokens(text);
    Parser { tokens: &tokens, at: 0 }.selector()
}

/// A requirement whose key, values and their number are right.
pub(super) fn checked(
    key: &str,
    operator: Operator,
    values: BTreeSet<String>,
) -> Result<Requirement, String> {
    check_key(key)?;
    let quoted: Vec<_> = values.iter().map(|value| format!("{value:?}")).collect();
    let shown = format!("values: Invalid value: [{}]", quoted.join(","));
    match operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            return Err(format!("{shown}: for 'in', 'notin' operators, values set can't be empty"));
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            return Err(format!("{shown}: values set must be empty for exists and does not exist"));
        }
        Operator::Gt | Operator::Lt => {
            if values.len() != 1 {
                return Err(format!(
                    "{shown}: for 'Gt', 'Lt' operators, exactly one value is required"
                ));
            }
            if let Some(value) = values.iter().find(|value| value.parse::<i64>().is_err()) {
                return Err(format!(
                    "values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must \
                     be an integer"
                ));
            }
        }
        _ => {}
    }
    for (index, value) in values.iter().enumerate() {
        if let Err(rules) = name::label_value(value) {
            let rules = rules.join("; ");
            return Err(format!("values[{index}][{key}]: Invalid value: {value:?}: {rules}"));
        }
    }
    Ok(Requirement { key: key.to_owned(), operator, values })
}

/// The `<nil>` is what Kubernetes prints for a selector that is no field of an object.
fn check_key(key: &str) -> Result<(), String> {
    name::qualified(key)
        .map_err(|rules| format!("<nil>: Invalid value: {key:?}: {}", rules.join("; ")))
}

struct Parser<'a> {
    /// Ends with [`Sort::End`].
    tokens: &'a [Token<'a>],
    at: usize,
}

impl<'a> Parser<'a> {
    fn selector(mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            let token = self.peek_value();
            match token.sort {
                Sort::Identifier | Sort::DoesNotExist => {}
                Sort::End => return Ok(requirements),
                _ => {
                    let found = token.text;
                    return Err(format!(
                        "found '{found}', expected: !, identifier, or 'end of string'"
                    ));
                }
            }
            let requirement = self.requirement();
            requirements
                .push(requirement.map_err(|why| format!("unable to parse requirement: {why}"))?);
            let token = self.next_value();
            match token.sort {
                Sort::End => return Ok(requirements),
                Sort::Comma => {
                    let after = self.peek_value();
                    if !matches!(after.sort, Sort::Identifier | Sort::DoesNotExist) {
                        return Err(format!(
                            "found '{}', expected: identifier after ','",
                            after.text
                        ));
                    }
                }
                _ => {
                    return Err(format!(
                        "found '{}', expected: ',' or 'end of string'",
                        token.text
                    ));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.next_value();
        let absent = token.sort == Sort::DoesNotExist;
        if absent {
            token = self.next_value();
        }
        if token.sort != Sort::Identifier {
            return Err(format!("found '{}', expected: identifier", token.text));
        }
        let key = token.text;
        check_key(key)?;
        if absent {
            return checked(key, Operator::DoesNotExist, BTreeSet::new());
        }
        if matches!(self.peek_value().sort, Sort::End | Sort::Comma) {
            return checked(key, Operator::Exists, BTreeSet::new());
        }
        let token = self.next_operator();
        let (operator, values) = match token.sort {
            Sort::In => (Operator::In, self.values()?),
            Sort::NotIn => (Operator::NotIn, self.values()?),
            Sort::Equals | Sort::DoubleEquals => (Operator::In, self.exact_value()?),
            Sort::NotEquals => (Operator::NotIn, self.exact_value()?),
            Sort::GreaterThan => (Operator::Gt, self.exact_value()?),
            Sort::LessThan => (Operator::Lt, self.exact_value()?),
            _ => {
                let found = token.text;
                return Err(format!("found '{found}', expected: in, notin, =, ==, !=, gt, lt"));
            }
        };
        checked(key, operator, values)
    }

    /// `(a,b)`; an empty place is the empty value.
    fn values(&mut self) -> Result<BTreeSet<String>, String> {
        let token = self.next_value();
        if token.sort != Sort::OpenPar {
            return Err(format!("found '{}' expected: '('", token.text));
        }
        let mut values = BTreeSet::new();
        let mut place_is_empty = true;
        loop {
            let token = self.next_value();
            match token.sort {
                Sort::Identifier if place_is_empty => {
                    values.insert(token.text.to_owned());
                    place_is_empty = false;
                }
                Sort::Comma | Sort::ClosedPar => {
                    if place_is_empty {
                        values.insert(String::new());
                    }
                    if token.sort == Sort::ClosedPar {
                        return Ok(values);
                    }
                    place_is_empty = true;
                }
                _ if place_is_empty => {
                    return Err(format!(
                        "found '{}', expected: ',', ')' or identifier",
                        token.text
                    ));
                }
                _ => return Err(format!("found '{}', expected: ',' or ')'", token.text)),
            }
        }
    }

    /// What follows `=`; nothing is the empty value.
    fn exact_value(&mut self) -> Result<BTreeSet<String>, String> {
        if matches!(self.peek_value().sort, Sort::End | Sort::Comma) {
            return Ok(BTreeSet::from([String::new()]));
        }
        let token = self.next_value();
        if token.sort != Sort::Identifier {
            return Err(format!("found '{}', expected: identifier", token.text));
        }
        Ok(BTreeSet::from([token.text.to_owned()]))
    }

    /// The next token where keywords are plain identifiers; does not move.
    fn peek_value(&self) -> Token<'a> {
        let token = self.tokens[self.at];
        match token.sort {
            Sort::In | Sort::NotIn => Token { sort: Sort::Identifier, ..token },
            _ => token,
        }
    }

    fn next_value(&mut self) -> Token<'a> {
        let token = self.peek_value();
        self.next_operator();
        token
    }

    /// The next token where keywords count.
    fn next_operator(&mut self) -> Token<'a> {
        let token = self.tokens[self.at];
        if token.sort != Sort::End {
            self.at += 1;
        }
        token
    }
}
