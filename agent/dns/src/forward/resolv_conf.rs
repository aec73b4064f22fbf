//! The machine's own resolvers, from resolv.conf, read again when it has changed: DHCP and people do that.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// How often the file is looked at, at most, and only when somebody asks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// As many as a resolver takes (resolv.conf(5)).
const SERVERS_MAX: usize = 3;
const DNS_PORT: u16 = 53;

/// One of several files, the first that is there.
#[derive(Debug)]
pub(crate) struct ResolvConf {
    paths: Vec<PathBuf>,
    looked_at: Option<Instant>,
    seen: Option<(PathBuf, SystemTime)>,
}

impl ResolvConf {
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        Self { paths, looked_at: None, seen: None }
    }

    /// The servers, if they may have changed since this was last asked.
    pub(crate) fn changed(&mut self, now: Instant) -> Option<Vec<SocketAddr>> {
        let recently = |at: Instant| now.saturating_duration_since(at) < LOOK_EVERY;
        if self.looked_at.is_some_and(recently) {
            return None;
        }
        let is_first = self.looked_at.replace(now).is_none();
        let modified = |path: &PathBuf| {
            Some((path.clone(), fs::metadata(path).and_then(|file| file.modified()).ok()?))
        };
        let seen = self.paths.iter().find_map(modified);
        if seen == self.seen && !is_first {
            return None;
        }
        let text = seen.as_ref().map(|(path, _)| fs::read_to_string(path).unwrap_or_default());
        self.seen = seen;
        Some(servers(&text.unwrap_or_default()))
    }
}

/// The name servers of a resolv.conf. A scope such as `%eth0` is not understood, and such a line left out.
fn servers(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let is_server = words.next() == Some("nameserver");
        words.next().filter(|_| is_server)?.parse::<IpAddr>().ok()
    };
    let addresses = text.lines().filter_map(address).take(SERVERS_MAX);
    addresses.map(|ip| SocketAddr::new(ip, DNS_PORT)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_and_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resolv.conf");
        let text = "# nameserver 192.0.2.9\nsearch a\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\n\
                    nameserver\t2001:db8::1 x\nnameserver\n";
        fs::write(&path, text).unwrap();
        let mut file = ResolvConf::new(vec![dir.path().join("absent"), path.clone()]);
        let now = Instant::now();
        let expected = ["192.0.2.1:53", "[2001:db8::1]:53"].map(|a| a.parse().unwrap());
        assert_eq!(file.changed(now), Some(expected.to_vec()));
        assert_eq!(file.changed(now + 2 * LOOK_EVERY), None, "it is as it was");
        let other = dir.path().join("new");
        fs::write(&other, "nameserver 192.0.2.2\n").unwrap();
        let later = fs::metadata(&path).unwrap().modified().unwrap() + Duration::from_secs(9);
        fs::File::options().write(true).open(&other).unwrap().set_modified(later).unwrap();
        fs::rename(other, path).unwrap();
        assert_eq!(file.changed(now + 2 * LOOK_EVERY), None, "not that often");
        assert_eq!(file.changed(now + 4 * LOOK_EVERY), Some(vec!["192.0.2.2:53".parse().unwrap()]));
    }

    #[test]
    fn without_a_file_there_is_nobody() {
        let mut file = ResolvConf::new(vec!["/absent".into()]);
        assert_eq!(file.changed(Instant::now()), Some(vec![]));
    }
}
