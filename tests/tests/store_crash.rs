//! The store under kill -9: what was acknowledged is there, nothing is half there, and no revision
//! is used twice.
//!
//! This program is both the test and its victim: with `VICTIM` set it writes and reports until it
//! is killed. kill -9 leaves the page cache in place, so this tells nothing about power loss.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sheave_store::{Durability, EmbeddedStore, Expectation, Revision, Store, Transaction};

const VICTIM: &str = "SHEAVE_TEST_STORE_VICTIM";
const ROUNDS: u32 = 20;
const WRITERS: u32 = 8;

/// What the victim said before it died.
#[derive(Default)]
struct Said {
    /// Key and revision of every acknowledged durable write.
    durable: BTreeMap<String, Revision>,
    /// The greatest revision of any acknowledged write, relaxed ones too.
    newest: Revision,
    /// The revision it started from.
    opened: Revision,
}

fn main() {
    match std::env::var_os(VICTIM) {
        Some(path) => write_until_killed(Path::new(&path)),
        None => check_every_round(),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A value that tells whether it is whole, of a size that differs from key to key.
fn value_of(key: &str) -> Vec<u8> {
    let times = 1 + key.bytes().map(usize::from).sum::<usize>() % 40;
    key.repeat(times).into_bytes()
}

fn write_until_killed(path: &Path) {
    let round = std::process::id();
    runtime().block_on(async {
        let store = Arc::new(EmbeddedStore::open(path).unwrap());
        say(&format!("opened - {}", store.list(b"").await.unwrap().revision));
        let writers: Vec<_> =
            (0..WRITERS).map(|n| tokio::spawn(write(Arc::clone(&store), round, n))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

/// Each write is two keys in one transaction; every third one is relaxed.
async fn write(store: Arc<EmbeddedStore>, round: u32, writer: u32) {
    for n in 0.. {
        let relaxed = n % 3 == 2;
        let key = format!("{round}/{writer}/{n}");
        let transaction = Transaction::new()
            .expect(key.clone(), Expectation::Absent)
            .put(key.clone(), value_of(&key))
            .put(format!("twin/{key}"), key.clone());
        let durability = if relaxed { Durability::Relaxed } else { Durability::Synced };
        let revision = store.commit(transaction, durability).await.unwrap();
        say(&format!("{} {key} {revision}", if relaxed { "relaxed" } else { "durable" }));
    }
}

/// One line in one write: a line is whole, or it was never said.
fn say(line: &str) {
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).unwrap();
}

fn check_every_round() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let mut durable = BTreeMap::new();
    let mut newest = 0;
    for round in 0..ROUNDS {
        let lifetime = Duration::from_millis(u64::from(20 + round * 37 % 160));
        let said = run_victim(&path, lifetime);
        assert!(said.opened >= newest, "round {round}: started below a revision it had given out");
        assert!(!said.durable.is_empty(), "round {round}: killed before it wrote anything");
        if let Some(first) = said.durable.values().min() {
            assert!(*first > newest, "round {round}: revision {first} was used before");
        }
        newest = said.newest;
        durable.extend(said.durable);
        // Half of the time the next victim repairs the file itself.
        if round % 2 == 0 {
            newest = newest.max(runtime().block_on(check(&path, &durable, newest)));
        }
    }
    runtime().block_on(check(&path, &durable, newest));
    println!("{ROUNDS} kills, {} acknowledged writes, none lost: ok", durable.len());
}

fn run_victim(path: &Path, lifetime: Duration) -> Said {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .env(VICTIM, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap());
    let mut said = Said::default();
    let mut line = String::new();
    let mut deadline = None;
    // Read all the time, so that the victim never waits for the pipe; then what it still said.
    while lines.read_line(&mut line).unwrap() > 0 {
        if line.ends_with('\n') {
            said.hear(&line);
            let killed_at = *deadline.get_or_insert_with(|| Instant::now() + lifetime);
            if Instant::now() >= killed_at {
                victim.kill().unwrap();
            }
        }
        line.clear();
    }
    assert!(!victim.wait().unwrap().success(), "the victim ended by itself");
    said
}

impl Said {
    fn hear(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let (what, key) = (words.next().unwrap(), words.next().unwrap());
        let revision: Revision = words.next().unwrap().parse().unwrap();
        self.newest = self.newest.max(revision);
        match what {
            "opened" => self.opened = revision,
            "durable" => drop(self.durable.insert(key.to_owned(), revision)),
            _ => {}
        }
    }
}

/// Opens the file, compares, closes it; returns its revision.
async fn check(path: &Path, durable: &BTreeMap<String, Revision>, newest: Revision) -> Revision {
    let store = EmbeddedStore::open(path).unwrap();
    let listing = store.list(b"").await.unwrap();
    assert!(listing.revision >= newest, "revision {} after {newest}", listing.revision);
    let found: BTreeMap<&str, _> = listing
        .entries
        .iter()
        .map(|entry| (std::str::from_utf8(&entry.key).unwrap(), entry))
        .collect();
    for (key, revision) in durable {
        let entry = found.get(key.as_str()).unwrap_or_else(|| panic!("{key} is lost"));
        assert_eq!(entry.revision, *revision, "{key}");
    }
    let mut revisions = BTreeMap::new();
    for (key, entry) in &found {
        if let Some(twin) = key.strip_prefix("twin/") {
            assert!(found.contains_key(twin), "{twin} is half there");
            continue;
        }
        assert_eq!(entry.value, value_of(key), "{key} is damaged");
        let twin = found.get(format!("twin/{key}").as_str());
        assert_eq!(twin.map(|twin| twin.revision), Some(entry.revision), "{key} is half there");
        assert_eq!(revisions.insert(entry.revision, key), None, "a revision was used twice");
    }
    store.close().await.unwrap();
    listing.revision
}
