//! `/counters`: everything the programs have counted, drops among them, and how fast it grows.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Serialize;
use sheave_abi::event::Event;

use super::{Answers, Unanswered};

/// Counts at the question before, whoever asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before(Arc<Mutex<Option<Counted>>>);

#[derive(Debug)]
struct Counted {
    at: Instant,
    counts: Vec<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counters {
    counters: Vec<Row>,
    /// How long ago the question before was; none when this is the first.
    since_seconds: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: &'static str,
    count: u64,
    /// More than at the question before.
    more: Option<u64>,
    drop: bool,
    what: &'static str,
    advice: &'static str,
}

pub(super) fn answer(answers: &Answers) -> Result<Counters, Unanswered> {
    let counted = answers.maps()?.counters()?;
    let counts = counted.iter().map(|(_, count)| *count).collect();
    let now = Counted { at: Instant::now(), counts };
    let before = answers.agent.as_ref().and_then(|agent| agent.asked_before.0.lock().replace(now));
    let rows = counted.iter().enumerate().map(|(index, (event, count))| {
        let more = before.as_ref().and_then(|before| before.counts.get(index));
        row(*event, *count, more.map(|then| count.saturating_sub(*then)))
    });
    Ok(Counters {
        counters: rows.collect(),
        since_seconds: before.map(|before| before.at.elapsed().as_secs_f64()),
    })
}

fn row(event: Event, count: u64, more: Option<u64>) -> Row {
    Row {
        name: event.name(),
        count,
        more,
        drop: event.is_drop(),
        what: event.sentence(),
        advice: event.advice(),
    }
}
