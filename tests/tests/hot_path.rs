//! The budgets of docs/hot-path.md, against what the verifier says of the programs as they are.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

use std::collections::BTreeMap;
use std::path::Path;

use sheave_tests::node::DetachedNode;

/// Program, instructions it may have, instructions the verifier may walk.
fn budgets() -> BTreeMap<String, (u32, u32)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hot-path.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [program, instructions, verified, ..] = cells[..] else { return None };
        let number = |text: &str| text.replace(',', "").parse().ok();
        let program = program.strip_prefix('`')?.strip_suffix('`')?;
        Some((program.to_owned(), (number(instructions)?, number(verified)?)))
    };
    text.lines().filter(|line| line.starts_with("| `")).filter_map(row).collect()
}

#[test]
fn programs_stay_within_their_budgets() {
    let budgets = budgets();
    let mut node = DetachedNode::new();
    let mut over = Vec::new();
    let all = node.programs.figures().unwrap();
    assert_eq!(all.len(), budgets.len(), "every program has a budget, and every budget a program");
    for figures in all {
        let (instructions, verified) = budgets[figures.program];
        println!("{figures:?}, may be {instructions} and {verified}");
        // Kernels before 5.16 do not say what was walked.
        let walked = figures.verified_instructions.unwrap_or(0);
        let has = figures.instructions.unwrap();
        assert!(has > 10, "{figures:?}");
        if has > instructions || walked > verified {
            over.push(figures);
        }
    }
    assert!(over.is_empty(), "over budget: {over:#?}");
}
