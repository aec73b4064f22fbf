//! Reads the files of one run in the order in which they were written, and tells their lines.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sheave_push::v1::tunnel_data::Kind;

use super::Wanted;
use crate::log_files::files_of_run;
use crate::logs::Line;
use crate::tunnel::{Answers, data};

/// Bytes of one message, unless a line is longer.
const CHUNK_BYTES: usize = 16 << 10;
/// Of the blocks in which the end of a file is looked through.
const BLOCK_BYTES: u64 = 64 << 10;

/// A place in a run's files, and who is told.
pub(super) struct Reader {
    log: PathBuf,
    /// Files that come after the open one.
    waiting: VecDeque<PathBuf>,
    file: BufReader<std::fs::File>,
    /// A line whose end is not written yet.
    line: Vec<u8>,
    wanted: Wanted,
    chunk: Vec<u8>,
    answers: Answers,
}

impl Reader {
    pub(super) fn open(log: &Path, mut wanted: Wanted, answers: Answers) -> std::io::Result<Self> {
        let mut files: VecDeque<_> = files_of_run(log).into();
        let mut offset = 0;
        if let Some(lines) = wanted.tail_lines.take() {
            let mut left = lines;
            let mut first = files.len() - 1;
            loop {
                let (start, found) = tail(&files[first], left)?;
                offset = start;
                left -= found;
                if left == 0 || first == 0 {
                    break;
                }
                first -= 1;
            }
            files.drain(..first);
        }
        let first = files.pop_front().unwrap_or_else(|| log.to_owned());
        let mut file = std::fs::File::open(first)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self {
            log: log.to_owned(),
            waiting: files,
            file: BufReader::new(file),
            line: Vec::new(),
            wanted,
            chunk: Vec::new(),
            answers,
        })
    }

    pub(super) fn read_to_end(mut self) -> std::io::Result<()> {
        self.read_new().map(drop)
    }

    /// Tells all that is there. False: no more is wanted, or nobody listens.
    pub(super) fn read_new(&mut self) -> std::io::Result<bool> {
        loop {
            while self.file.read_until(b'\n', &mut self.line)? > 0 {
                if self.line.ends_with(b"\n") {
                    let line = std::mem::take(&mut self.line);
                    if !self.tell(&line) {
                        self.flush();
                        return Ok(false);
                    }
                }
            }
            let Some(next) = self.next_file()? else { return Ok(self.flush()) };
            self.file = BufReader::new(next);
            self.line.clear();
        }
    }

    /// The file after the open one: one that was there from the start, or the one that took its place.
    fn next_file(&mut self) -> std::io::Result<Option<std::fs::File>> {
        if let Some(next) = self.waiting.pop_front() {
            return std::fs::File::open(next).map(Some);
        }
        let open = self.file.get_ref().metadata()?;
        let Ok(current) = std::fs::metadata(&self.log) else { return Ok(None) };
        if (open.dev(), open.ino()) == (current.dev(), current.ino()) {
            return Ok(None);
        }
        // Written between the last read and the rotation.
        if self.file.fill_buf()?.is_empty() {
            return std::fs::File::open(&self.log).map(Some);
        }
        Ok(None)
    }

    /// False: no more is wanted, or nobody listens.
    fn tell(&mut self, raw: &[u8]) -> bool {
        let Some(line) = Line::parse(raw) else { return true };
        if let Some(since) = self.wanted.since {
            if line.time.parse::<Timestamp>().is_ok_and(|at| at < since) {
                return true;
            }
            // Times only grow.
            self.wanted.since = None;
        }
        let mut text = Vec::with_capacity(raw.len());
        if self.wanted.timestamps {
            text.extend_from_slice(line.time.as_bytes());
            text.push(b' ');
        }
        text.extend_from_slice(line.content);
        if !line.partial {
            text.push(b'\n');
        }
        if let Some(left) = &mut self.wanted.bytes_left {
            text.truncate(*left);
            *left -= text.len();
        }
        self.chunk.extend_from_slice(&text);
        let enough = self.wanted.bytes_left == Some(0);
        if self.chunk.len() >= CHUNK_BYTES {
            return self.flush() && !enough;
        }
        !enough
    }

    /// False: nobody listens.
    fn flush(&mut self) -> bool {
        if self.chunk.is_empty() {
            return !self.answers.is_closed();
        }
        let chunk = std::mem::take(&mut self.chunk);
        self.answers.blocking_send(data(Kind::Data(chunk.into()))).is_ok()
    }
}

/// Where the last `lines` lines of a file begin, and how many of them it has.
fn tail(path: &Path, lines: u64) -> std::io::Result<(u64, u64)> {
    use std::os::unix::fs::FileExt;
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((0, 0)),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    if lines == 0 {
        return Ok((length, 0));
    }
    let mut found = 0;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        let mut block = vec![0; usize::try_from(end - start).unwrap_or(0)];
        file.read_exact_at(&mut block, start)?;
        for (at, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let position = start + at as u64;
            // The last line's own end begins no line.
            if position + 1 == length {
                continue;
            }
            found += 1;
            if found == lines {
                return Ok((position + 1, found));
            }
        }
        end = start;
    }
    Ok((0, if length > 0 { found + 1 } else { 0 }))
}

#[cfg(test)]
mod tests {
    use super::super::blocking;
    use super::*;
    use tokio::sync::mpsc;

    fn line(n: u32) -> String {
        format!("2026-01-01T00:00:{n:02}Z stdout F line {n}\n")
    }

    async fn read(log: &Path, wanted: Wanted) -> String {
        let (answers, mut received) = mpsc::channel(64);
        let log = log.to_owned();
        blocking(move || Reader::open(&log, wanted, answers)?.read_to_end()).await.unwrap();
        let mut text = Vec::new();
        while let Some(message) = received.recv().await {
            if let Some(Kind::Data(bytes)) = message.kind {
                text.extend_from_slice(&bytes);
            }
        }
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn tails_over_rotated_files() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("0.log");
        std::fs::write(dir.path().join("0.log.20260101-000000"), line(1) + &line(2)).unwrap();
        std::fs::write(&log, line(3) + &line(4)).unwrap();
        let tail = |lines| Wanted { tail_lines: Some(lines), ..Wanted::default() };
        assert_eq!(read(&log, Wanted::default()).await, "line 1\nline 2\nline 3\nline 4\n");
        assert_eq!(read(&log, tail(0)).await, "");
        assert_eq!(read(&log, tail(1)).await, "line 4\n");
        assert_eq!(read(&log, tail(2)).await, "line 3\nline 4\n");
        assert_eq!(read(&log, tail(3)).await, "line 2\nline 3\nline 4\n");
        assert_eq!(read(&log, tail(9)).await, "line 1\nline 2\nline 3\nline 4\n");
    }

    #[tokio::test]
    async fn limits_and_times() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("0.log");
        let partial = "2026-01-01T00:00:04Z stderr P par\n2026-01-01T00:00:04Z stderr F tial\n";
        std::fs::write(&log, line(1) + &line(2) + partial).unwrap();
        let wanted = Wanted { bytes_left: Some(9), ..Wanted::default() };
        assert_eq!(read(&log, wanted).await, "line 1\nli");
        let since = Some("2026-01-01T00:00:02Z".parse().unwrap());
        let wanted = Wanted { since, ..Wanted::default() };
        assert_eq!(read(&log, wanted).await, "line 2\npartial\n");
        let wanted = Wanted { timestamps: true, tail_lines: Some(3), ..Wanted::default() };
        assert!(read(&log, wanted).await.starts_with("2026-01-01T00:00:02Z line 2\n"));
    }

    #[test]
    fn a_rotation_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("0.log");
        std::fs::write(&log, line(1)).unwrap();
        let (answers, mut received) = mpsc::channel(64);
        let mut reader = Reader::open(&log, Wanted::default(), answers).unwrap();
        assert!(reader.read_new().unwrap());
        let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        std::io::Write::write_all(&mut file, line(2).as_bytes()).unwrap();
        std::fs::rename(&log, dir.path().join("0.log.1")).unwrap();
        std::fs::write(&log, line(3)).unwrap();
        assert!(reader.read_new().unwrap());
        drop(reader);
        let mut text = Vec::new();
        while let Some(message) = received.blocking_recv() {
            let Some(Kind::Data(bytes)) = message.kind else { panic!() };
            text.extend_from_slice(&bytes);
        }
        assert_eq!(String::from_utf8(text).unwrap(), "line 1\nline 2\nline 3\n");
    }
}
