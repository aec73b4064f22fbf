//! Rules about source files: each says in its first lines what it is, stays short enough to be
//! read, and holds nothing that only pretends.

use crate::workspace::root;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Past this a file probably holds two ideas; a remark, no more.
const LINES_REMARK: usize = 400;
/// Past this it must be divided.
const LINES_MAX: usize = 800;

/// The first lines of a generated file say so with these words.
const GENERATED: &str = "do not edit";

/// Words that may not stand in code, each with the remedy.
const FORBIDDEN: [(&str, &str); 4] = [
    (concat!("to", "do!("), "write it, or leave the whole feature absent"),
    (concat!("unimple", "mented!("), "write it, or leave the whole feature absent"),
    (concat!("#[ig", "nore"), "a test runs or does not exist: mend it or remove it"),
    (concat!("dbg", "!("), "remove it, or use tracing"),
];

/// What breaks a rule; long files are also remarked on, on standard output.
pub(super) fn violations() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for path in rust_files()? {
        let text = std::fs::read_to_string(root().join(&path))
            .with_context(|| path.display().to_string())?;
        if let Some(remark) = remark(&path, &text) {
            println!("    {remark}");
        }
        found.extend(violations_in(&path, &text));
    }
    Ok(found)
}

/// Every Rust file that git knows or would add, relative to the root.
fn rust_files() -> Result<Vec<PathBuf>> {
    let listed =
        crate::cluster::output_of(std::process::Command::new("git").current_dir(root()).args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "--",
            "*.rs",
        ]))?;
    let files = listed.lines().map(PathBuf::from);
    // A file that was deleted and not yet committed is still listed.
    Ok(files.filter(|path| root().join(path).exists()).collect())
}

fn violations_in(path: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if is_generated(text) {
        return found;
    }
    let path = path.display();
    if !text.lines().take(5).any(|line| line.starts_with("//!")) {
        found.push(format!("{path}: begin the file with `//!`: what it is, what it is not, why"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        found.push(format!("{path}: {lines} lines are more than {LINES_MAX}: divide it by idea"));
    }
    for (number, line) in text.lines().enumerate() {
        for (word, remedy) in FORBIDDEN {
            if line.contains(word) {
                found.push(format!("{path}:{}: `{word}`: {remedy}", number + 1));
            }
        }
    }
    found
}

fn remark(path: &Path, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES_REMARK && lines <= LINES_MAX && !is_generated(text))
        .then(|| format!("{}: {lines} lines: does more than one idea live here?", path.display()))
}

fn is_generated(text: &str) -> bool {
    text.lines().take(5).any(|line| line.contains(GENERATED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        violations_in(Path::new("a.rs"), text)
    }

    #[test]
    fn a_file_says_what_it_is() {
        assert_eq!(found("//! A thing.\nfn a() {}\n"), Vec::<String>::new());
        assert!(found("fn a() {}\n")[0].starts_with("a.rs: begin the file"));
    }

    #[test]
    fn a_long_file_is_divided_unless_it_is_generated() {
        let long = "//! A thing.\n".to_owned() + &"// line\n".repeat(LINES_MAX);
        assert_eq!(found(&long).len(), 1);
        assert!(found(&format!("// {GENERATED}\n{long}")).is_empty());
        let middling = "//! A thing.\n".to_owned() + &"// line\n".repeat(LINES_REMARK);
        assert!(found(&middling).is_empty());
        assert!(remark(Path::new("a.rs"), &middling).is_some());
    }

    #[test]
    fn pretending_is_found_with_its_line() {
        let text = format!("//! A thing.\nfn a() {{ {}) }}\n", FORBIDDEN[0].0);
        assert!(found(&text)[0].starts_with("a.rs:2:"));
    }
}
