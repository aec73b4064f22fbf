//! Bytes as a source of small decisions. When they have run out, all decisions are 0.

/// What a target makes its choices from.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    /// From the first byte on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// True when nothing is left.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.bytes
    }

    /// One of `0..limit`, which is at most 256.
    pub fn below(&mut self, limit: u16) -> u8 {
        (u16::from(self.byte()) % limit) as u8
    }

    /// Up to `max` bytes, as many as the next byte says.
    pub fn slice(&mut self, max: usize) -> &'a [u8] {
        let len = (usize::from(self.byte()) * max / 255).min(self.bytes.len());
        let (taken, rest) = self.bytes.split_at(len);
        self.bytes = rest;
        taken
    }
}
