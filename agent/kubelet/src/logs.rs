//! Container logs as the runtime writes them.

/// One line of a log file: `<RFC 3339 time> <stdout|stderr> <F|P> <content>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) time: &'a str,
    /// The container wrote no end of line here: the next line of the stream goes on.
    pub(crate) partial: bool,
    /// Without the end of line.
    pub(crate) content: &'a [u8],
}

impl<'a> Line<'a> {
    /// `None` for what no runtime writes.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (time, rest) = split(line)?;
        let (stream, rest) = split(rest)?;
        let (tags, content) = split(rest).unwrap_or((rest, b""));
        if !matches!(stream, b"stdout" | b"stderr") {
            return None;
        }
        // Tags are separated by colons; the first says whether the line is whole.
        let partial = match tags.split(|byte| *byte == b':').next()? {
            b"F" => false,
            b"P" => true,
            _ => return None,
        };
        Some(Self { time: std::str::from_utf8(time).ok()?, partial, content })
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == b' ')?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_runtimes_write() {
        let line = Line::parse(b"2026-01-01T00:00:00.123456789Z stdout F hello  world\n").unwrap();
        assert_eq!(line.time, "2026-01-01T00:00:00.123456789Z");
        assert_eq!((line.partial, line.content), (false, b"hello  world".as_slice()));
        let line = Line::parse(b"2026-01-01T00:00:00Z stderr P:x abc").unwrap();
        assert_eq!((line.partial, line.content), (true, b"abc".as_slice()));
        assert_eq!(Line::parse(b"T stdout F \n").unwrap().content, b"");
        assert_eq!(Line::parse(b"T stdout F\n").unwrap().content, b"");
        assert_eq!(Line::parse(b"something else"), None);
    }
}
