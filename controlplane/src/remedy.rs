//! What went wrong at start, as one sentence with what to do about it.

use std::io;

/// The error with its causes, and the remedy where one is known.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    let mut sentence = causes.join(": ");
    if let Some(remedy) = remedy(error) {
        sentence.push_str(": ");
        sentence.push_str(remedy);
    }
    sentence
}

fn remedy(error: &anyhow::Error) -> Option<&'static str> {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>())?;
    match io.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free some space, or choose another place with --data-dir")
        }
        io::ErrorKind::PermissionDenied => {
            Some("run as root, or choose a directory of your own with --data-dir")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("mount it writable, or choose another place with --data-dir")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Some("move that file away, or choose another place with --data-dir")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_full_disk_names_file_cause_and_remedy() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = Err::<(), _>(full).context("cannot write /x/ca.key").unwrap_err();
        let sentence = sentence(&error);
        assert!(sentence.starts_with("cannot write /x/ca.key: "), "{sentence}");
        assert!(sentence.ends_with("free some space, or choose another place with --data-dir"));
    }

    #[test]
    fn what_needs_no_remedy_gets_none() {
        assert_eq!(sentence(&anyhow::anyhow!("too small")), "too small");
    }
}
