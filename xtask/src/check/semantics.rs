//! Every line of the page that says what the dataplane does must name tests that prove it, and the tests
//! must be there: `docs/service-semantics.md` against the sources.
//!
//! A test is named as `path::function`, a row of a packet table as `path: "its name"`, a scenario as its
//! directory. What stands below the heading "Not yet" claims nothing and names none.

use crate::workspace::root;
use anyhow::{Context, Result};
use std::path::Path;

const PAGE: &str = "docs/service-semantics.md";
/// Below this heading nothing is claimed.
const NOT_YET: &str = "## Not yet";

/// Rows without a test, and tests that are not there.
pub(super) fn violations() -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root().join(PAGE)).context(PAGE)?;
    let mut found = Vec::new();
    let rows = rows(&text);
    if rows.is_empty() {
        found.push(format!("{PAGE} has no table: a row for each thing the dataplane does"));
    }
    for row in rows {
        found.extend(
            wrong_with(&row, read)
                .map(|why| format!("{PAGE}:{}: {:?}: {why}", row.line, row.behaviour)),
        );
    }
    Ok(found)
}

fn read(path: &str) -> Option<String> {
    let path = root().join(path);
    match path.is_dir() {
        true => Some(String::new()),
        false => std::fs::read_to_string(path).ok(),
    }
}

/// A row of a table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    line: usize,
    behaviour: String,
    /// What the last cell holds in backticks.
    proofs: Vec<String>,
    is_claimed: bool,
}

fn rows(text: &str) -> Vec<Row> {
    let mut is_claimed = true;
    let mut rows = Vec::new();
    let mut is_in_body = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("## ") {
            is_claimed = line.trim() != NOT_YET;
        }
        let Some(cells) = line.trim().strip_prefix('|').and_then(|l| l.strip_suffix('|')) else {
            is_in_body = false;
            continue;
        };
        // The line of dashes is what tells the header from the rows.
        if cells.chars().all(|letter| "-| :".contains(letter)) {
            is_in_body = true;
            continue;
        }
        if !is_in_body {
            continue;
        }
        let cells: Vec<&str> = cells.split('|').collect();
        let last = if cells.len() > 1 { cells[cells.len() - 1] } else { "" };
        rows.push(Row {
            line: index + 1,
            behaviour: cells[0].trim().to_owned(),
            proofs: last.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
            is_claimed,
        });
    }
    rows
}

/// What is wrong with a row; `read` gives the text of a file, empty for a directory.
fn wrong_with(row: &Row, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    if !row.is_claimed {
        return (!row.proofs.is_empty())
            .then(|| "names a test, so it is done: move it up to where it belongs".into());
    }
    if row.proofs.is_empty() {
        return Some(format!("names no test: name one, or move it below \"{NOT_YET}\""));
    }
    row.proofs.iter().find_map(|proof| missing(proof, &read))
}

fn missing(proof: &str, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    if let Some((path, function)) = proof.split_once("::") {
        return match read(path) {
            None => Some(format!("`{path}` does not exist")),
            Some(text) if has_test(&text, function) => None,
            Some(_) => Some(format!("`{path}` has no test {function}")),
        };
    }
    if let Some((path, case)) = proof.split_once(": ") {
        return match read(path) {
            None => Some(format!("`{path}` does not exist")),
            Some(text) if case.starts_with('"') && text.contains(case) => None,
            Some(_) => Some(format!("`{path}` has no case {case}")),
        };
    }
    let is_scenario = Path::new(proof).starts_with("tests/scenarios") && read(proof).is_some();
    (!is_scenario).then(|| {
        format!(
            "`{proof}` is no test: write path::function, path: \"case\" or tests/scenarios/name"
        )
    })
}

fn has_test(text: &str, function: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let is_function = |line: &str| {
        let line = line.trim_start().trim_start_matches("async ");
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(function))
            .is_some_and(|rest| rest.trim_start().starts_with('('))
    };
    let attributes = |at: usize| {
        let above = lines[..at].iter().rev();
        above.take_while(|line| !["", "}", "{"].contains(&line.trim()))
    };
    let functions = lines.iter().enumerate().filter(|(_, line)| is_function(line));
    functions.map(|(at, _)| at).any(|at| attributes(at).any(|line| is_test_attribute(line)))
}

fn is_test_attribute(line: &str) -> bool {
    let line = line.trim();
    line == "#[test]" || line.starts_with("#[tokio::test")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str =
        "#[test]\nfn it_works() {\n    case(\"a row\", 1);\n}\n\nfn no_test() {}\n";

    fn row(cell: &str, is_claimed: bool) -> Option<String> {
        let heading = if is_claimed { "## Flows" } else { NOT_YET };
        let text = format!("{heading}\n\n| What | Proof |\n|---|---|\n| It works | {cell} |\n");
        let rows = rows(&text);
        assert_eq!((rows.len(), rows[0].line), (1, 5), "{rows:?}");
        wrong_with(&rows[0], |path| match path {
            "a.rs" => Some(SOURCE.to_owned()),
            "tests/scenarios/one" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn a_row_is_right_when_its_tests_are_there() {
        for cell in
            ["`a.rs::it_works`", "`a.rs: \"a row\"`, `a.rs::it_works`", "`tests/scenarios/one`"]
        {
            assert_eq!(row(cell, true), None, "{cell}");
        }
        assert_eq!(row("", false), None);
    }

    #[test]
    fn a_row_without_a_test_or_with_one_that_is_gone_is_named() {
        for (cell, expected) in [
            ("", "names no test"),
            ("by hand", "names no test"),
            ("`a.rs::it_worked`", "`a.rs` has no test it_worked"),
            ("`a.rs::no_test`", "`a.rs` has no test no_test"),
            ("`a.rs: \"another row\"`", "has no case"),
            ("`b.rs::it_works`", "`b.rs` does not exist"),
            ("`a.rs::it_works`, `tests/scenarios/two`", "is no test"),
        ] {
            let found = row(cell, true).unwrap_or_default();
            assert!(found.contains(expected), "{cell}: {found}");
        }
        assert!(row("`a.rs::it_works`", false).unwrap().contains("move it up"));
    }
}
