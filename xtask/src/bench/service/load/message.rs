//! What is asked and answered: 64 bytes each way, by TCP and by UDP.

pub(super) const LEN: usize = 64;
const NAME_LEN: usize = LEN - 8;

/// The first byte of a datagram that wants an answer; others are counted.
pub(super) const QUESTION: u8 = b'?';

/// An answer, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The server's.
    pub(super) name: String,
    /// That it has received so far, without those that want an answer.
    pub(super) datagrams: u64,
}

impl Answer {
    pub(super) fn encode(name: &str, datagrams: u64) -> [u8; LEN] {
        let mut bytes = [b' '; LEN];
        let len = name.len().min(NAME_LEN);
        bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
        bytes[NAME_LEN..].copy_from_slice(&datagrams.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; LEN]) -> Self {
        let mut datagrams = [0; 8];
        datagrams.copy_from_slice(&bytes[NAME_LEN..]);
        let name = String::from_utf8_lossy(&bytes[..NAME_LEN]).trim_end().to_owned();
        Self { name, datagrams: u64::from_le_bytes(datagrams) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let expected = Answer { name: "node-1".to_owned(), datagrams: 1 << 40 };
        assert_eq!(Answer::decode(&Answer::encode("node-1", 1 << 40)), expected);
        let long = "n".repeat(100);
        assert_eq!(Answer::decode(&Answer::encode(&long, 0)).name, "n".repeat(NAME_LEN));
    }
}
