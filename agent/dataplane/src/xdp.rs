//! The XDP program at uplinks: where it is attached, and where it is not, why not. tc serves an uplink with
//! it or without it.
//!
//! Native mode alone, in the driver: what the kernel runs for drivers that have none costs more than the tc
//! program that comes after it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use aya::programs::Xdp;
use aya::{Ebpf, TestRun as _, TestRunOptions, TestRunResult};
use sheave_abi::pins::XDP_LINKS_DIR;

use crate::programs::{
    AttachError, DRIVER, DRIVER_HOOK, LoadError, Loaded, attach_error, classifier, object,
    pin_error, pins_in, refused, replaced, unpin_link,
};
use crate::sizes::Sizes;
use crate::{ethtool, interface, sys};

/// Whether XDP is wanted at the uplinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum XdpMode {
    /// Where the driver has it, and the node's own pods lose nothing by it.
    #[default]
    Auto,
    /// Where the driver has it.
    Native,
    /// Nowhere.
    Off,
}

/// Why an uplink is served by tc alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// Nobody wants it.
    Off,
    /// The driver would give up what makes large transfers into pods cheap.
    Costs {
        /// Its name.
        driver: String,
        /// What it would give up.
        what: String,
    },
    /// Somebody else's program is there.
    Taken,
    /// The driver cannot.
    NoNativeMode {
        /// Its name.
        driver: String,
    },
    /// The driver can, but not with the interface as it is.
    Refused {
        /// Its name.
        driver: String,
        /// Of the interface.
        mtu: u32,
        /// What the driver said.
        error: String,
    },
    /// The kernel does not take the program.
    Program(String),
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => write!(f, "XDP is switched off (--xdp off)"),
            Self::Costs { driver, what } => write!(
                f,
                "with XDP the driver {driver} gives up {what}, which slows down what goes to pods of this node; --xdp native has it all the same"
            ),
            Self::Taken => write!(f, "somebody else's XDP program is attached"),
            Self::NoNativeMode { driver } => write!(f, "the driver {driver} has no native XDP"),
            Self::Refused { driver, mtu, error } => write!(
                f,
                "the driver {driver} refuses XDP with the interface as it is, MTU {mtu} ({error})"
            ),
            Self::Program(error) => write!(f, "the kernel refuses the program: {error}"),
        }
    }
}

/// By which way an uplink, of this name, is served: XDP, or tc alone and why.
pub type Served = BTreeMap<String, Result<(), WhyNot>>;

/// What is known of an interface before anything is tried.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Traits {
    driver: String,
    /// Features that make one packet of many, of those that drivers give up for XDP.
    merging: Vec<&'static str>,
}

const MERGING: [&str; 2] = ["rx-gro-hw", "rx-lro"];

impl Traits {
    fn of(name: &str) -> Self {
        Self {
            driver: ethtool::driver(name).unwrap_or_default(),
            merging: ethtool::features_on(name, &MERGING).unwrap_or_default(),
        }
    }
}

/// What speaks against trying.
fn objection(mode: XdpMode, traits: &Traits) -> Option<WhyNot> {
    let costs =
        |what: &str| Some(WhyNot::Costs { driver: traits.driver.clone(), what: what.to_owned() });
    match mode {
        XdpMode::Off => Some(WhyNot::Off),
        XdpMode::Native => None,
        XdpMode::Auto if traits.driver == "veth" => costs("its peer's segmentation (TSO)"),
        XdpMode::Auto if !traits.merging.is_empty() => costs(&traits.merging.join(" and ")),
        XdpMode::Auto => None,
    }
}

/// For which of the uplinks the program is to be loaded.
pub(crate) fn plan(mode: XdpMode, uplinks: &[(String, u32)]) -> Served {
    let decide = |(name, _): &(String, u32)| {
        let objection = objection(mode, &Traits::of(name));
        (name.clone(), objection.map_or(Ok(()), Err))
    };
    uplinks.iter().map(decide).collect()
}

impl Loaded {
    /// With the XDP program, if an uplink is to have it. Should the kernel refuse it, tc serves that uplink
    /// too; but not so where the version before has one that runs, which then goes on with the rest of it.
    pub(crate) fn with_driver(
        mut self,
        bpffs_dir: &Path,
        sizes: Sizes,
        planned: &mut Served,
    ) -> Result<Self, LoadError> {
        if planned.values().all(Result::is_err) {
            return Ok(self);
        }
        match driver_program(bpffs_dir, sizes) {
            Ok(driver) => self.driver = Some(driver),
            Err(error) if is_attached(bpffs_dir) => return Err(error),
            Err(error) => {
                planned.values_mut().filter(|served| served.is_ok()).for_each(|served| {
                    *served = Err(WhyNot::Program(error.to_string()));
                });
            }
        }
        Ok(self)
    }

    /// With the XDP program.
    pub(crate) fn load_driver(mut self, bpffs_dir: &Path, sizes: Sizes) -> Result<Self, LoadError> {
        self.driver = Some(driver_program(bpffs_dir, sizes)?);
        Ok(self)
    }

    /// Puts the XDP program to work where it is planned, and takes it away elsewhere.
    pub(crate) fn attach_driver(
        &mut self,
        bpffs_dir: &Path,
        uplinks: &[(String, u32)],
        planned: Served,
    ) -> Result<Served, AttachError> {
        let program = self.driver.as_mut().map(|object| xdp_of(object).fd());
        let program = program.transpose().map_err(|e| attach_error(DRIVER_HOOK, "uplinks", e))?;
        attach(bpffs_dir, program.map(|fd| fd.as_fd()), uplinks, planned)
    }

    /// Runs a packet program on a frame.
    pub(crate) fn test_run(
        &mut self,
        program: &str,
        options: TestRunOptions<'_>,
    ) -> Result<TestRunResult, AttachError> {
        let result = match program {
            DRIVER_HOOK => self.driver().test_run(options),
            _ => classifier(self.packets_mut(), program).test_run(options),
        };
        result.map_err(|error| attach_error("a packet program", "a test frame", error))
    }

    /// The XDP program, for packet tables.
    pub(crate) fn driver(&mut self) -> &mut Xdp {
        xdp_of(self.driver.as_mut().expect("packet tables load it"))
    }
}

fn driver_program(bpffs_dir: &Path, sizes: Sizes) -> Result<Ebpf, LoadError> {
    let mut driver = object("driver", DRIVER, bpffs_dir, sizes)?;
    xdp_of(&mut driver).load().map_err(|error| refused(DRIVER_HOOK, error))?;
    Ok(driver)
}

fn xdp_of(object: &mut Ebpf) -> &mut Xdp {
    let program =
        object.program_mut(DRIVER_HOOK).expect("the object holds the program it was built with");
    program.try_into().expect("its section makes it an XDP program")
}

/// Puts the program to work where it is planned, in place of the one that runs there; takes it away
/// elsewhere. Says what came of it.
pub(crate) fn attach(
    bpffs_dir: &Path,
    program: Option<BorrowedFd<'_>>,
    uplinks: &[(String, u32)],
    mut planned: Served,
) -> Result<Served, AttachError> {
    let directory = bpffs_dir.join(XDP_LINKS_DIR);
    let mut kept = Vec::new();
    for (name, index) in uplinks {
        let Some(served) = planned.get_mut(name) else { continue };
        if let (Ok(()), Some(program)) = (&served, program) {
            let path = pin_of(&directory, name);
            *served = attach_one(program, (name, *index), &path)?;
            if served.is_ok() {
                kept.push(path);
            }
        }
    }
    for path in pins_in(&directory)?.iter().filter(|path| !kept.contains(path)) {
        unpin_link(path)?;
    }
    Ok(planned)
}

/// Whether the program is attached at any uplink.
pub(crate) fn is_attached(bpffs_dir: &Path) -> bool {
    pins_in(&bpffs_dir.join(XDP_LINKS_DIR)).is_ok_and(|pins| !pins.is_empty())
}

fn attach_one(
    program: BorrowedFd<'_>,
    (name, index): (&str, u32),
    path: &Path,
) -> Result<Result<(), WhyNot>, AttachError> {
    if replaced(path, program, |info| info.ifindex() == index)? {
        return Ok(Ok(()));
    }
    match sys::link_xdp(program, index) {
        Ok(link) => {
            sys::replace_pin(link.as_fd(), path).map_err(pin_error("pin", path))?;
            Ok(Ok(()))
        }
        Err(error) => Ok(Err(refusal(name, index, &error))),
    }
}

/// What the kernel means by an error; its words it keeps to itself.
fn refusal(name: &str, index: u32, error: &io::Error) -> WhyNot {
    let driver = ethtool::driver(name).unwrap_or_default();
    match error.raw_os_error() {
        // In the same mode, or in another.
        Some(libc::EBUSY | libc::EEXIST) => WhyNot::Taken,
        Some(libc::EOPNOTSUPP) => WhyNot::NoNativeMode { driver },
        _ => {
            let mtu = interface::mtu(index).unwrap_or(0);
            WhyNot::Refused { driver, mtu, error: error.to_string() }
        }
    }
}

/// Names in a BPF file system hold no dots, and names of interfaces no colons.
fn pin_of(directory: &Path, uplink: &str) -> PathBuf {
    directory.join(uplink.replace('.', ":"))
}

/// Whether our XDP program is attached at an uplink, and if not, what is known to speak against it; an agent
/// may know more.
pub fn xdp_at(bpffs_dir: &Path, uplink: &str) -> Result<(), Option<WhyNot>> {
    match pin_of(&bpffs_dir.join(XDP_LINKS_DIR), uplink).exists() {
        true => Ok(()),
        false => Err(objection(XdpMode::Auto, &Traits::of(uplink))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traits(driver: &str, merging: &[&'static str]) -> Traits {
        Traits { driver: driver.into(), merging: merging.into() }
    }

    #[test]
    fn left_to_itself_it_takes_nothing_from_pods() {
        let auto = |traits| objection(XdpMode::Auto, &traits).map(|why| why.to_string());
        assert_eq!(auto(traits("ice", &[])), None);
        assert!(auto(traits("veth", &[])).unwrap().contains("veth gives up its peer's"));
        let virtio = auto(traits("virtio_net", &["rx-gro-hw"])).unwrap();
        assert!(virtio.contains("virtio_net gives up rx-gro-hw,"), "{virtio}");
    }

    #[test]
    fn who_asks_for_it_gets_it_and_who_does_not_want_it_does_not() {
        let veth = traits("veth", &["rx-lro"]);
        assert_eq!(objection(XdpMode::Native, &veth), None);
        assert_eq!(objection(XdpMode::Off, &traits("ice", &[])), Some(WhyNot::Off));
    }

    #[test]
    fn errors_are_told_apart() {
        let why = |errno| refusal("lo", 1, &io::Error::from_raw_os_error(errno));
        assert_eq!(why(libc::EBUSY), WhyNot::Taken);
        assert_eq!(why(libc::EEXIST), WhyNot::Taken);
        assert!(matches!(why(libc::EOPNOTSUPP), WhyNot::NoNativeMode { .. }));
        let WhyNot::Refused { mtu, error, .. } = why(libc::ERANGE) else { panic!() };
        assert!(mtu > 0 && error.contains("out of range"), "{mtu} {error}");
    }
}
