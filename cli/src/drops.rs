//! `sheave drops`: what was dropped or refused, how often, and what to do about it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::ask::Asking;
use crate::table::{list, table, text};

/// How often `-f` looks.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Go on: print a line for each reason that grows, each second.
    #[arg(short, long)]
    follow: bool,
    /// Also reasons that never came up, and what is counted that is no trouble.
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    asking: Asking,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.follow {
        follow(&arguments.asking)?;
    }
    let is_shown = |counter: &&Value| arguments.all || is_trouble(counter) && counter["count"] != 0;
    if arguments.asking.is_json() {
        let answer = arguments.asking.ask("/counters")?;
        let shown: Vec<&Value> = list(&answer, "counters").iter().filter(is_shown).collect();
        println!("{:#}", json!({ "drops": shown, "sinceSeconds": answer["sinceSeconds"] }));
        return Ok(ExitCode::SUCCESS);
    }
    let answer = arguments.asking.ask("/counters")?;
    let since = answer["sinceSeconds"].as_f64();
    let shown: Vec<&Value> = list(&answer, "counters").iter().filter(is_shown).collect();
    if shown.is_empty() {
        println!("Nothing was dropped or refused.");
        return Ok(ExitCode::SUCCESS);
    }
    let header = ["REASON", "IS", "COUNT", "PER SECOND", "WHAT", "WHAT TO DO"];
    let rows = shown.into_iter().map(|counter| {
        vec![
            text(counter, "name"),
            if counter["drop"] == true { "drop" } else { "-" }.into(),
            text(counter, "count"),
            rate(counter, since),
            text(counter, "what"),
            text(counter, "advice"),
        ]
    });
    print!("{}", table(&header, rows));
    if let Some(since) = since {
        println!("\nPER SECOND: since the question before, {since:.1} s ago.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Drops, and whatever has an advice.
fn is_trouble(counter: &Value) -> bool {
    counter["drop"] == true || counter["advice"].as_str().is_some_and(|advice| !advice.is_empty())
}

fn rate(counter: &Value, since_s: Option<f64>) -> String {
    match (counter["more"].as_f64(), since_s) {
        (Some(more), Some(since_s)) if since_s > 0.0 => format!("{:.1}", more / since_s),
        _ => "-".into(),
    }
}

fn follow(asking: &Asking) -> Result<()> {
    let mut before = asking.ask("/counters")?;
    loop {
        std::thread::sleep(INTERVAL);
        let now = asking.ask("/counters")?;
        for (then, counter) in list(&before, "counters").iter().zip(list(&now, "counters")) {
            let count = |counter: &Value| counter["count"].as_u64().unwrap_or(0);
            let more = count(counter).saturating_sub(count(then));
            if more == 0 || !is_trouble(counter) {
                continue;
            }
            if asking.is_json() {
                println!(
                    "{}",
                    json!({ "name": counter["name"], "more": more, "count": counter["count"] })
                );
            } else {
                let (name, what) = (text(counter, "name"), text(counter, "what"));
                println!("{name} {more} (of {}): {what}", count(counter));
            }
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_need_a_question_before() {
        let counter = json!({ "more": 5, "count": 9 });
        assert_eq!(rate(&counter, Some(2.0)), "2.5");
        assert_eq!(rate(&counter, None), "-");
        assert_eq!(rate(&json!({ "more": null }), Some(2.0)), "-");
    }

    #[test]
    fn trouble_is_what_is_dropped_or_has_a_remedy() {
        assert!(is_trouble(&json!({ "drop": true, "advice": "" })));
        assert!(is_trouble(&json!({ "drop": false, "advice": "Look." })));
        assert!(!is_trouble(&json!({ "drop": false, "advice": "" })));
    }
}
