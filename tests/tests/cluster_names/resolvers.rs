//! Resolvers in pods: how each is asked, and what its answer says.
//!
//! Many questions are put with one `kubectl exec`, as a script.

use std::collections::BTreeSet;
use std::net::IpAddr;

use sheave_tests::cluster::Cluster;
use sheave_tests::kubectl::Kubectl;

/// Stands before what each command printed, and before how it ended.
const MARK: &str = "::: ";

/// What a command printed, and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Printed {
    pub(crate) text: String,
    pub(crate) code: i32,
}

/// Runs commands in a pod, one after another.
pub(crate) fn run_all(cluster: &Cluster, pod: &str, commands: &[String]) -> Vec<Printed> {
    let part = |command: &String| {
        format!("{command} </dev/null 2>&1\ncode=$?; echo; echo \"{MARK}$code\"\n")
    };
    let script: String = commands.iter().map(part).collect();
    let said = cluster.kubectl_with_input(&["exec", "-i", pod, "--", "sh"], &script);
    let mut answers = Vec::new();
    let mut text = String::new();
    for line in said.stdout.lines() {
        match line.strip_prefix(MARK).and_then(|code| code.parse().ok()) {
            Some(code) => answers.push(Printed { text: std::mem::take(&mut text), code }),
            None => text = text + line + "\n",
        }
    }
    assert_eq!(answers.len(), commands.len(), "in {pod}: {said:?}\n{script}");
    answers
}

/// Runs one command in a pod.
pub(crate) fn run(cluster: &Cluster, pod: &str, command: &str) -> Printed {
    run_all(cluster, pod, &[command.to_owned()]).remove(0)
}

/// Who asks for addresses, each in its own way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resolver {
    /// `getent ahostsv4`: glibc's getaddrinfo, one family.
    GlibcV4,
    /// `getent ahostsv6`.
    GlibcV6,
    /// `getent ahosts`: both families at once, as most programs ask.
    Glibc,
    /// musl's getaddrinfo, one family.
    MuslV4,
    /// The same.
    MuslV6,
    /// Both families at once.
    Musl,
    /// Its nslookup reads resolv.conf itself.
    Busybox,
}

impl Resolver {
    pub(crate) const ALL: [Self; 7] = [
        Self::GlibcV4,
        Self::GlibcV6,
        Self::Glibc,
        Self::MuslV4,
        Self::MuslV6,
        Self::Musl,
        Self::Busybox,
    ];

    pub(crate) fn command(self, name: &str) -> String {
        let program = match self {
            Self::GlibcV4 => "getent ahostsv4",
            Self::GlibcV6 => "getent ahostsv6",
            Self::Glibc => "getent ahosts",
            Self::MuslV4 => "musl-resolve 4",
            Self::MuslV6 => "musl-resolve 6",
            Self::Musl => "musl-resolve any",
            Self::Busybox => "nslookup",
        };
        format!("{program} {name}")
    }

    /// What it says when a name leads to `addresses`, or when there is no such name.
    pub(crate) fn expected(self, addresses: Option<&[IpAddr]>) -> Answer {
        let all = addresses.unwrap_or_default();
        let of = |is_v4: bool| -> BTreeSet<IpAddr> {
            all.iter().copied().filter(|address| address.is_ipv4() == is_v4).collect()
        };
        let seen = match self {
            Self::GlibcV4 | Self::MuslV4 => of(true),
            Self::MuslV6 => of(false),
            // getent has AI_V4MAPPED: without an address of IPv6, the others are as good.
            Self::GlibcV6 if of(false).is_empty() => mapped(of(true)),
            Self::GlibcV6 => of(false),
            Self::Glibc | Self::Musl | Self::Busybox => all.iter().copied().collect(),
        };
        match (seen.is_empty(), addresses) {
            (false, _) => Answer::Addresses(seen),
            // The others do not say which of the two it is.
            (true, Some(_)) if matches!(self, Self::Busybox) => Answer::Nothing,
            (true, _) => Answer::NoSuchName,
        }
    }

    /// What it has said.
    pub(crate) fn read(self, printed: &Printed) -> Answer {
        let Printed { text, code } = printed;
        let addresses: BTreeSet<IpAddr> = match self {
            Self::Busybox => {
                let lines = text.lines().skip_while(|line| !line.starts_with("Name:"));
                let lines = lines.filter_map(|line| line.strip_prefix("Address: "));
                lines.filter_map(|address| address.trim().parse().ok()).collect()
            }
            _ => text.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect(),
        };
        match (self, code) {
            _ if !addresses.is_empty() => Answer::Addresses(addresses),
            (Self::Busybox, _) if text.contains("NXDOMAIN") => Answer::NoSuchName,
            // It says no word of it.
            (Self::Busybox, 0) => Answer::Nothing,
            (Self::Busybox, _) => Answer::Failed(text.clone()),
            (_, 2) => Answer::NoSuchName,
            _ => Answer::Failed(text.clone()),
        }
    }
}

fn mapped(addresses: BTreeSet<IpAddr>) -> BTreeSet<IpAddr> {
    let mapped = |address| match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        v6 => v6,
    };
    addresses.into_iter().map(mapped).collect()
}

/// What a resolver says of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It leads to these.
    Addresses(BTreeSet<IpAddr>),
    /// It is there, and leads to none.
    Nothing,
    /// It is not there.
    NoSuchName,
    /// That could not be found out.
    Failed(String),
}

/// A response, as dig shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Response {
    /// NOERROR, NXDOMAIN, ...
    pub(crate) status: String,
    pub(crate) is_authoritative: bool,
    /// Type and data of each record; sorted, because addresses take turns.
    pub(crate) answers: Vec<String>,
    pub(crate) authorities: Vec<String>,
    pub(crate) additionals: Vec<String>,
    /// Whatever dig finds wrong with it.
    pub(crate) warnings: Vec<String>,
}

/// The command by which dig asks.
pub(crate) fn dig(words: &str) -> String {
    format!("dig +noall +comments +answer +authority +additional +tries=2 +timeout=5 {words}")
}

impl Response {
    pub(crate) fn read(printed: &Printed) -> Self {
        let mut response = Self::default();
        let mut section = None;
        for line in printed.text.lines() {
            if let Some(rest) = line.split_once(" status: ") {
                response.status = rest.1.split(',').next().unwrap_or_default().to_owned();
            } else if let Some(rest) = line.strip_prefix(";; flags: ") {
                let flags = rest.split(';').next().unwrap_or_default();
                response.is_authoritative = flags.split(' ').any(|flag| flag == "aa");
            } else if line.contains("is reserved for Multicast DNS") {
                // Of every name in `local`.
            } else if line.contains("WARNING") || line.contains("ommunications error") {
                response.warnings.push(line.to_owned());
            } else if let Some(name) = line.strip_suffix(" SECTION:") {
                section = Some(name.trim_start_matches(";; ").to_owned());
            } else if let Some(record) = record(line) {
                match section.as_deref() {
                    Some("ANSWER") => response.answers.push(record),
                    Some("AUTHORITY") => response.authorities.push(record),
                    _ => response.additionals.push(record),
                }
            }
        }
        response.answers.sort_unstable();
        response.additionals.sort_unstable();
        response
    }

    /// The answers in short, or why there are none.
    pub(crate) fn in_short(&self) -> String {
        match (self.status.as_str(), self.answers.is_empty()) {
            ("NOERROR", false) => self.answers.join(", "),
            ("NOERROR", true) => "nothing".into(),
            ("NXDOMAIN", _) => "no such name".into(),
            (status, _) => status.into(),
        }
    }
}

/// `A 10.96.0.7` of a line such as `web.default.svc.cluster.local. 5 IN A 10.96.0.7`.
fn record(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [name, _ttl, "IN", rest @ ..] if !name.starts_with(';') => Some(rest.join(" ")),
        _ => None,
    }
}
