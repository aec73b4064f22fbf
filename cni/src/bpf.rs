//! The four things asked of bpf(2): open a pinned object, write a map, attach a program, pin a link.
//!
//! aya would bring a loader of which nothing is needed here.

use std::ffi::CString;
use std::io;
use std::marker::PhantomData;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sheave_abi::endpoint::{ENDPOINTS_MAX, Endpoint};
use sheave_abi::order::Addr;

/// Why something that is pinned could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BpfError {
    /// The agent has not been there.
    #[error(
        "{} is not pinned: the dataplane of this node is not set up; start sheave-agent, it needs to have \
         run once",
        .0.display()
    )]
    Missing(PathBuf),
    /// Another version's, or somebody else's.
    #[error("{} is not the map that sheave-cni knows: key {key} and value {value} bytes, not 16 and {wanted}; \
             install sheave-cni and sheave-agent of one version", path.display())]
    Layout {
        /// The pin.
        path: PathBuf,
        /// Bytes of a key.
        key: u32,
        /// Bytes of a value.
        value: u32,
        /// Bytes that a value has in this version.
        wanted: usize,
    },
    /// Too many pods.
    #[error("{} is full: a node holds at most {ENDPOINTS_MAX} pod addresses", .0.display())]
    Full(PathBuf),
    /// A call failed.
    #[error("bpf: cannot {verb} {}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The pin.
        path: PathBuf,
        /// The kernel's word.
        #[source]
        source: io::Error,
    },
}

const MAP_LOOKUP_ELEM: libc::c_int = 1;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const MAP_DELETE_ELEM: libc::c_int = 3;
const OBJ_PIN: libc::c_int = 6;
const OBJ_GET: libc::c_int = 7;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const LINK_CREATE: libc::c_int = 28;

/// `enum bpf_attach_type`; kernel 6.6, e420bed02507.
const TCX_INGRESS: u32 = 46;

/// What a map holds of a pod. Integers and byte arrays without padding: any bytes are a value.
pub trait OfPod: Copy {
    /// The map's pin.
    const PIN: &str;
    /// All zero.
    const NOTHING: Self;
}

impl OfPod for Endpoint {
    const PIN: &str = sheave_abi::pins::ENDPOINTS;
    const NOTHING: Self = Self { host_ifindex: 0, pod_mac: [0; 6], host_mac: [0; 6] };
}

/// The cookie of the pod's network namespace.
impl OfPod for u64 {
    const PIN: &str = sheave_abi::pins::NAMESPACES;
    const NOTHING: Self = 0;
}

/// The pinned map of local pods.
pub type Endpoints = PodMap<Endpoint>;

/// The pinned map of their namespaces.
pub type Namespaces = PodMap<u64>;

/// A pinned map of pods, by address.
#[derive(Debug)]
pub struct PodMap<V> {
    fd: OwnedFd,
    path: PathBuf,
    _value: PhantomData<V>,
}

impl<V: OfPod> PodMap<V> {
    /// Opens the pin and checks that it has the layout of `V`.
    ///
    /// # Errors
    /// When it is missing, of another layout, or cannot be opened.
    pub fn open(bpffs_dir: &Path) -> Result<Self, BpfError> {
        let path = bpffs_dir.join(V::PIN);
        let fd = open_pin(&path)?;
        let [key, value] = map_sizes(&fd).map_err(failed("read", &path))?;
        if [key as usize, value as usize] != [size_of::<Addr>(), size_of::<V>()] {
            return Err(BpfError::Layout { path, key, value, wanted: size_of::<V>() });
        }
        Ok(Self { fd, path, _value: PhantomData })
    }

    /// As [`PodMap::open`]; `None` where an older agent has made the maps and this is not among them.
    ///
    /// # Errors
    /// When it is there and cannot be used.
    pub fn open_if_there(bpffs_dir: &Path) -> Result<Option<Self>, BpfError> {
        match Self::open(bpffs_dir) {
            Ok(map) => Ok(Some(map)),
            Err(BpfError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a pod in, over what was there.
    ///
    /// # Errors
    /// When the map is full or the kernel refuses.
    pub fn insert(&self, key: &Addr, value: &V) -> Result<(), BpfError> {
        match self.element(MAP_UPDATE_ELEM, key, value as *const V as u64) {
            Err(error) if error.raw_os_error() == Some(libc::E2BIG) => {
                Err(BpfError::Full(self.path.clone()))
            }
            result => result.map_err(failed("write", &self.path)),
        }
    }

    /// Takes a pod out; none there is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self, key: &Addr) -> Result<(), BpfError> {
        match self.element(MAP_DELETE_ELEM, key, 0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(failed("write", &self.path)),
        }
    }

    /// The pod behind an address.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn get(&self, key: &Addr) -> Result<Option<V>, BpfError> {
        let mut value = V::NOTHING;
        match self.element(MAP_LOOKUP_ELEM, key, &raw mut value as u64) {
            Ok(()) => Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &self.path)(error)),
        }
    }

    /// `value` is the address of a `V`, written by a lookup and read by an update.
    fn element(&self, command: libc::c_int, key: &Addr, value: u64) -> io::Result<()> {
        #[repr(C)]
        struct Element {
            map_fd: u32,
            padding: u32,
            key: u64,
            value: u64,
            flags: u64,
        }
        let attr = Element {
            map_fd: number(&self.fd),
            padding: 0,
            key: key as *const Addr as u64,
            value,
            flags: 0,
        };
        // SAFETY: key and value point to as many bytes as this map's have, as `open` checked, and outlive
        // the call; the callers pass a value that may be written where the command writes it.
        unsafe { bpf(command, &attr) }.map(drop)
    }
}

/// The pinned program for what pods send.
#[derive(Debug)]
pub struct PodIngress {
    fd: OwnedFd,
}

impl PodIngress {
    /// Opens the pin.
    ///
    /// # Errors
    /// When it is missing or cannot be opened.
    pub fn open(bpffs_dir: &Path) -> Result<Self, BpfError> {
        open_pin(&bpffs_dir.join(sheave_abi::pins::POD_INGRESS)).map(|fd| Self { fd })
    }

    /// For netlink, which names programs by descriptor.
    pub fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Attaches to the ingress of an interface as a tcx link, pinned under the interface's name. False on
    /// kernels that have no tcx (before 6.6).
    ///
    /// # Errors
    /// When the kernel has tcx and yet refuses, or the pin cannot be made; nothing is attached then.
    pub fn attach_tcx(
        &self,
        bpffs_dir: &Path,
        interface: &str,
        ifindex: u32,
    ) -> Result<bool, BpfError> {
        let path = link_pin(bpffs_dir, interface);
        #[repr(C)]
        struct LinkCreate {
            prog_fd: u32,
            target_ifindex: u32,
            attach_type: u32,
            flags: u32,
            relative_fd: u32,
            padding: u32,
            expected_revision: u64,
        }
        let attr = LinkCreate {
            prog_fd: number(&self.fd),
            target_ifindex: ifindex,
            attach_type: TCX_INGRESS,
            flags: 0,
            relative_fd: 0,
            padding: 0,
            expected_revision: 0,
        };
        // SAFETY: the attribute holds numbers only.
        let link = match unsafe { bpf(LINK_CREATE, &attr) } {
            // SAFETY: a successful LINK_CREATE answers a new descriptor that nobody else owns.
            Ok(fd) => unsafe { OwnedFd::from_raw_fd(fd) },
            // The attach type is not known.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(false),
            Err(error) => return Err(failed("attach a link for", &path)(error)),
        };
        let dir = bpffs_dir.join(sheave_abi::pins::POD_LINKS_DIR);
        std::fs::create_dir_all(&dir).map_err(failed("make", &dir))?;
        // What an attachment of that name left behind when its interface vanished.
        unpin(&path)?;
        pin(&link, &path).map_err(failed("pin", &path))?;
        Ok(true)
    }
}

/// Where the link of an interface is pinned.
pub fn link_pin(bpffs_dir: &Path, interface: &str) -> PathBuf {
    bpffs_dir.join(sheave_abi::pins::POD_LINKS_DIR).join(interface)
}

/// Removes a pin; none there is no error.
///
/// # Errors
/// When it cannot be removed.
pub fn unpin(path: &Path) -> Result<(), BpfError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn open_pin(path: &Path) -> Result<OwnedFd, BpfError> {
    match object(OBJ_GET, 0, path) {
        // SAFETY: a successful OBJ_GET answers a new descriptor that nobody else owns.
        Ok(fd) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(BpfError::Missing(path.to_owned()))
        }
        Err(error) => Err(failed("open", path)(error)),
    }
}

fn pin(link: &OwnedFd, path: &Path) -> io::Result<()> {
    object(OBJ_PIN, number(link), path).map(drop)
}

fn object(command: libc::c_int, bpf_fd: u32, path: &Path) -> io::Result<RawFd> {
    #[repr(C)]
    struct Object {
        pathname: u64,
        bpf_fd: u32,
        file_flags: u32,
    }
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attr = Object { pathname: path.as_ptr() as u64, bpf_fd, file_flags: 0 };
    // SAFETY: the path is a C string that outlives the call.
    unsafe { bpf(command, &attr) }
}

/// Bytes of a key and of a value.
fn map_sizes(map: &OwnedFd) -> io::Result<[u32; 2]> {
    #[repr(C)]
    struct InfoByFd {
        bpf_fd: u32,
        info_len: u32,
        info: u64,
    }
    // The head of struct bpf_map_info: type, id, key_size, value_size.
    let mut info = [0_u32; 4];
    let attr = InfoByFd {
        bpf_fd: number(map),
        info_len: size_of::<[u32; 4]>() as u32,
        info: &raw mut info as u64,
    };
    // SAFETY: `info` is as long as `info_len` says and outlives the call.
    unsafe { bpf(OBJ_GET_INFO_BY_FD, &attr) }?;
    Ok([info[2], info[3]])
}

fn number(fd: &OwnedFd) -> u32 {
    u32::try_from(fd.as_raw_fd()).expect("a descriptor is never negative")
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BpfError {
    move |source| BpfError::Io { verb, path: path.to_owned(), source }
}

/// # Safety
/// `attr` must be the command's part of union bpf_attr, and its pointers valid for what the command does.
unsafe fn bpf<T>(command: libc::c_int, attr: &T) -> io::Result<RawFd> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes of `attr`; the caller answers for what they hold.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr as *const T, size_of::<T>()) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        fd => Ok(fd as RawFd),
    }
}
