//! The pods' cgroups: their names, their shares and limits, their removal. Both hierarchies: version 2, and
//! version 1 with one tree a controller.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::CgroupDriver;
use crate::pod::spec::{Container, PodSpec, PodUid, QosClass, Resources};
use crate::quantity::Quantity;

/// Length of a CPU quota's period.
pub(crate) const CPU_PERIOD_US: i64 = 100_000;
const CPU_SHARES_MIN: i64 = 2;
const CPU_SHARES_MAX: i64 = 262_144;
const CPU_QUOTA_MIN_US: i64 = 1000;

/// Where cgroups are mounted, and who makes them.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups {
    /// E.g. "/sheave".
    root: String,
    hierarchy: Hierarchy,
}

/// How the kernel's cgroups are mounted.
#[derive(Clone, Debug)]
enum Hierarchy {
    Unified(PathBuf),
    /// One tree a controller, by its mount point. In the hybrid setup the unified tree is among them.
    Separate(Vec<PathBuf>),
}

/// CPU and memory of a cgroup; `None` is without a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) cpu_shares: i64,
    pub(crate) cpu_quota_us: Option<i64>,
    pub(crate) memory_bytes: Option<i64>,
}

impl Cgroups {
    /// Looks at what is mounted.
    pub(crate) fn new(root: &str) -> Self {
        let base = Path::new("/sys/fs/cgroup");
        let hierarchy = if base.join("cgroup.controllers").exists() {
            Hierarchy::Unified(base.to_owned())
        } else {
            let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
            let trees = entries.map(|entry| entry.path()).filter(|path| !path.is_symlink());
            Hierarchy::Separate(trees.filter(|path| path.is_dir()).collect())
        };
        Self { root: format!("/{}", root.trim_matches('/')), hierarchy }
    }

    /// What the runtime is told as the parent of a pod's containers.
    pub(crate) fn parent(&self, qos: QosClass, uid: &PodUid, driver: CgroupDriver) -> String {
        match driver {
            CgroupDriver::Cgroupfs => self.path(qos, uid),
            CgroupDriver::Systemd => {
                // A slice's place is in its name; "-" separates levels, so that names have none.
                let root = self.root.trim_matches('/').replace(['/', '-'], "_");
                let uid = uid.0.replace('-', "_");
                match qos_directory(qos) {
                    Some(qos) => format!("{root}-{qos}-pod{uid}.slice"),
                    None => format!("{root}-pod{uid}.slice"),
                }
            }
        }
    }

    fn path(&self, qos: QosClass, uid: &PodUid) -> String {
        match qos_directory(qos) {
            Some(qos) => format!("{}/{qos}/pod{uid}", self.root),
            None => format!("{}/pod{uid}", self.root),
        }
    }

    /// Makes a pod's cgroup with the sum of what its containers may use. systemd makes its own.
    pub(crate) fn ensure(&self, spec: &PodSpec, driver: CgroupDriver) -> io::Result<()> {
        if driver == CgroupDriver::Systemd {
            return Ok(());
        }
        let path = self.path(spec.qos, &spec.uid);
        let limits = pod_limits(spec);
        match &self.hierarchy {
            Hierarchy::Unified(base) => {
                let mut directory = base.clone();
                for part in path.split('/').filter(|part| !part.is_empty()) {
                    delegate(&directory);
                    directory.push(part);
                    create(&directory)?;
                }
                write_v2(&directory, limits)
            }
            Hierarchy::Separate(trees) => {
                for tree in trees {
                    let directory = below(tree, &path);
                    if has_controller(tree, &["cpu", "memory"]) {
                        std::fs::create_dir_all(&directory)?;
                        write_v1(&directory, limits)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Removes a pod's cgroups. Its processes are gone by then; what is not there is fine.
    pub(crate) fn remove(&self, uid: &PodUid) {
        for qos in [QosClass::Guaranteed, QosClass::Burstable, QosClass::BestEffort] {
            for tree in self.trees() {
                remove_tree(&below(tree, &self.path(qos, uid)));
            }
        }
    }

    /// Removes all that is below the root, and the root.
    pub(crate) fn remove_all(&self) {
        for tree in self.trees() {
            remove_tree(&below(tree, &self.root));
        }
    }

    /// The directories of our root that exist.
    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        let roots = self.trees().iter().map(|tree| below(tree, &self.root));
        roots.filter(|root| root.is_dir()).collect()
    }

    /// Whoever is in one of our cgroups.
    pub(crate) fn processes(&self) -> HashSet<i32> {
        let mut found = HashSet::new();
        for root in self.roots() {
            collect_processes(&root, &mut found);
        }
        found
    }

    fn trees(&self) -> &[PathBuf] {
        match &self.hierarchy {
            Hierarchy::Unified(base) => std::slice::from_ref(base),
            Hierarchy::Separate(trees) => trees,
        }
    }
}

fn collect_processes(directory: &Path, found: &mut HashSet<i32>) {
    let list = std::fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    found.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()));
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect_processes(&entry.path(), found);
        }
    }
}

fn qos_directory(qos: QosClass) -> Option<&'static str> {
    match qos {
        QosClass::Guaranteed => None,
        QosClass::Burstable => Some("burstable"),
        QosClass::BestEffort => Some("besteffort"),
    }
}

fn below(tree: &Path, path: &str) -> PathBuf {
    tree.join(path.trim_start_matches('/'))
}

fn has_controller(tree: &Path, controllers: &[&str]) -> bool {
    let name = tree.file_name().unwrap_or_default().to_string_lossy();
    name.split(',').any(|part| controllers.contains(&part))
}

fn create(directory: &Path) -> io::Result<()> {
    match std::fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Lets children have controllers. Those that cannot be delegated here are the kernel's to refuse.
fn delegate(directory: &Path) {
    for controller in ["cpu", "memory", "pids", "io", "cpuset"] {
        let file = directory.join("cgroup.subtree_control");
        let _ = std::fs::write(file, format!("+{controller}"));
    }
}

fn write_v1(directory: &Path, limits: Limits) -> io::Result<()> {
    let Limits { cpu_shares, cpu_quota_us, memory_bytes } = limits;
    let quota = cpu_quota_us.unwrap_or(-1);
    put(directory, "cpu.shares", cpu_shares.to_string())?;
    put(directory, "cpu.cfs_quota_us", quota.to_string())?;
    put(directory, "memory.limit_in_bytes", memory_bytes.unwrap_or(-1).to_string())
}

fn write_v2(directory: &Path, limits: Limits) -> io::Result<()> {
    let Limits { cpu_shares, cpu_quota_us, memory_bytes } = limits;
    let or_max = |value: Option<i64>| value.map_or("max".to_owned(), |v| v.to_string());
    // The range 2..=262144 of shares onto 1..=10000 of weights, as runc maps it.
    let weight = 1 + (cpu_shares - CPU_SHARES_MIN) * 9999 / (CPU_SHARES_MAX - CPU_SHARES_MIN);
    put(directory, "cpu.weight", weight.to_string())?;
    put(directory, "cpu.max", format!("{} {CPU_PERIOD_US}", or_max(cpu_quota_us)))?;
    put(directory, "memory.max", or_max(memory_bytes))
}

/// Files that the kernel does not have here (a controller that is off) are left out.
fn put(directory: &Path, file: &str, value: String) -> io::Result<()> {
    let path = directory.join(file);
    if !path.exists() {
        return Ok(());
    }
    std::fs::write(path, value)
}

/// Children first: a cgroup with children cannot go.
fn remove_tree(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&entry.path());
    }
    if let Err(error) = std::fs::remove_dir(directory) {
        tracing::debug!(cgroup = %directory.display(), %error, "left");
    }
}

/// The pod's sums: shares of all; a quota or limit only when every container has one. Init containers
/// run alone, so the largest of them counts, not their sum.
fn pod_limits(spec: &PodSpec) -> Limits {
    let main = || spec.containers.iter().chain(spec.init_containers.iter().filter(|c| c.sidecar));
    let init = || spec.init_containers.iter().filter(|c| !c.sidecar);
    let sum = |of: fn(&Resources) -> Option<Quantity>| {
        main().filter_map(|c| of(&c.resources)).fold(Quantity::ZERO, Quantity::plus)
    };
    let largest = |of: fn(&Resources) -> Option<Quantity>| {
        init().filter_map(|c| of(&c.resources)).max().unwrap_or(Quantity::ZERO)
    };
    let limit = |of: fn(&Resources) -> Option<Quantity>| {
        let all = |mut containers: Box<dyn Iterator<Item = &Container> + '_>| {
            containers.all(|c| of(&c.resources).is_some())
        };
        let limited = all(Box::new(main())) && all(Box::new(init()));
        limited.then(|| sum(of).max(largest(of)))
    };
    let request = sum(|r| r.cpu_request).max(largest(|r| r.cpu_request));
    Limits {
        cpu_shares: cpu_shares(request),
        cpu_quota_us: limit(|r| r.cpu_limit).map(cpu_quota_us),
        memory_bytes: limit(|r| r.memory_limit).map(Quantity::units),
    }
}

/// 1024 shares a CPU.
pub(crate) fn cpu_shares(request: Quantity) -> i64 {
    (request.milli() * 1024 / 1000).clamp(CPU_SHARES_MIN, CPU_SHARES_MAX)
}

/// Microseconds a period.
pub(crate) fn cpu_quota_us(limit: Quantity) -> i64 {
    (limit.milli() * CPU_PERIOD_US / 1000).max(CPU_QUOTA_MIN_US)
}

/// Who is killed first when memory is short: 1000 surely, -997 hardly ever. A burstable container is the
/// safer the more of the node's memory it asked for.
pub(crate) fn oom_score_adj(spec: &PodSpec, container: &Container, node_memory_bytes: u64) -> i64 {
    match spec.qos {
        QosClass::Guaranteed => -997,
        QosClass::BestEffort => 1000,
        QosClass::Burstable => {
            let request = container.resources.memory_request.unwrap_or(Quantity::ZERO).units();
            let node = i64::try_from(node_memory_bytes).unwrap_or(i64::MAX).max(1);
            let share =
                i64::try_from(i128::from(request) * 1000 / i128::from(node)).unwrap_or(1000);
            (1000 - share).clamp(3, 999)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(containers: serde_json::Value) -> PodSpec {
        let pod = serde_json::json!({"metadata": {"namespace": "ns", "name": "p", "uid": "a-b"},
            "spec": {"containers": containers}});
        crate::pod::decode::decode(pod.to_string().as_bytes()).unwrap().0
    }

    #[test]
    fn amounts_become_kernel_units() {
        let q = |text| Quantity::parse(text).unwrap();
        assert_eq!(
            (cpu_shares(q("1")), cpu_shares(q("1m")), cpu_shares(q("250m"))),
            (1024, 2, 256)
        );
        assert_eq!((cpu_quota_us(q("1500m")), cpu_quota_us(q("1m"))), (150_000, 1000));
    }

    #[test]
    fn a_pod_is_limited_only_when_all_its_containers_are() {
        let limited = serde_json::json!({"name": "a", "image": "i:1",
            "resources": {"limits": {"cpu": "1", "memory": "10Mi"}}});
        let free = serde_json::json!({"name": "b", "image": "i:1"});
        let limits = pod_limits(&pod(serde_json::json!([limited, limited])));
        assert_eq!(limits.memory_bytes, Some(20 << 20));
        assert_eq!((limits.cpu_shares, limits.cpu_quota_us), (2048, Some(200_000)));
        let limits = pod_limits(&pod(serde_json::json!([limited, free])));
        assert_eq!((limits.memory_bytes, limits.cpu_quota_us), (None, None));
    }

    #[test]
    fn names_follow_the_driver() {
        let cgroups = Cgroups::new("/sheave");
        let uid = PodUid("a-b".into());
        let name = |qos, driver| cgroups.parent(qos, &uid, driver);
        assert_eq!(name(QosClass::Guaranteed, CgroupDriver::Cgroupfs), "/sheave/poda-b");
        assert_eq!(name(QosClass::BestEffort, CgroupDriver::Cgroupfs), "/sheave/besteffort/poda-b");
        assert_eq!(
            name(QosClass::Burstable, CgroupDriver::Systemd),
            "sheave-burstable-poda_b.slice"
        );
    }

    #[test]
    fn oom_scores_follow_the_class() {
        let spec = pod(serde_json::json!([{"name": "a", "image": "i:1",
            "resources": {"requests": {"memory": "1Gi"}}}]));
        assert_eq!(oom_score_adj(&spec, &spec.containers[0], 4 << 30), 750);
        let spec = pod(serde_json::json!([{"name": "a", "image": "i:1"}]));
        assert_eq!(oom_score_adj(&spec, &spec.containers[0], 4 << 30), 1000);
    }
}
