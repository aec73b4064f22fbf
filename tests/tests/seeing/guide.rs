//! The outputs in the user guide are those of the commands: each is run on a node and compared, numbers and
//! column widths apart. `UPDATE_EXPECT=1` writes them anew.

use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::TcpStream;
use std::time::Duration;

use sheave_tests::cluster::root;
use sheave_tests::lab::Sockets;

use crate::flows::until_traced;
use crate::node::Node;

const GUIDE: &str = "docs/seeing-what-happens.md";
const PROMPT: &str = "$ sheave ";

/// What may differ from run to run is made the same: numbers, and the space between columns.
fn skeleton(text: &str) -> Vec<String> {
    let same = |word: &str| {
        let mut out = String::new();
        for letter in word.chars() {
            match letter.is_ascii_digit() {
                true if out.ends_with('0') => {}
                true => out.push('0'),
                false => out.push(letter),
            }
        }
        out
    };
    let line = |line: &str| line.split_whitespace().map(same).collect::<Vec<_>>().join(" ");
    text.trim_end().lines().map(line).collect()
}

/// The guide with the outputs of its commands replaced by what `run` gives for each.
fn replaced(guide: &str, mut run: impl FnMut(&str) -> String) -> String {
    let mut said = String::new();
    let mut is_output = false;
    for line in guide.lines() {
        if line.starts_with("```") {
            is_output = false;
        }
        if !is_output {
            said += line;
            said.push('\n');
        }
        if let Some(words) = line.strip_prefix(PROMPT) {
            said += run(words).trim_end();
            said.push('\n');
            is_output = true;
        }
    }
    said
}

/// What one who follows is shown of the same two connections, and of one that is refused.
fn followed(node: &Node, words: &str) -> String {
    let mut child = node.lab.spawn(&node.lab.node, Sockets::Untouched, node.command(words));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    until_traced(node, true);
    let _open = [Sockets::Untouched, Sockets::Translated].map(|s| node.connect(s, "10.96.0.1:80"));
    node.lab.pods[&4].run(|| TcpStream::connect("10.96.0.2:80").unwrap_err());
    let shown: Vec<String> = lines.by_ref().take(3).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    until_traced(node, false);
    shown.join("\n")
}

#[test]
fn the_guide_shows_what_is_really_said() {
    let node = Node::new("see-guide");
    let _open = [Sockets::Untouched, Sockets::Translated].map(|s| node.connect(s, "10.96.0.1:80"));
    let dial = |to: &str| {
        let to = to.parse().unwrap();
        node.lab.pods[&4]
            .run(|| TcpStream::connect_timeout(&to, Duration::from_millis(300)).unwrap_err().kind())
    };
    assert_eq!(dial("10.96.0.2:80"), ErrorKind::ConnectionRefused);
    assert_eq!(dial("10.96.7.7:80"), ErrorKind::TimedOut);
    let path = root().join(GUIDE);
    let guide = std::fs::read_to_string(&path).unwrap();
    let mut commands = 0;
    let real = replaced(&guide, |words| {
        commands += 1;
        if words.starts_with("flows -f") { followed(&node, words) } else { node.text(words) }
    });
    assert!(commands > 5, "{commands} commands in {GUIDE}");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &real).unwrap();
    }
    let guide = std::fs::read_to_string(&path).unwrap();
    let (shown, real) = (skeleton(&guide), skeleton(&real));
    for (at, (shown, real)) in shown.iter().zip(&real).enumerate() {
        assert_eq!(shown, real, "{GUIDE}, line {}; UPDATE_EXPECT=1 accepts what was seen", at + 1);
    }
    assert_eq!(shown.len(), real.len(), "{GUIDE}");
}
