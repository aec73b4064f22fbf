//! Figures as a page in Markdown. Pure.

use super::super::catalogue::Name;
use super::figure::{Figure, Ratio};
use super::machine::Machine;
use super::results::Results;
use std::fmt::Write as _;

const HEAD: &str = "\
<!-- Made by `cargo xtask bench report`: do not edit. -->

# Benchmarks

Every number here was measured by a command of this checkout, on the machine that stands beside it, and lies beside
this page as JSON. What is compared is measured in turn, in interleaved rounds of one run, so that what disturbs
the machine disturbs all of it; a ratio is the median of the ratios of the rounds, with the interval that holds it
in 95 of 100 runs. Figures of different machines say nothing beside each other.

To make all of it again, on a machine on which nothing else runs and no cluster does:

```
cargo xtask build
cargo xtask images
cargo xtask bench report
```

`--only dns,push` measures some of it again and leaves the rest; `--render-only` makes this page and the diagrams
from the JSON, and measures nothing. `--rounds` and `--seconds` say how much is measured.
";

/// The whole page, of what each bench has found, in the order of the catalogue.
pub(super) fn render(all: &[(Name, Option<Results>)]) -> String {
    let mut page = HEAD.to_owned();
    for (name, results) in all {
        let word = name.word();
        let _ = write!(page, "\n## {}\n\n{}\n", name.title(), wrapped(name.about()));
        let Some(Results { command, machine, figures }) = results else {
            let _ = write!(
                page,
                "\nNot measured yet: `cargo xtask bench report --only {word}` does it.\n"
            );
            continue;
        };
        let _ = write!(page, "\n{}\n", wrapped(&measured_by(command, machine)));
        let _ = write!(page, "\n![{}]({word}.svg)\n", name.title());
        for same in figures.chunk_by(|one, next| one.what == next.what) {
            page.push_str(&table(same));
        }
    }
    page
}

fn measured_by(command: &str, machine: &Machine) -> String {
    let Machine { cpu, processors, memory_mib, kernel, commit, date, .. } = machine;
    let gibibytes = *memory_mib as f64 / 1024.0;
    let busy_percent = machine.busy_before * 100.0;
    let quiet = if machine.is_quiet() { "quiet" } else { "**busy, so these are no good**" };
    format!(
        "Measured by `{command}` on {date} UTC, at commit {commit}: {processors} processors ({cpu}), {gibibytes:.1} GiB, Linux \
         {kernel}. Before it the machine was {quiet}: {busy_percent:.1} % of its processors' time was used, and the \
         load average was {:.2}.",
        machine.load_before
    )
}

/// Of figures of one `what`.
fn table(figures: &[Figure]) -> String {
    let has_ratios = figures.iter().any(|figure| !figure.ratios.is_empty());
    let mut table = format!("\n| {} | median | lowest | highest | |", cell(&figures[0].what));
    table.push_str(if has_ratios { " ratio |\n" } else { "\n" });
    table.push_str("|---|--:|--:|--:|---|");
    table.push_str(if has_ratios { "---|\n" } else { "\n" });
    for figure in figures {
        let [median, min, max] = [figure.median, figure.min, figure.max].map(number);
        let (whose, unit) = (cell(&figure.whose()), cell(&figure.unit));
        let _ = write!(table, "| {whose} | {median} | {min} | {max} | {unit} |");
        if has_ratios {
            let ratios: Vec<String> = figure.ratios.iter().map(ratio).collect();
            let _ = write!(table, " {} |", ratios.join("<br>"));
        }
        table.push('\n');
    }
    table
}

fn ratio(ratio: &Ratio) -> String {
    let (low, high) = ratio.sure;
    let goal = ratio.goal.map(|goal| format!("; goal {goal:.2}")).unwrap_or_default();
    let (median, to) = (ratio.median, cell(&ratio.to));
    format!("{median:.3} of {to} (95%: {low:.3} to {high:.3}{goal})")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// With as many digits as may mean something.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        size if size >= 0.1 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

/// In lines that fit an editor.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 110;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let is_full = lines.last().is_some_and(|line| line.len() + 1 + word.len() > WIDTH);
        if is_full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_has_its_machine_its_diagram_and_its_tables() {
        let (a, b) = ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]);
        let figures = vec![
            Figure::of("latency", "Sheave", "ms", &a).beside("dnsmasq", &a, &b),
            Figure::of("latency", "dnsmasq", "ms", &b),
            Figure::of("memory", "with | without", "MiB", &[123.4]),
        ];
        let results = Results {
            command: "cargo xtask bench dns".into(),
            machine: Machine::of_a_test(0.01),
            figures,
        };
        let page = render(&[(Name::Dns, Some(results)), (Name::Push, None)]);
        for line in [
            "## Names",
            "![Names](dns.svg)",
            "| latency | median | lowest | highest | | ratio |",
            "| Sheave | 2.00 | 1.00 | 3.00 | ms | 0.500 of dnsmasq (95%: 0.500 to 0.500) |",
            "| dnsmasq | 4.00 | 2.00 | 6.00 | ms |  |",
            "| with \\| without | 123 | 123 | 123 | MiB |",
            "Not measured yet: `cargo xtask bench report --only push` does it.",
        ] {
            assert!(page.lines().any(|one| one == line), "{line}: {page}");
        }
        let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            words.contains("Measured by `cargo xtask bench dns` on 2026-01-02 03:04"),
            "{page}"
        );
        assert!(words.contains("2 processors (A CPU), 7.8 GiB, Linux 6.18.5."), "{page}");
        assert!(words.contains("quiet: 1.0 % of its") && !words.contains("busy"), "{page}");
    }

    #[test]
    fn figures_of_a_busy_machine_are_called_that() {
        let figures = vec![Figure::of("what", "a", "ms", &[1.0])];
        let results = Results {
            command: "cargo xtask bench dns".into(),
            machine: Machine::of_a_test(0.5),
            figures,
        };
        assert!(render(&[(Name::Dns, Some(results))]).contains("**busy, so"));
    }

    #[test]
    fn numbers_have_as_many_digits_as_may_mean_something() {
        let said = [1234.5, 99.96, 12.34, 1.234, 0.1234, 0.01234, 0.0].map(number);
        assert_eq!(said, ["1234", "100.0", "12.3", "1.23", "0.123", "0.0123", "0"]);
    }
}
