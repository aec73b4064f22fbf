//! Kernel modules of an unpacked kernel package, with the modules that they need. Each names those
//! itself, in its `.modinfo`.

use crate::images;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A module as the kernel takes it.
#[derive(Debug)]
pub(super) struct Module {
    /// With underscores, as the kernel names it.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// The modules named, each after those that it needs. One that is not there is built into the kernel,
/// or missing: loading tells.
pub(super) fn closure(tree: &Path, names: &[&str]) -> Result<Vec<Module>> {
    let files = files_below(tree)?;
    let mut modules = Vec::new();
    for name in names {
        add(name, &files, &mut modules)?;
    }
    Ok(modules)
}

fn add(name: &str, files: &BTreeMap<String, PathBuf>, modules: &mut Vec<Module>) -> Result<()> {
    if modules.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let Some(path) = files.get(name) else { return Ok(()) };
    let bytes = read(path)?;
    for needed in needs(&bytes) {
        add(&needed, files, modules)?;
    }
    modules.push(Module { name: name.to_owned(), bytes });
    Ok(())
}

/// Module files by name.
fn files_below(directory: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in directory.read_dir().with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files.append(&mut files_below(&path)?);
        } else if let Some(name) = name_of(&path) {
            files.insert(name, path);
        }
    }
    Ok(files)
}

/// `sch-ingress.ko.xz` is `sch_ingress`.
fn name_of(path: &Path) -> Option<String> {
    let (name, rest) = path.file_name()?.to_str()?.split_once('.')?;
    (rest == "ko" || rest.starts_with("ko.")).then(|| name.replace('-', "_"))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("ko") => std::fs::read(path).with_context(|| path.display().to_string()),
        Some("xz") => {
            let mut command = Command::new(images::static_busybox()?);
            let output =
                command.args(["xz", "-d", "-c"]).arg(path).output().context("busybox xz")?;
            if !output.status.success() {
                bail!("{} cannot be unpacked", path.display());
            }
            Ok(output.stdout)
        }
        _ => bail!("{} is compressed in a way that is not known here", path.display()),
    }
}

/// The names after `depends=`, an entry of its own between zero bytes.
fn needs(module: &[u8]) -> Vec<String> {
    let entry = module.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"depends="));
    let names = String::from_utf8_lossy(entry.unwrap_or_default());
    names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_needs() {
        assert_eq!(needs(b"\0license=GPL\0depends=llc,stp\0name=bridge\0"), ["llc", "stp"]);
        assert_eq!(needs(b"\0depends=\0retpoline=Y\0"), Vec::<String>::new());
    }

    #[test]
    fn each_comes_after_what_it_needs_and_once() {
        let tree = crate::workspace::target_dir().join(format!("modules-{}", std::process::id()));
        std::fs::create_dir_all(tree.join("net")).unwrap();
        for (file, needs) in [("net/bridge.ko", "llc,stp"), ("net/stp.ko", "llc"), ("llc.ko", "")] {
            std::fs::write(tree.join(file), format!("\0depends={needs}\0")).unwrap();
        }
        let modules = closure(&tree, &["bridge", "stp", "builtin"]);
        std::fs::remove_dir_all(&tree).unwrap();
        let names: Vec<String> = modules.unwrap().into_iter().map(|module| module.name).collect();
        assert_eq!(names, ["llc", "stp", "bridge"]);
    }

    #[test]
    fn names_are_the_kernels() {
        assert_eq!(name_of(Path::new("a/nf-log.ko.xz")).as_deref(), Some("nf_log"));
        assert_eq!(name_of(Path::new("modules.order")), None);
    }
}
