//! Columns of Events.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Column, NAME, Printer, column, meta, since, text, wide};
use crate::time;

/// Columns of Events: the name only with `-o wide`, and no age of their own.
pub struct Event;

impl Printer for Event {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            column("Last Seen", "Time since the event last happened."),
            column("Type", "Normal or Warning."),
            column("Reason", "Why, in one word."),
            column("Object", "What the event is about."),
            wide("Subobject", "The part of the object the event is about."),
            wide("Source", "Who reports."),
            column("Message", "What happened."),
            wide("First Seen", "Time since the event first happened."),
            wide("Count", "How often it happened."),
            Column { priority: 1, ..NAME },
        ];
        COLUMNS
    }

    fn cells(&self, event: &Value, now: Timestamp) -> Vec<Value> {
        let series = &event["series"];
        let event_time = time::of(&event["eventTime"]);
        let first = time::of(&event["firstTimestamp"]).or(event_time);
        let last =
            time::of(&series["lastObservedTime"]).or(time::of(&event["lastTimestamp"])).or(first);
        let count = series["count"].as_i64().or(event["count"].as_i64()).filter(|count| *count > 0);
        let involved = &event["involvedObject"];
        let object =
            format!("{}/{}", text(&involved["kind"]).to_lowercase(), text(&involved["name"]));
        vec![
            json!(since(last, now)),
            json!(text(&event["type"])),
            json!(text(&event["reason"])),
            json!(object),
            json!(text(&involved["fieldPath"])),
            json!(source(event)),
            json!(text(&event["message"]).trim()),
            json!(since(first, now)),
            json!(count.unwrap_or(1)),
            json!(meta::name(event)),
        ]
    }
}

/// `scheduler`, or `kubelet, node-1`.
fn source(event: &Value) -> String {
    let given = |newer: &str, older: &str| match text(&event["source"][older]) {
        "" => text(&event[newer]).to_owned(),
        value => value.to_owned(),
    };
    let component = given("reportingComponent", "component");
    let host = given("reportingInstance", "host");
    if host.is_empty() { component } else { format!("{component}, {host}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_events_are_shown_alike() {
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let old = json!({
            "metadata": { "name": "e" },
            "type": "Warning", "reason": "BackOff", "message": "again\n", "count": 4,
            "involvedObject": { "kind": "Pod", "name": "a", "fieldPath": "spec.containers{x}" },
            "source": { "component": "kubelet", "host": "n" },
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:59:00Z",
        });
        assert_eq!(
            json!(Event.cells(&old, now)),
            json!([
                "60s",
                "Warning",
                "BackOff",
                "pod/a",
                "spec.containers{x}",
                "kubelet, n",
                "again",
                "60m",
                4,
                "e"
            ])
        );
        let new = json!({
            "metadata": { "name": "e" }, "eventTime": "2026-01-01T00:58:00.000000Z",
            "involvedObject": { "kind": "Node", "name": "n" }, "reportingComponent": "scheduler",
        });
        let cells = Event.cells(&new, now);
        assert_eq!(
            (&cells[0], &cells[5], &cells[8]),
            (&json!("2m"), &json!("scheduler"), &json!(1))
        );
    }
}
