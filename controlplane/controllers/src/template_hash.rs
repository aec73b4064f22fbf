//! The hash of a pod template, as it becomes part of names and labels. Pure.

/// Letters and digits that spell no words, as in all generated names of Kubernetes.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Ten characters that differ between what is hashed.
pub(crate) fn hash(bytes: impl IntoIterator<Item = u8>) -> String {
    // FNV-1a, 64 bit: the same everywhere and for ever, which a standard hasher does not promise.
    let mut hash = bytes.into_iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let radix = ALPHABET.len() as u64;
    let mut text = String::new();
    for _ in 0..10 {
        text.push(char::from(ALPHABET[(hash % radix) as usize]));
        hash /= radix;
    }
    text
}
