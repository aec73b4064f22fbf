//! What a container leaves to say as it ends: the file it wrote, or the end of its log.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::cri::v1;

/// More of a message than this is cut off, as the API does.
const MESSAGE_BYTES_MAX: u64 = 4096;
/// Taken of a log that stands in for a message.
const LOG_LINES: usize = 80;
const LOG_MESSAGE_BYTES_MAX: usize = 2048;

/// Empty when it left nothing.
pub(crate) fn message(status: &v1::ContainerStatus) -> String {
    use crate::cri::{TERMINATION_FILE_ANNOTATION, TERMINATION_LOGS_ANNOTATION};
    let file = status.annotations.get(TERMINATION_FILE_ANNOTATION);
    let written = file.map(|file| head(Path::new(file))).unwrap_or_default();
    let failed = status.exit_code != 0;
    if written.is_empty() && failed && status.annotations.contains_key(TERMINATION_LOGS_ANNOTATION)
    {
        return log_end(Path::new(&status.log_path));
    }
    written
}

fn head(file: &Path) -> String {
    let mut text = Vec::new();
    let read = std::fs::File::open(file)
        .and_then(|file| file.take(MESSAGE_BYTES_MAX).read_to_end(&mut text));
    read.map(|_| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}

fn log_end(log: &Path) -> String {
    let mut tail = Vec::new();
    let read = std::fs::File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(64 << 10)))?;
        file.read_to_end(&mut tail)
    });
    if read.is_err() {
        return String::new();
    }
    let lines: Vec<_> = tail.split_inclusive(|byte| *byte == b'\n').collect();
    let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
    let mut text = Vec::new();
    for line in last {
        if let Some(line) = crate::logs::Line::parse(line) {
            text.extend_from_slice(line.content);
            if !line.partial {
                text.push(b'\n');
            }
        }
    }
    let from = text.len().saturating_sub(LOG_MESSAGE_BYTES_MAX);
    String::from_utf8_lossy(&text[from..]).into_owned()
}
