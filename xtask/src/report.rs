//! What a run saw, a row each, printed as one short table at its end.

use comfy_table::{Table, presets};
use std::fmt;
use std::time::Duration;

/// Rows of a name and a value.
pub(crate) struct Report {
    table: Table,
}

impl Report {
    pub(crate) fn new() -> Self {
        let mut table = Table::new();
        table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
        Self { table }
    }

    pub(crate) fn note(&mut self, what: &str, value: String) {
        self.table.add_row([what, &value]);
    }

    pub(crate) fn note_duration(&mut self, what: &str, took: Duration) {
        self.note(what, format!("{:.2} s", took.as_secs_f64()));
    }

    pub(crate) fn note_memory(&mut self, program: &str, resident_bytes: u64) {
        let mebibytes = resident_bytes as f64 / f64::from(1 << 20);
        self.note(&format!("memory of {program}"), format!("{mebibytes:.1} MiB resident"));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(formatter)
    }
}
