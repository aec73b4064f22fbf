//! A machine of a test's own: its network and its mounts are private, so that what is missing on it is
//! missing for one program alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sheave_tests::cluster::program;
use sheave_tests::netns::Netns;

/// Seconds until a program that should have refused is ended; `timeout` then exits with 124.
const LIMIT_S: &str = "30";

/// Runs a program where `$1` has been done to the mounts, then lists what lies in the working directory.
const SCRIPT: &str = r#"
    eval "$1" || exit 125
    listing=$2; shift 2
    "$@"; code=$?
    find . -mindepth 1 >"$listing"
    exit $code
"#;

/// A machine with one interface; all of it goes with the value.
pub(crate) struct Machine {
    pub(crate) netns: Netns,
    /// `data`, `run` and `bpf` would be made here.
    scratch: tempfile::TempDir,
    outside: tempfile::TempDir,
}

/// What a program said when it gave up, and what it left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
    /// Files and directories below the machine's own.
    pub(crate) left: Vec<String>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let netns = Netns::new();
        netns.ip("link add up0 type veth peer name up1");
        netns.ip("address add 192.0.2.10/24 dev up0");
        netns.ip("link set up0 up");
        netns.ip("link set up1 up");
        netns.ip("route add default via 192.0.2.1");
        let scratch = || tempfile::Builder::new().prefix("sheave-no-").tempdir();
        Self {
            netns,
            scratch: scratch().expect("a temporary directory"),
            outside: scratch().expect("a temporary directory"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The words of a command about this machine: the program, what it is to do, and where.
    pub(crate) fn words(&self, command: &[&str]) -> Vec<String> {
        let path = |name| self.path(name).display().to_string();
        let mut words = vec![program(command[0]).display().to_string()];
        words.extend(command[1..].iter().map(|word| (*word).to_owned()));
        words.extend(["--data-dir".to_owned(), path("data")]);
        if command[0] != "sheave-server" {
            words.extend(["--run-dir".to_owned(), path("run")]);
            words.extend(["--bpffs-dir".to_owned(), path("bpf")]);
        }
        words
    }

    /// Runs words on this machine after a preparation that concerns its mounts alone.
    pub(crate) fn run(&self, preparation: &str, words: &[String]) -> Ended {
        let listing = self.outside.path().join("listing");
        let output = self.netns.run(|| self.output(preparation, words, &listing));
        let text = std::fs::read_to_string(&listing).unwrap_or_else(|_| panic!("{output:?}"));
        let _ = std::fs::remove_file(&listing);
        let said = [output.stdout, output.stderr].concat();
        Ended {
            code: output.status.code(),
            said: String::from_utf8(said).expect("it is text"),
            left: text.lines().map(str::to_owned).collect(),
        }
    }

    fn output(&self, preparation: &str, words: &[String], listing: &Path) -> Output {
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--", "sh", "-c", SCRIPT, "sh"])
            .arg(preparation)
            .arg(listing)
            .args(["timeout", "--kill-after=5", LIMIT_S])
            .args(words)
            .current_dir(self.scratch.path())
            .env("SHEAVE_LOG", "error")
            .stdin(Stdio::null())
            .output()
            .expect("unshare is a program of every Linux")
    }

    /// A command that must be refused: its sentence has these parts, and nothing is left of it.
    pub(crate) fn refuses(&self, preparation: &str, words: &[String], parts: &[&str]) {
        let links = self.links();
        let ended = self.run(preparation, words);
        assert_eq!(ended.code, Some(1), "{words:?}: {ended:?}");
        let said = ended.said.trim_end();
        assert_eq!(said.lines().count(), 1, "{words:?}: more than a sentence: {said}");
        assert!(said.starts_with("sheave"), "who says this is not told: {said}");
        for part in parts {
            assert!(said.contains(part), "{words:?}: {part:?} is not in: {said}");
        }
        assert_eq!(ended.left, Vec::<String>::new(), "{words:?} left something: {said}");
        assert_eq!(self.links(), links, "{words:?} left links or programs");
        assert_eq!(self.processes(), Vec::<String>::new(), "{words:?} left processes");
    }

    /// Names of interfaces, and the BPF programs on them.
    fn links(&self) -> Vec<String> {
        let links = self.netns.command("ip", "-brief link");
        let names = links.lines().filter_map(|line| line.split_whitespace().next());
        let programs = self.netns.command("bpftool", "net");
        names.chain(programs.lines()).map(str::to_owned).collect()
    }

    /// Whoever has one of the machine's directories in its command line.
    fn processes(&self) -> Vec<String> {
        let own = self.scratch.path().display().to_string();
        let said = sheave_tests::command::output(&["ps", "-e", "-o", "args="]);
        said.lines().filter(|line| line.contains(&own)).map(str::to_owned).collect()
    }
}
