//! The packet programs of a logging build say what they do, and the process that loaded them hears it.
//! `cargo xtask test` builds them before (`cargo xtask build-ebpf --log`).

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use sheave_dataplane::load_logging_packet_programs;
use sheave_tests::node::BpffsDir;

struct Heard(Mutex<Sender<String>>);

impl log::Log for Heard {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let _ = self.0.lock().unwrap().send(record.args().to_string());
    }

    fn flush(&self) {}
}

fn listen() -> Receiver<String> {
    static HEARD: OnceLock<Heard> = OnceLock::new();
    let (sender, receiver) = channel();
    let heard = HEARD.get_or_init(|| Heard(Mutex::new(sender)));
    log::set_logger(heard).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    receiver
}

#[test]
fn a_logging_build_says_what_becomes_of_a_packet() {
    let path = "../target/bpf-log/bpfel-unknown-none/bpf/packets";
    let object = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let object = object.expect("run `cargo xtask build-ebpf --log` first");
    let heard = listen();
    let directory = BpffsDir::new();
    let mut programs = load_logging_packet_programs(&directory.path, &object).unwrap();
    // An IPv4 packet from nobody to nobody: left to the stack.
    let mut frame = vec![0; 60];
    frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    frame[22] = 64;
    programs.run("pod_ingress", &frame).unwrap();
    // Others use the log too.
    let said = std::iter::from_fn(|| heard.recv_timeout(Duration::from_secs(10)).ok())
        .find(|said| said.contains("action"))
        .expect("a word about the packet");
    assert!(said.contains("protocol 800") && said.contains("action 0"), "{said}");
}
