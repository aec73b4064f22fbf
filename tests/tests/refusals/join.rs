//! What a machine that wants to join can be refused for.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use sheave_join::{JoinRequest, NodeKey, PATH, Pin, Token};
use sheave_tests::cluster::program;
use sheave_tests::wait;

use crate::private::Machine;

const URL: &str = "https://192.0.2.10:6443";

/// A control plane in a network of its own, from where machines join as well.
struct Site {
    machine: Machine,
    /// Of the control plane.
    data: tempfile::TempDir,
    server: Child,
}

impl Site {
    fn new() -> Self {
        let machine = Machine::new();
        let data = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(program("sheave-server"));
        command.arg("--data-dir").arg(data.path()).args(["--bind", "192.0.2.10:6443"]);
        command.args(["--advertise-address", "192.0.2.10", "--node-name", "control"]);
        let log = std::fs::File::create(data.path().join("server.log")).expect("a log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let server = machine.netns.run(|| command.spawn()).expect("sheave-server is executable");
        let site = Self { machine, data, server };
        wait::until_true("the server to be ready", Duration::from_secs(30), || {
            site.kubeconfig().exists() && site.try_kubectl(&["get", "--raw=/readyz"]).is_ok()
        });
        site
    }

    fn kubeconfig(&self) -> PathBuf {
        self.data.path().join("server/admin.kubeconfig")
    }

    fn output(&self, program: &Path, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut command = Command::new(program);
        command.args(arguments).env("KUBECONFIG", self.kubeconfig());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.machine.netns.run(|| command.spawn()).expect("it is executable");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it is our child");
        let text = |bytes| String::from_utf8(bytes).expect("it is text");
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        self.output(Path::new("kubectl"), arguments, "")
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap_or_else(|said| panic!("kubectl {arguments:?}: {said}"))
    }

    fn sheave(&self, arguments: &[&str]) -> String {
        let said = self.output(&program("sheave"), arguments, "");
        said.unwrap_or_else(|said| panic!("sheave {arguments:?}: {said}"))
    }

    /// Of the line that `sheave token create` prints.
    fn token(&self, more: &[&str]) -> Token {
        let line = self.sheave(&[&["token", "create"], more].concat());
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["sheave", "join", URL, "--token", token] = words[..] else { panic!("{line}") };
        assert_eq!(line.lines().count(), 1, "one line to paste: {line}");
        token.parse().expect("a token")
    }

    fn join(&self, url: &str, more: &[&str]) -> Vec<String> {
        self.machine.words(&[&["sheave", "join", url], more].concat())
    }

    /// The machine is refused, and nothing is left of it, here or in the cluster.
    fn refuses(&self, url: &str, more: &[&str], parts: &[&str]) {
        let nodes = self.kubectl(&["get", "nodes", "--output=name"]);
        self.machine.refuses("true", &self.join(url, more), parts);
        assert_eq!(self.kubectl(&["get", "nodes", "--output=name"]), nodes, "{more:?}");
    }

    fn refuses_token(&self, token: &str, parts: &[&str]) {
        self.refuses(URL, &["--token", token, "--node-name", "vm-2"], parts);
    }

    /// Joins as far as the cluster sees it; the HTTP status and the answer.
    fn enrol(&self, token: &Token, node_name: &str, key: &NodeKey) -> (String, String) {
        let request = JoinRequest {
            token: token.proof(),
            node_name: node_name.to_owned(),
            certificate_request: key.request().unwrap(),
        };
        let authority = self.data.path().join("server/pki/ca.crt");
        let said = self.output(
            Path::new("curl"),
            &[
                "--silent",
                "--cacert",
                &authority.to_string_lossy(),
                "--write-out",
                "\n%{http_code}",
                "--data-binary",
                "@-",
                &format!("{URL}{PATH}"),
            ],
            &serde_json::to_string(&request).unwrap(),
        );
        let said = said.expect("curl reaches the server");
        let (body, code) = said.rsplit_once('\n').expect("the code comes last");
        (code.to_owned(), body.to_owned())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It is ours; nobody is left to tell.
        let _ = self.server.kill();
        let _ = self.server.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.data.path().join("server.log"));
            eprintln!("the server said:\n{}", log.unwrap_or_default());
        }
    }
}

#[test]
fn a_token_that_is_wrong_revoked_or_over_does_not_let_a_machine_join() {
    let site = Site::new();
    let remedy = "make a new one with `sheave token create` on the control plane";
    let good = site.token(&[]);

    // The secret of one with the id of another.
    let other = site.token(&[]).to_string();
    let secret = other.split('.').nth(1).expect("three parts");
    let wrong = format!("{}.{secret}.{}", good.id(), good.authority);
    let sentence = format!("the token {} is wrong: paste the whole line", good.id());
    site.refuses_token(&wrong, &[&sentence]);

    let unknown = Token::generate(good.authority);
    site.refuses_token(&unknown.to_string(), &["is not known here", "revoked or used up", remedy]);

    let ended = site.token(&["--ttl", "1s"]);
    std::thread::sleep(Duration::from_millis(2100));
    let sentence = format!("the token {} ended at 20", ended.id());
    site.refuses_token(&ended.to_string(), &[&sentence, remedy]);

    let said = site.sheave(&["token", "delete", good.id()]);
    assert!(said.contains("machines that joined with it stay"), "{said}");
    site.refuses_token(&good.to_string(), &["is not known here", remedy]);
    let revoked = site.token(&["--description", "rack 7"]);
    let name = format!("join-token-{}", revoked.id());
    site.kubectl(&["delete", "secret", "--namespace=kube-system", &name]);
    site.refuses_token(&revoked.to_string(), &["is not known here", remedy]);

    let for_one = site.token(&["--single-use"]);
    let (code, said) = site.enrol(&for_one, "vm-1", &NodeKey::generate().unwrap());
    assert_eq!(code, "200", "{said}");
    site.refuses_token(
        &for_one.to_string(),
        &["is not known here: it was revoked or used up", remedy],
    );

    for (text, sentence) in [("guess", "three parts"), (&wrong[..40], "must be 43 letters")] {
        site.refuses_token(text, &["--token is no token", sentence, "paste the whole line"]);
    }
    site.refuses(URL, &[], &["has not joined a cluster yet: run `sheave token create`"]);
}

#[test]
fn nothing_at_rest_and_nothing_listed_lets_anybody_join() {
    let site = Site::new();
    let token = site.token(&["--description", "rack 7", "--ttl", "10m"]);
    let listed = site.sheave(&["token", "list"]);
    let line = listed.lines().find(|line| line.starts_with(token.id())).expect("it is listed");
    assert!(line.contains("rack 7") && line.contains("any") && line.contains("in "), "{line}");
    let secret = token.to_string().split('.').nth(1).expect("three parts").to_owned();
    let stored = site.kubectl(&[
        "get",
        "secret",
        "--namespace=kube-system",
        "--output=yaml",
        &format!("join-token-{}", token.id()),
    ]);
    assert!(stored.contains("type: sheave.io/join-token"), "{stored}");
    for text in [listed, stored] {
        assert!(!text.contains(&secret), "{text}");
    }
    let said = site.output(&program("sheave"), &["token", "delete", "zzzzzz"], "");
    assert!(said.as_ref().is_err_and(|said| said.contains("there is no token zzzzzz")), "{said:?}");
}

#[test]
fn a_server_of_another_cluster_is_told_nothing() {
    let site = Site::new();
    let token = site.token(&[]).to_string();
    let (proof, _) = token.rsplit_once('.').expect("three parts");
    let other = format!("{proof}.{}", Pin::of_public_key(b"of another cluster"));
    let parts = ["is of another cluster than the token", "paste the whole line"];
    site.refuses_token(&other, &parts);
    let log = std::fs::read_to_string(site.data.path().join("server.log")).expect("the log");
    assert!(!log.contains("refused to let a machine join"), "the token was sent: {log}");
    // The right cluster, by a name that its certificate does not have.
    site.machine.netns.ip("address add 192.0.2.77/24 dev up0");
    relay(&site);
    site.refuses(
        "https://192.0.2.77:7000",
        &["--token", &token, "--node-name", "vm-2"],
        &["certificate is not for 192.0.2.77", "--advertise-address 192.0.2.77"],
    );
}

/// Passes connections on to the server, from an address that came after its start; as long as the tests run.
fn relay(site: &Site) {
    let netns = site.machine.netns.file().try_clone().expect("a descriptor");
    let (listens, listening) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        setns(&netns, CloneFlags::CLONE_NEWNET).expect("the network is there");
        let listener = TcpListener::bind("192.0.2.77:7000").expect("the address is there");
        listens.send(()).expect("somebody waits");
        // Threads are in the network of the one that starts them.
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect("192.0.2.10:6443") else { continue };
            pass_on(&client, &server);
            pass_on(&server, &client);
        }
    });
    listening.recv().expect("the relay listens");
}

fn pass_on(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) =
        (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
    std::thread::spawn(move || {
        // However it ends, the other end is to know.
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

#[test]
fn a_taken_node_name_is_refused_with_both_ways_out() {
    let site = Site::new();
    let token = site.token(&[]);
    let key = NodeKey::generate().unwrap();
    let (code, said) = site.enrol(&token, "vm-2", &key);
    assert_eq!(code, "200", "{said}");
    let remedies = [
        "the node name \"vm-2\" is taken",
        "run `kubectl delete node vm-2` and join again",
        "choose another name with --node-name",
    ];
    site.refuses_token(&token.to_string(), &remedies);
    // The same machine, whose answer was lost.
    assert_eq!(site.enrol(&token, "vm-2", &key).0, "200");
    let control = ["--token", &token.to_string(), "--node-name", "control"];
    site.refuses(URL, &control, &["is taken by the control plane's own machine", "--node-name"]);
    let bad = ["--token", &token.to_string(), "--node-name", "Not_A_Name"];
    site.refuses(URL, &bad, &["the node name \"Not_A_Name\"", "lower case", "--node-name"]);
    // Once the first way out was taken.
    site.kubectl(&["delete", "node", "vm-2"]);
    let (code, said) = site.enrol(&token, "vm-2", &NodeKey::generate().unwrap());
    assert_eq!(code, "200", "{said}");
}

#[test]
fn a_certificate_of_a_removed_node_is_worth_nothing() {
    let site = Site::new();
    let token = site.token(&[]);
    let key = NodeKey::generate().unwrap();
    let (_, answer) = site.enrol(&token, "vm-2", &key);
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let pem = |field: &str| answer[field].as_str().expect("PEM").to_owned();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).display().to_string()
    };
    let certificate = write("node.crt", &pem("certificate"));
    let (key, authority) =
        (write("node.key", &key.to_pem()), write("ca.crt", &pem("certificateAuthority")));
    let get = |path: &str| {
        let url = format!("{URL}{path}");
        let certificate =
            ["--silent", "--cacert", &authority, "--cert", &certificate, "--key", &key];
        site.output(Path::new("curl"), &[&certificate[..], &[&url]].concat(), "").expect("curl")
    };
    assert!(get("/api/v1/nodes/vm-2").contains("\"name\":\"vm-2\""));
    assert!(get("/api/v1/nodes/control").contains("is forbidden"), "only its own");
    assert!(get(PATH).contains(r#""standing":"member""#));
    site.kubectl(&["delete", "node", "vm-2"]);
    let said = get("/api/v1/nodes/vm-2");
    assert!(said.contains("not the node \\\"vm-2\\\"") && said.contains("was deleted"), "{said}");
    assert!(get(PATH).contains(r#""standing":"removed""#));
    // Nor does it help when another machine has the name.
    assert_eq!(site.enrol(&token, "vm-2", &NodeKey::generate().unwrap()).0, "200");
    let said = get("/api/v1/services");
    assert!(said.contains("belongs to another machine"), "{said}");
}

#[test]
fn a_server_that_is_away_or_something_else_is_told_apart() {
    let site = Site::new();
    let token = site.token(&[]).to_string();
    let join = ["--token", token.as_str(), "--node-name", "vm-2"];
    let parts = [
        "https://192.0.2.10:6444 cannot be reached (Connection refused",
        "nothing blocks TCP port 6444",
    ];
    site.refuses("https://192.0.2.10:6444", &join, &parts);

    let listener = site.machine.netns.run(|| TcpListener::bind("192.0.2.10:8080")).unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 512]);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let parts = ["what answers at https://192.0.2.10:8080 is no Sheave server", "correct the URL"];
    site.refuses("https://192.0.2.10:8080", &join, &parts);

    let web = Web::start(&site);
    let parts = ["what answers at https://192.0.2.10:8443 is no Sheave server that can be joined"];
    site.refuses("https://192.0.2.10:8443", &join, &parts);
    drop(web);

    for url in ["192.0.2.10:6443", "http://192.0.2.10:6443"] {
        site.refuses(url, &join, &["is no URL like https://192.0.2.1:6443"]);
    }
}

/// Somebody else's web server.
struct Web(Child, #[expect(dead_code, reason = "held, not read")] tempfile::TempDir);

impl Web {
    fn start(site: &Site) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args(["-subj", "/CN=web", "-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(dir.path())
            .output()
            .expect("openssl is there");
        assert!(made.status.success(), "{made:?}");
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "192.0.2.10:8443", "-www", "-quiet"]);
        command.args(["-cert", "cert.pem", "-key", "key.pem"]).current_dir(dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = site.machine.netns.run(|| command.spawn()).expect("openssl is there");
        wait::until_true("the web server to listen", Duration::from_secs(10), || {
            site.machine.netns.run(|| std::net::TcpStream::connect("192.0.2.10:8443").is_ok())
        });
        Self(child, dir)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn whoever_tries_many_tokens_has_to_wait() {
    let site = Site::new();
    let good = site.token(&[]);
    let key = NodeKey::generate().unwrap();
    let codes: Vec<String> =
        (0..12).map(|_| site.enrol(&Token::generate(good.authority), "vm-2", &key).0).collect();
    assert_eq!(codes[..9], ["401"; 9], "{codes:?}");
    assert_eq!(codes[11], "429", "{codes:?}");
    let parts = ["too many wrong tokens came from this address: try again in"];
    site.refuses_token(&good.to_string(), &parts);
}

#[test]
fn a_machine_with_a_control_plane_is_no_other_clusters_node() {
    let site = Site::new();
    let token = site.token(&[]).to_string();
    std::fs::create_dir_all(site.machine.path("data/server")).unwrap();
    let ended = site.machine.run("true", &site.join(URL, &["--token", &token]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for part in ["has a control plane of its own", "run `sheave up`", "`sheave down`"] {
        assert!(ended.said.contains(part), "{}", ended.said);
    }
}

#[test]
fn a_network_of_the_machine_that_overlaps_with_the_clusters_is_named() {
    let site = Site::new();
    let token = site.token(&[]).to_string();
    let join = ["--token", token.as_str(), "--node-name", "vm-2"];
    let up = site.machine.words(&["sheave", "up", "--api-port", "7443"]);
    for (command, flag, range, net) in [
        ("address add 10.244.9.1/24 dev up0", "--pod-cidr", "10.244.0.0/16", "10.244.9.0/24"),
        (
            "route add 10.96.64.0/20 via 192.0.2.1",
            "--service-cidr",
            "10.96.0.0/16",
            "10.96.64.0/20",
        ),
    ] {
        site.machine.netns.ip(command);
        let sentence = format!(
            "the cluster's {flag} {range} overlaps with {net}, which this machine reaches through up0"
        );
        let remedy =
            format!("start the control plane with another {flag}, or renumber that network");
        site.refuses(URL, &join, &[&sentence, &remedy]);
        site.machine.refuses("true", &up, &[&sentence, &remedy]);
        site.machine.netns.ip(&command.replacen(" add ", " del ", 1));
    }
}
