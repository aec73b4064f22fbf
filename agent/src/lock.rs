//! One agent at a time with a set of directories, and no cleanup under a running one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Held as long as it lives; the kernel lets go of it with the process.
pub(crate) struct Lock {
    #[expect(dead_code, reason = "held, not read")]
    file: Flock<File>,
    path: PathBuf,
    /// Directories that were made for it, the outermost first.
    made: Vec<PathBuf>,
}

impl Lock {
    /// Takes it.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let dir = path.parent().unwrap_or(Path::new("/"));
        let mut made: Vec<_> =
            dir.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
        made.reverse();
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let file = File::options().create(true).truncate(false).write(true).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, Errno::EWOULDBLOCK)) => {
                let pid = std::fs::read_to_string(path).unwrap_or_default();
                bail!(
                    "an agent runs with these directories already (process {}): end it first, or choose \
                     another --run-dir and --data-dir",
                    pid.trim()
                )
            }
            Err((_, errno)) => {
                return Err(errno).with_context(|| format!("cannot lock {}", path.display()));
            }
        };
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self { file: lock, path: path.to_owned(), made })
    }

    /// Lets go of it and leaves no trace, after a refusal.
    pub(crate) fn take_back(self) {
        // What else is there by now, somebody else has made: such a directory is not empty and stays.
        let _ = std::fs::remove_file(&self.path);
        for dir in self.made.iter().rev() {
            let _ = std::fs::remove_dir(dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_is_told_who_runs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/agent.lock");
        let first = Lock::take(&path).unwrap();
        let error = Lock::take(&path).err().unwrap().to_string();
        assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
        drop(first);
        let second = Lock::take(&path).unwrap();
        second.take_back();
        assert!(path.parent().unwrap().exists(), "an earlier one made it");
        let elsewhere = dir.path().join("a/b/agent.lock");
        Lock::take(&elsewhere).unwrap().take_back();
        assert!(!dir.path().join("a").exists());
    }
}
