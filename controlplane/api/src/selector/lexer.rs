//! Tokens of a label selector string.

use std::iter::Peekable;
use std::str::CharIndices;

/// One token; its text is what error messages quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) sort: Sort,
    pub(super) text: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A key, a value, or a keyword where a value is expected.
    Identifier,
    In,
    NotIn,
    Equals,
    DoubleEquals,
    NotEquals,
    GreaterThan,
    LessThan,
    DoesNotExist,
    OpenPar,
    ClosedPar,
    Comma,
    End,
    /// A run of operator characters that is no operator.
    Error,
}

/// Splits a selector into tokens, [`Sort::End`] last.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some(&(start, c)) = chars.peek() {
        if is_space(c) {
            chars.next();
        } else if is_symbol(c) {
            tokens.push(symbol(text, start, &mut chars));
        } else {
            tokens.push(word(text, start, &mut chars));
        }
    }
    tokens.push(Token { sort: Sort::End, text: "" });
    tokens
}

/// The longest operator that starts here.
fn symbol<'a>(text: &'a str, start: usize, chars: &mut Peekable<CharIndices<'_>>) -> Token<'a> {
    let pair = text.get(start..start + 2).and_then(operator);
    let (len, sort) = match pair {
        Some(sort) => (2, sort),
        None => (1, operator(&text[start..=start]).unwrap_or(Sort::Error)),
    };
    for _ in 0..len {
        chars.next();
    }
    Token { sort, text: &text[start..start + len] }
}

fn operator(text: &str) -> Option<Sort> {
    Some(match text {
        "=" => Sort::Equals,
        "==" => Sort::DoubleEquals,
        "!=" => Sort::NotEquals,
        "!" => Sort::DoesNotExist,
        ">" => Sort::GreaterThan,
        "<" => Sort::LessThan,
        "(" => Sort::OpenPar,
        ")" => Sort::ClosedPar,
        "," => Sort::Comma,
        _ => return None,
    })
}

fn word<'a>(text: &'a str, start: usize, chars: &mut Peekable<CharIndices<'_>>) -> Token<'a> {
    let mut end = text.len();
    while let Some(&(at, c)) = chars.peek() {
        if is_space(c) || is_symbol(c) {
            end = at;
            break;
        }
        chars.next();
    }
    let text = &text[start..end];
    let sort = match text {
        "in" => Sort::In,
        "notin" => Sort::NotIn,
        _ => Sort::Identifier,
    };
    Token { sort, text }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_symbol(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}
