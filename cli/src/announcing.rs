//! What this node's agent says of load balancer addresses on its networks: who announces which, and which
//! nodes it hears. Part of `sheave status`; needs no API server.

use std::time::Duration;

use serde_json::Value;

use crate::table::{list, table, text};

/// As text; empty when there is nothing to announce.
pub(crate) fn render(status: &Value) -> String {
    let uplinks = list(status, "announcing");
    let rows: Vec<Vec<String>> = uplinks.iter().flat_map(address_rows).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut said = table(&["LOAD BALANCER ADDRESS", "UPLINK", "ANNOUNCED BY", "FOR"], rows);
    for uplink in uplinks {
        said.extend(remarks(uplink).into_iter().map(|remark| remark + "\n"));
    }
    said
}

fn address_rows(uplink: &Value) -> Vec<Vec<String>> {
    let name = text(uplink, "uplink");
    let row = |one: &Value, by: String, since: String| {
        vec![text(one, "address"), name.clone(), by, since]
    };
    let ours = list(uplink, "announced").iter();
    let ours = ours.map(|one| row(one, "this node".into(), age(&one["forMs"])));
    let others = list(uplink, "leftToOthers").iter();
    let others = others.map(|one| row(one, text(one, "node"), "-".into()));
    let mut rows: Vec<_> = ours.chain(others).collect();
    rows.sort();
    rows
}

fn remarks(uplink: &Value) -> Vec<String> {
    let name = text(uplink, "uplink");
    let mut remarks = Vec::new();
    if uplink["link"] == false {
        remarks.push(format!("{name} carries nothing: no address is announced on it"));
    }
    if uplink["key"] == false {
        remarks.push(format!(
            "{name}: this node announces as if it were alone, because it has no key: connect the agent to \
             the server, or give all nodes the same --announce-key-file"
        ));
    }
    let members = list(uplink, "members").iter().map(|member| {
        let (node, ago) = (text(member, "node"), age(&member["heardMsAgo"]));
        if member["live"] == true {
            return format!("{node} ({ago} ago)");
        }
        format!("{node} (gone, heard {ago} ago)")
    });
    let members: Vec<String> = members.collect();
    if !members.is_empty() {
        remarks.push(format!("{name} hears {}", members.join(", ")));
    }
    for conflict in list(uplink, "conflicts") {
        remarks.push(format!(
            "{name}: {} has {} too, seen {} ago: it must have another address",
            text(conflict, "mac"),
            text(conflict, "address"),
            age(&conflict["seenMsAgo"]),
        ));
    }
    remarks
}

/// Of milliseconds, in the unit that says most.
fn age(ms: &Value) -> String {
    let age = Duration::from_millis(ms.as_u64().unwrap_or_default());
    match age.as_secs() {
        0..10 => format!("{:.1} s", age.as_secs_f64()),
        seconds @ 10..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_and_nodes_are_said_in_a_screen() {
        let status = json!({ "announcing": [{
            "uplink": "eth0", "link": true, "key": true,
            "announced": [{ "address": "192.0.2.50", "forMs": 185_000 }],
            "leftToOthers": [{ "address": "192.0.2.51", "node": "n2" },
                             { "address": "192.0.2.52", "node": null }],
            "members": [{ "node": "n2", "live": true, "heardMsAgo": 140 },
                        { "node": "n3", "live": false, "heardMsAgo": 14_000 }],
            "conflicts": [{ "address": "192.0.2.50", "mac": "02:00:00:00:00:09", "seenMsAgo": 900 }],
        }] });
        let expected = [
            "LOAD BALANCER ADDRESS  UPLINK  ANNOUNCED BY  FOR",
            "192.0.2.50             eth0    this node     3 min",
            "192.0.2.51             eth0    n2            -",
            "192.0.2.52             eth0    -             -",
            "eth0 hears n2 (0.1 s ago), n3 (gone, heard 14 s ago)",
            "eth0: 02:00:00:00:00:09 has 192.0.2.50 too, seen 0.9 s ago: it must have another address",
        ];
        assert_eq!(render(&status).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn nothing_to_announce_is_nothing_to_say() {
        let uplink = json!({ "uplink": "eth0", "link": true, "key": false, "announced": [],
                             "leftToOthers": [], "members": [], "conflicts": [] });
        assert_eq!(render(&json!({ "announcing": [uplink] })), "");
        assert_eq!(render(&json!({})), "", "of an agent that knows nothing of it");
    }

    #[test]
    fn what_is_wrong_names_the_remedy() {
        let status = json!({ "announcing": [{
            "uplink": "eth0", "link": false, "key": false, "announced": [],
            "leftToOthers": [{ "address": "192.0.2.51" }], "members": [], "conflicts": [],
        }] });
        let said = render(&status);
        assert!(said.contains("eth0 carries nothing") && said.contains("--announce-key-file"));
    }
}
