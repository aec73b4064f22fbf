//! An agent whose kernel programs do not load: a copy of the agent's program, with one instruction of
//! `pod_ingress` overwritten so that every verifier refuses it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

/// Machine number of BPF in an ELF header.
const EM_BPF: u16 = 247;
/// `exit`: as the first instruction it returns a register that nothing was written to.
const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];

/// Copies the agent's program to `to`, with a program that the kernel refuses.
pub(crate) fn copy_with_a_refused_program(agent: &Path, to: &Path) {
    let mut bytes = std::fs::read(agent).unwrap();
    let at = first_instruction(&bytes, "pod_ingress");
    bytes[at..at + EXIT.len()].copy_from_slice(&EXIT);
    std::fs::write(to, bytes).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Where a kernel program begins in the agent's program, which carries the objects as they were built.
fn first_instruction(agent: &[u8], name: &str) -> usize {
    let starts = agent.windows(20).enumerate().filter(|(_, header)| {
        header.starts_with(b"\x7fELF") && u16::from_le_bytes([header[18], header[19]]) == EM_BPF
    });
    let found = starts.filter_map(|(start, _)| {
        let elf = ElfFile64::<object::LittleEndian>::parse(&agent[start..]).ok()?;
        let symbol = elf.symbols().find(|symbol| symbol.name() == Ok(name))?;
        let section = elf.section_by_index(symbol.section_index()?).ok()?;
        let (offset, _) = section.file_range()?;
        Some(start + offset as usize + (symbol.address() - section.address()) as usize)
    });
    let found: Vec<usize> = found.collect();
    assert_eq!(found.len(), 1, "the agent carries the program {name} once");
    found[0]
}
