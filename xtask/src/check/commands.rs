//! What the documents tell people to type must exist: xtask commands, and files they name.

use crate::workspace::root;
use anyhow::{Context, Result};
use clap::CommandFactory;

const DOCUMENTS: [&str; 3] = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"];

/// Prefixes of paths that a document may name; others are not of this checkout.
const DIRECTORIES: [&str; 9] =
    ["agent/", "cli/", "cni/", "controlplane/", "docs/", "ebpf/", "examples/", "tests/", "xtask/"];

/// Commands and files that a document names and that are not there.
pub(super) fn violations() -> Result<Vec<String>> {
    let known: Vec<String> = crate::Arguments::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let mut found = Vec::new();
    for document in DOCUMENTS {
        let path = root().join(document);
        let text = std::fs::read_to_string(&path).with_context(|| document.to_owned())?;
        for command in commands_in(&text).filter(|name| !known.iter().any(|known| known == name)) {
            found.push(format!("{document} names `cargo xtask {command}`, which does not exist"));
        }
        for file in files_in(&text).filter(|file| !root().join(file).exists()) {
            found.push(format!("{document} names {file}, which does not exist"));
        }
    }
    Ok(found)
}

fn commands_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("cargo xtask ").filter_map(|(start, prefix)| {
        let rest = &text[start + prefix.len()..];
        let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '-');
        Some(&rest[..end.unwrap_or(rest.len())]).filter(|name| !name.is_empty())
    })
}

/// Words in code style or in a link that begin with a directory of the checkout.
fn files_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || "`()[]|,;".contains(letter))
        .map(|word| word.trim_end_matches(['.', ':']))
        .filter(|word| DIRECTORIES.iter().any(|directory| word.starts_with(directory)))
        .filter(|word| !word.contains(['*', '<', '{']))
        // A part of a document is as good as the document.
        .filter_map(|word| word.split('#').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_files_are_found_in_prose_and_code() {
        let text = "Run `cargo xtask up`, then\n    cargo xtask bench footprint\n\
                    See [it](examples/hello.yaml#pods) and `agent/core`.";
        assert_eq!(commands_in(text).collect::<Vec<_>>(), ["up", "bench"]);
        assert_eq!(files_in(text).collect::<Vec<_>>(), ["examples/hello.yaml", "agent/core"]);
    }
}
