//! What is on this machine that a cluster could leave behind or disturb, as lists of lines that can
//! be compared.

use crate::command;
use std::collections::{BTreeMap, BTreeSet};

/// Each kind of thing with its members, a line each.
#[derive(Debug, Clone)]
pub struct Inventory {
    kinds: BTreeMap<&'static str, BTreeSet<String>>,
}

impl Inventory {
    /// Looks at everything.
    pub fn take() -> Self {
        let kinds = BTreeMap::from([
            ("network namespaces", network_namespaces()),
            ("named network namespaces", lines(&["ip", "netns", "list"])),
            ("links", links()),
            ("addresses", stable_json(&["ip", "-json", "address"], is_address_word)),
            ("routes of IPv4", lines(&["ip", "-4", "route", "show", "table", "all"])),
            ("routes of IPv6", lines(&["ip", "-6", "route", "show", "table", "all"])),
            ("rules of IPv4", lines(&["ip", "-4", "rule"])),
            ("neighbours that were set", lines(&["ip", "neigh", "show", "nud", "permanent"])),
            ("BPF programs", identities("prog")),
            ("BPF maps", identities("map")),
            ("BPF links", identities("link")),
            ("BPF programs on interfaces", lines(&["bpftool", "net"])),
            ("pins", files_below("/sys/fs/bpf")),
            ("mounts", mounts()),
            ("cgroups", directories_below("/sys/fs/cgroup")),
            ("processes", processes()),
            ("nftables rules", lines(&["nft", "list", "ruleset"])),
            ("iptables rules", iptables(&["iptables-save"])),
            ("ip6tables rules", iptables(&["ip6tables-save"])),
            ("files in our directories", our_files()),
            ("kernel settings", settings()),
        ]);
        Self { kinds }
    }

    /// What appeared and what disappeared since `before`, in words; empty when nothing did.
    pub fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for (kind, now) in &self.kinds {
            let then = &before.kinds[kind];
            changes.extend(now.difference(then).map(|line| format!("{kind}: new: {line}")));
            changes.extend(then.difference(now).map(|line| format!("{kind}: gone: {line}")));
        }
        changes
    }

    /// How many of a kind there are.
    pub fn count(&self, kind: &str) -> usize {
        self.kinds[kind].len()
    }
}

fn lines(words: &[&str]) -> BTreeSet<String> {
    command::output(words).lines().map(|line| line.trim().to_owned()).collect()
}

/// `lsns` gives up when a process ends under its eyes: others on the machine come and go.
fn network_namespaces() -> BTreeSet<String> {
    let words = ["lsns", "--type", "net", "--noheadings", "--output", "NS"];
    let said = (0..10).map(|_| command::run(&words, &[], "")).find(|said| said.ok);
    let said = said.expect("lsns says what there is, in one of ten attempts");
    said.stdout.lines().map(|line| line.trim().to_owned()).collect()
}

/// Interfaces by number, name and the parts that do not count packets.
fn links() -> BTreeSet<String> {
    stable_json(&["ip", "-json", "-details", "link"], |key| {
        ["ifindex", "ifname", "mtu", "qdisc", "master", "address", "operstate"].contains(&key)
    })
}

fn is_address_word(key: &str) -> bool {
    ["ifname", "addr_info"].contains(&key)
}

/// The elements of a JSON list, reduced to the keys that are kept.
fn stable_json(words: &[&str], is_kept: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let text = command::output(words);
    let list: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", words.join(" ")));
    list.into_iter()
        .map(|element| {
            let mut kept: serde_json::Map<_, _> =
                element.into_iter().filter(|(key, _)| is_kept(key)).collect();
            // Counts down while an address from DHCP lives.
            remove_lifetimes(&mut kept);
            serde_json::Value::Object(kept).to_string()
        })
        .collect()
}

fn remove_lifetimes(element: &mut serde_json::Map<String, serde_json::Value>) {
    let Some(addresses) = element.get_mut("addr_info").and_then(|value| value.as_array_mut())
    else {
        return;
    };
    for address in addresses.iter_mut().filter_map(serde_json::Value::as_object_mut) {
        address.remove("valid_life_time");
        address.remove("preferred_life_time");
    }
}

/// Kernel objects by id, type and name.
fn identities(kind: &str) -> BTreeSet<String> {
    let text = command::output(&["bpftool", "--json", kind, "list"]);
    let list: Vec<serde_json::Value> = serde_json::from_str(&text).expect("bpftool writes JSON");
    list.iter()
        .map(|object| format!("{} {} {}", object["id"], object["type"], object["name"]))
        .collect()
}

fn mounts() -> BTreeSet<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    // Fields: id, parent, device, root, mount point, options, ... - type, source, options.
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let kind = words.iter().position(|word| *word == "-").map_or("", |at| words[at + 1]);
            format!("{kind} {}{}", words[4], if words[3] == "/" { "" } else { words[3] })
        })
        .collect()
}

fn files_below(directory: &str) -> BTreeSet<String> {
    if !std::path::Path::new(directory).exists() {
        return BTreeSet::new();
    }
    lines(&["find", directory])
}

fn directories_below(directory: &str) -> BTreeSet<String> {
    lines(&["find", directory, "-type", "d"])
}

/// Marks the processes of a test's clusters and neighbours, which pass it on to what they start. Other
/// processes of the machine come and go as they please.
pub const MARK: (&str, &str) = ("SHEAVE_TEST_INVENTORY", "1");

/// Marked processes that run, and those in cgroups of ours, by number and command line.
fn processes() -> BTreeSet<String> {
    let mark = format!("{}={}", MARK.0, MARK.1);
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir("/proc").expect("/proc is there").flatten() {
        let process = entry.path();
        // A process may end while it is read.
        let read = |file: &str| std::fs::read(process.join(file)).unwrap_or_default();
        let is_marked = read("environ").split(|byte| *byte == 0).any(|v| v == mark.as_bytes());
        let is_in_our_cgroup = String::from_utf8_lossy(&read("cgroup")).contains("sheave");
        let words = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        // Without words it has ended, and whoever started it, perhaps a test before this one, has yet to ask.
        if (is_marked || is_in_our_cgroup) && !words.is_empty() {
            found.insert(format!("{} {words}", entry.file_name().to_string_lossy()));
        }
    }
    found
}

/// Rules without the comment lines, which hold the time, and without counters.
fn iptables(words: &[&str]) -> BTreeSet<String> {
    let said = command::run(words, &[], "");
    said.stdout
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(" [").next().unwrap_or(line).to_owned())
        .collect()
}

fn our_files() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for directory in ["/etc", "/opt", "/run", "/var/lib", "/var/log", "/var/run"] {
        let words = [
            "find",
            directory,
            "-maxdepth",
            "2",
            "(",
            "-iname",
            "*sheave*",
            "-o",
            "-path",
            "*/cni*",
            "-o",
            "-path",
            "/var/log/pods*",
            ")",
        ];
        // Some directories vanish while they are read.
        found.extend(command::run(&words, &[], "").stdout.lines().map(str::to_owned));
    }
    found
}

/// The settings that routing pods' packets could have changed.
fn settings() -> BTreeSet<String> {
    let names =
        ["net/ipv4/ip_forward", "net/ipv4/conf/all/rp_filter", "net/ipv6/conf/all/forwarding"];
    names
        .iter()
        .filter_map(|name| {
            let value = std::fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
            Some(format!("{name} = {}", value.trim()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_and_its_end_too() {
        let name = format!("seen{}", std::process::id());
        let before = Inventory::take();
        command::output(&["ip", "netns", "add", &name]);
        let changes = Inventory::take().changes_since(&before);
        command::output(&["ip", "netns", "delete", &name]);
        assert!(changes.contains(&format!("named network namespaces: new: {name}")), "{changes:?}");
        let changes = Inventory::take().changes_since(&before);
        assert!(!changes.iter().any(|change| change.contains(&name)), "{changes:?}");
    }
}
