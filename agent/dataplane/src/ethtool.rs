//! What ethtool(8) would say of an interface, as far as it decides about XDP: its driver, and what it does
//! to packets before anybody sees them.

use std::ffi::{CString, c_char};
use std::io;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

const SIOCETHTOOL: libc::Ioctl = 0x8946;
const GDRVINFO: u32 = 0x03;
const GSTRINGS: u32 = 0x1b;
const GSSET_INFO: u32 = 0x37;
const GFEATURES: u32 = 0x3a;
/// The set of strings that names the features.
const SS_FEATURES: u32 = 4;
/// Bytes of one of them.
const NAME_LEN: usize = 32;

/// Name of the interface's driver.
pub(crate) fn driver(interface: &str) -> io::Result<String> {
    // `struct ethtool_drvinfo`: the command, then the driver's name and other strings, then numbers.
    let mut info = [0u32; 49];
    info[0] = GDRVINFO;
    ask(interface, &mut info)?;
    Ok(text(&bytes(&info[1..1 + NAME_LEN / 4])))
}

/// Those of `wanted` that are switched on, by the names that ethtool shows.
pub(crate) fn features_on<'a>(interface: &str, wanted: &[&'a str]) -> io::Result<Vec<&'a str>> {
    // `struct ethtool_sset_info`: the command, padding, a mask of sets, the length of the one.
    let mut count = [GSSET_INFO, 0, 1 << SS_FEATURES, 0, 0];
    ask(interface, &mut count)?;
    let count = count[4] as usize;
    // `struct ethtool_gstrings`: the command, the set, how many, the strings.
    let mut names = vec![0u32; 3 + count * NAME_LEN / 4];
    (names[0], names[1], names[2]) = (GSTRINGS, SS_FEATURES, count as u32);
    ask(interface, &mut names)?;
    // `struct ethtool_gfeatures`: the command, how many words of bits, and of each word four: those that can
    // be changed, those that were asked for, those that are on, those that never change.
    let words = count.div_ceil(32);
    let mut features = vec![0u32; 2 + words * 4];
    (features[0], features[1]) = (GFEATURES, words as u32);
    ask(interface, &mut features)?;
    let is_on = |index: usize| features[2 + index / 32 * 4 + 2] >> (index % 32) & 1 == 1;
    let names: Vec<String> = names[3..].chunks(NAME_LEN / 4).map(|n| text(&bytes(n))).collect();
    let named = |name: &&&str| names.iter().position(|known| known == **name).is_some_and(is_on);
    Ok(wanted.iter().filter(named).copied().collect())
}

fn ask(interface: &str, data: &mut [u32]) -> io::Result<()> {
    let name = CString::new(interface)?;
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = name.as_bytes_with_nul();
    if name.len() > request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = *from as c_char;
    }
    request.ifr_ifru.ifru_data = data.as_mut_ptr().cast();
    // SAFETY: the request and what it points to live until the call returns; the data begin with a command,
    // and are as long as that and the counts after it say.
    let ret = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if ret == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Up to the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
