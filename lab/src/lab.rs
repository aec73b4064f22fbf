//! A lab as a whole: started, found again by another process, changed, taken away. What it is stands in a
//! directory, and who belongs to it in cgroups that are named after it: nothing is remembered by a process.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cgroups::{self, Cgroups};
use crate::error::LabError;
use crate::machine::Machine;
use crate::plan::{Network, Place, Plan};
use crate::spec::{Spec, check_name};
use crate::wire::{self, Wire};
use crate::{node, run};

/// All labs' directories are below this one.
const ROOT: &str = "/var/lib/sheave-lab";
/// From here on others can find the lab.
const RECORD: &str = "lab.json";
const API_LIMIT: Duration = Duration::from_secs(60);
const READY_LIMIT: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A lab that is on this machine.
#[derive(Clone, Debug)]
pub struct Lab {
    record: Record,
    directory: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    spec: Spec,
    network: Network,
    plan: Plan,
}

impl Lab {
    /// Starts one, and waits until its nodes are Ready. `told` hears of each step with the time since the
    /// beginning. What was made before something failed is left for people to look at.
    ///
    /// # Errors
    /// When the order cannot be filled, or something does not come up in time.
    pub fn up(spec: Spec, mut told: impl FnMut(&str, Duration)) -> Result<Self, LabError> {
        let began = Instant::now();
        let mut told = |what: &str| told(what, began.elapsed());
        let lab = Self::prepare(spec)?;
        lab.start_machines()?;
        told("machines are connected");
        let machine = lab.node(1)?;
        node::start_first(&machine, &lab.plan().nodes[0], lab.spec(), lab.plan())?;
        lab.wait_api()?;
        told("the API server answers");
        if lab.spec().nodes > 1 {
            let token = lab.token()?;
            for number in 2..=lab.spec().nodes {
                lab.start_daemons_with(number, Some(&token))?;
            }
        }
        lab.wait_ready(&(1..=lab.spec().nodes).collect::<Vec<_>>(), READY_LIMIT)?;
        told("all nodes are Ready");
        Ok(lab)
    }

    /// Machines with nothing on them yet: directory, network and record.
    fn prepare(spec: Spec) -> Result<Self, LabError> {
        require_root()?;
        spec.check()?;
        let directory = Path::new(ROOT).join(&spec.name);
        if directory.exists() || Cgroups::of_lab(&spec.name).exist() {
            return Err(LabError::Exists(spec.name));
        }
        if Path::new("/run/sheave/agent.sock").exists() {
            return Err(LabError::ClusterHere);
        }
        fs::create_dir_all(&directory)
            .map_err(LabError::io(format!("make {}", directory.display())))?;
        let network = wire::claim_network()?;
        let plan = Plan::new(&spec, network);
        let record = Record { spec, network, plan };
        let text = serde_json::to_vec_pretty(&record).expect("a record is JSON");
        let path = directory.join(RECORD);
        fs::write(&path, text).map_err(LabError::io(format!("write {}", path.display())))?;
        Ok(Self { record, directory })
    }

    fn start_machines(&self) -> Result<(), LabError> {
        let wire = self.machine_of(wire::NAME);
        wire.start("127.0.0.1")?;
        for place in self.plan().machines() {
            self.start_machine(place)?;
        }
        wire.wait()?;
        self.wire(&wire).lay()?;
        for place in self.plan().machines() {
            self.connect(place)?;
        }
        Ok(())
    }

    fn start_machine(&self, place: &Place) -> Result<(), LabError> {
        // Nobody answers there, which a client of it learns at once.
        let resolver = self.plan().routers[place.link][0].to_string();
        self.machine_of(&place.name).start(&resolver)
    }

    fn connect(&self, place: &Place) -> Result<(), LabError> {
        let machine = self.machine_of(&place.name);
        machine.wait()?;
        let wire = self.machine_of(wire::NAME);
        self.wire(&wire).connect(&machine, place)
    }

    /// The one of this name, whoever started it.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(name: &str) -> Result<Self, LabError> {
        require_root()?;
        check_name(name)?;
        let directory = Path::new(ROOT).join(name);
        let text = fs::read(directory.join(RECORD)).map_err(|_| LabError::Absent(name.into()))?;
        let record = serde_json::from_slice(&text).map_err(|_| LabError::Absent(name.into()))?;
        Ok(Self { record, directory })
    }

    /// The names of all that are on this machine.
    pub fn names() -> Vec<String> {
        let entries = fs::read_dir(ROOT).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Takes away whatever there is of a lab of this name, also half of one. Says whether there was any.
    ///
    /// # Errors
    /// When something stays.
    pub fn down(name: &str) -> Result<bool, LabError> {
        require_root()?;
        check_name(name)?;
        let directory = Path::new(ROOT).join(name);
        let cgroups = Cgroups::of_lab(name);
        let was_there = directory.exists() || cgroups.exist();
        // Namespaces, mounts, links and programs go with the last process that has them.
        cgroups.remove()?;
        cgroups::remove_root();
        if let Ok(lab) = Self::open(name) {
            wire::release_network(lab.record.network);
        }
        if directory.exists() {
            fs::remove_dir_all(&directory)
                .map_err(LabError::io(format!("remove {}", directory.display())))?;
        }
        // Of all labs: gone with the last.
        let _ = fs::remove_dir(ROOT);
        Ok(was_there)
    }

    /// What was ordered.
    pub fn spec(&self) -> &Spec {
        &self.record.spec
    }

    /// Names and addresses.
    pub fn plan(&self) -> &Plan {
        &self.record.plan
    }

    /// Where it keeps its things.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The administrator's, for the machine that the lab is on.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    /// A machine by its name; a node also by its number.
    ///
    /// # Errors
    /// When the lab has none of this name.
    pub fn machine(&self, name: &str) -> Result<Machine, LabError> {
        let full = match name.parse::<u32>() {
            Ok(number) => format!("node-{number}"),
            Err(_) => name.to_owned(),
        };
        let mut names: Vec<_> = self.plan().machines().map(|place| place.name.as_str()).collect();
        names.push(wire::NAME);
        if names.contains(&full.as_str()) {
            return Ok(self.machine_of(&full));
        }
        let lab = self.spec().name.clone();
        Err(LabError::NoMachine { lab, name: name.to_owned(), there: names.join(", ") })
    }

    /// Node number `number`, from 1.
    ///
    /// # Errors
    /// As of [`Self::machine`].
    pub fn node(&self, number: usize) -> Result<Machine, LabError> {
        self.machine(&format!("node-{number}"))
    }

    /// Client number `number`, from 1.
    ///
    /// # Errors
    /// As of [`Self::machine`].
    pub fn client(&self, number: usize) -> Result<Machine, LabError> {
        self.machine(&format!("client-{number}"))
    }

    /// Lets nothing pass to or from a machine.
    ///
    /// # Errors
    /// When there is no such machine, or it does not run.
    pub fn cut(&self, name: &str) -> Result<(), LabError> {
        let (place, wire) = (self.place(name)?, self.machine_of(wire::NAME));
        self.wire(&wire).cut(place)
    }

    /// Lets everything pass again.
    ///
    /// # Errors
    /// As of [`Self::cut`].
    pub fn heal(&self, name: &str) -> Result<(), LabError> {
        let (place, wire) = (self.place(name)?, self.machine_of(wire::NAME));
        self.wire(&wire).heal(place)
    }

    /// Whether a machine is cut off.
    ///
    /// # Errors
    /// When there is no such machine.
    pub fn is_cut(&self, name: &str) -> Result<bool, LabError> {
        let (place, wire) = (self.place(name)?, self.machine_of(wire::NAME));
        Ok(self.wire(&wire).is_cut(place))
    }

    /// Kills a daemon of a node: `sheave-agent`, `sheave-server`, `sheave`, `containerd`.
    ///
    /// # Errors
    /// When none runs there.
    pub fn kill(&self, name: &str, program: &str) -> Result<(), LabError> {
        node::kill_daemon(&self.machine(name)?, program)
    }

    /// Asks a node's daemons to end; pods and traffic go on.
    ///
    /// # Errors
    /// When they do not.
    pub fn end_daemons(&self, number: usize) -> Result<(), LabError> {
        node::end(&self.node(number)?)
    }

    /// Starts them again.
    ///
    /// # Errors
    /// When the machine does not run.
    pub fn start_daemons(&self, number: usize) -> Result<(), LabError> {
        self.start_daemons_with(number, None)
    }

    fn start_daemons_with(&self, number: usize, token: Option<&str>) -> Result<(), LabError> {
        let (machine, place) = (self.node(number)?, self.place(&format!("node-{number}"))?);
        match number {
            1 => node::start_first(&machine, place, self.spec(), self.plan()),
            _ => node::start_other(&machine, place, self.spec(), self.plan(), token),
        }
    }

    /// Stops a machine as when its power fails. Its disk stays.
    ///
    /// # Errors
    /// When something of it stays.
    pub fn stop(&self, name: &str) -> Result<(), LabError> {
        self.place(name)?;
        self.machine(name)?.stop()
    }

    /// Starts a machine that was stopped: a new boot, with the disk that it had. Daemons start if it is a node.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(&self, name: &str) -> Result<(), LabError> {
        let (place, machine) = (self.place(name)?.clone(), self.machine(name)?);
        if machine.is_running() {
            return Ok(());
        }
        self.start_machine(&place)?;
        self.connect(&place)?;
        match self.plan().nodes.iter().position(|node| *node == place) {
            Some(index) => self.start_daemons(index + 1),
            None => Ok(()),
        }
    }

    /// Waits until these nodes, by number, are Ready.
    ///
    /// # Errors
    /// When one is not in time; says what each is.
    pub fn wait_ready(&self, numbers: &[usize], limit: Duration) -> Result<(), LabError> {
        const PATH: &str = r#"jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}"#;
        let wanted: Vec<_> = numbers.iter().map(|number| format!("node-{number}=True")).collect();
        run::wait_for("the nodes to be Ready", limit, POLL_INTERVAL, || {
            let said = self.kubectl(&["get", "nodes", "--output", PATH]);
            let text = said.map_err(|error| error.to_string())?;
            let are: Vec<_> = text.split_whitespace().collect();
            if wanted.iter().all(|node| are.contains(&node.as_str())) { Ok(()) } else { Err(text) }
        })
    }

    /// Runs kubectl as the administrator, and returns what it prints.
    ///
    /// # Errors
    /// What it complains of.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, LabError> {
        run::output(Command::new("kubectl").env("KUBECONFIG", self.kubeconfig()).args(arguments))
    }

    /// Waits until the API server answers, and makes the kubeconfig that leads there from here.
    fn wait_api(&self) -> Result<(), LabError> {
        let inside = self.node(1)?.var("lib/sheave/server/admin.kubeconfig");
        let url = node::api_url(self.plan());
        run::wait_for("the API server to answer", API_LIMIT, POLL_INTERVAL, || {
            let text = fs::read_to_string(&inside).map_err(|_| "no kubeconfig is there yet")?;
            let local = text.lines().find_map(|line| line.trim().strip_prefix("server: "));
            let local = local.ok_or("the kubeconfig names no server")?;
            write_private(&self.kubeconfig(), &text.replace(local, &url))?;
            self.kubectl(&["get", "--raw", "/readyz"]).map(drop).map_err(|error| error.to_string())
        })
    }

    /// One that lets the other machines join.
    fn token(&self) -> Result<String, LabError> {
        let line = self.node(1)?.run(&["sheave", "token", "create"])?;
        let token = node::token_of(&line).map(str::to_owned);
        let command = "sheave token create".to_owned();
        token.ok_or(LabError::Program { command, said: line })
    }

    fn place(&self, name: &str) -> Result<&Place, LabError> {
        let name = self.machine(name)?.name().to_owned();
        let found = self.plan().machines().find(|place| place.name == name);
        found.ok_or_else(|| LabError::NoMachine {
            lab: self.spec().name.clone(),
            name,
            there: "nodes and clients".into(),
        })
    }

    fn machine_of(&self, name: &str) -> Machine {
        let Spec { name: lab, programs, .. } = self.spec();
        Machine::new(lab, name, &self.directory, programs)
    }

    fn wire<'a>(&'a self, machine: &'a Machine) -> Wire<'a> {
        let Record { spec, network, plan } = &self.record;
        Wire { machine, spec, plan, network: *network }
    }
}

fn write_private(path: &Path, text: &str) -> Result<(), String> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = File::options().create(true).truncate(true).write(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn require_root() -> Result<(), LabError> {
    if nix::unistd::geteuid().is_root() { Ok(()) } else { Err(LabError::NotRoot) }
}
