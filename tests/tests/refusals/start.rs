//! What stands in the way of a start: ports that others have, directories that cannot be written.

use std::net::{TcpListener, UdpSocket};

use crate::private::Machine;

const READ_ONLY: &str = "mkdir data && mount -t tmpfs -o ro none data";

#[test]
fn a_taken_port_is_named() {
    let machine = Machine::new();
    let listen = |at: &str| machine.netns.run(|| TcpListener::bind(at).expect("nobody is here"));
    let taken = listen("0.0.0.0:6443");
    let parts =
        ["port 6443 is taken", "ss -ltnp 'sport = :6443'", "stop it, or choose another port"];
    let up = machine.words(&["sheave", "up"]);
    machine.refuses("true", &up, &[&parts[..], &["with --api-port"]].concat());
    let server = machine.words(&["sheave-server"]);
    machine.refuses("true", &server, &[&parts[..], &["with --bind"]].concat());
    drop(taken);

    let taken = listen("127.0.0.1:10256");
    let parts = ["127.0.0.1:10256", "stop it, or choose another port with --health-port"];
    machine.refuses("true", &machine.words(&["sheave-agent"]), &parts);
    drop(taken);

    let _taken = machine.netns.run(|| UdpSocket::bind("0.0.0.0:10053").expect("nobody is here"));
    let parts = ["port 10053 is needed for DNS", "stop it, or choose another port with --dns-port"];
    machine.refuses("true", &up, &parts);
}

#[test]
fn a_data_directory_that_is_not_writable_is_named() {
    let machine = Machine::new();
    let data = machine.path("data").display().to_string();
    for (command, verb) in [
        (&["sheave", "up"][..], "cannot write to"),
        (&["sheave-agent"], "cannot write to"),
        (&["sheave-server", "--bind", "127.0.0.1:0"], "cannot create"),
    ] {
        let sentence = format!("{verb} {data}");
        let ended = machine.run(READ_ONLY, &machine.words(command));
        assert_eq!(ended.code, Some(1), "{ended:?}");
        for part in [&sentence, "writable, or choose another place with --data-dir"] {
            assert!(ended.said.contains(part), "{part:?} is not in: {}", ended.said);
        }
        assert_eq!(ended.said.lines().count(), 1, "{}", ended.said);
        assert_eq!(ended.left, ["./data"], "{}", ended.said);
        std::fs::remove_dir(machine.path("data")).expect("the mount point is empty");
    }
}
