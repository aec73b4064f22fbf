//! The configuration file of the containerd we run. Pure text; what depends on the machine is a parameter.

use std::path::PathBuf;

use super::pause::PAUSE_IMAGE;

/// What the file says.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) root: PathBuf,
    pub(super) state: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) cni_bin_dirs: Vec<PathBuf>,
    pub(super) cni_conf_dir: PathBuf,
    pub(super) snapshotter: &'static str,
    pub(super) systemd_cgroup: bool,
    /// The kernel refuses to lower oom_score_adj without CAP_SYS_RESOURCE.
    pub(super) restrict_oom_score_adj: bool,
    pub(super) apparmor: bool,
}

/// Plugins that pods need nothing of: they cost start-up time and memory, or probe devices.
const UNUSED_PLUGINS: [&str; 10] = [
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.restart",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.nri.v1.nri",
];

impl Settings {
    /// The file, in containerd's configuration version 2, which 1.5 to 2.x read.
    pub(super) fn to_toml(&self) -> String {
        let plugins = UNUSED_PLUGINS.map(quoted).join(", ");
        let bin_dir = self.cni_bin_dirs.first().cloned().unwrap_or_default();
        format!(
            r#"# Written by Sheave at every start; changes are lost.
version = 2
root = {root}
state = {state}
disabled_plugins = [{plugins}]

[grpc]
address = {socket}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = {pause}
disable_tcp_service = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
restrict_oom_score_adj = {restrict_oom}
disable_apparmor = {no_apparmor}
tolerate_missing_hugetlb_controller = true
enable_unprivileged_ports = true
enable_unprivileged_icmp = true
netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {bin_dir}
conf_dir = {conf_dir}
max_conf_num = 1

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = {snapshotter}
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = {systemd}
"#,
            root = quoted(&self.root.to_string_lossy()),
            state = quoted(&self.state.to_string_lossy()),
            socket = quoted(&self.socket.to_string_lossy()),
            pause = quoted(PAUSE_IMAGE),
            restrict_oom = self.restrict_oom_score_adj,
            no_apparmor = !self.apparmor,
            bin_dir = quoted(&bin_dir.to_string_lossy()),
            conf_dir = quoted(&self.cni_conf_dir.to_string_lossy()),
            snapshotter = quoted(self.snapshotter),
            systemd = self.systemd_cgroup,
        )
    }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped() {
        assert_eq!(quoted(r#"a"b\c"#), r#""a\"b\\c""#);
        assert_eq!(quoted("a\nb"), "\"a\\u000Ab\"");
    }

    #[test]
    fn says_what_the_machine_is_like() {
        let settings = Settings {
            root: "/r".into(),
            state: "/s".into(),
            socket: "/s/c.sock".into(),
            cni_bin_dirs: vec!["/b".into()],
            cni_conf_dir: "/n".into(),
            snapshotter: "native",
            systemd_cgroup: false,
            restrict_oom_score_adj: true,
            apparmor: false,
        };
        let toml = settings.to_toml();
        for line in [
            "snapshotter = \"native\"",
            "restrict_oom_score_adj = true",
            "disable_apparmor = true",
            "SystemdCgroup = false",
            "address = \"/s/c.sock\"",
            "sandbox_image = \"sheave.local/pause:1\"",
        ] {
            assert!(toml.lines().any(|l| l == line), "{line}\n{toml}");
        }
    }
}
