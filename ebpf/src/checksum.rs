//! The Internet checksum (RFC 1071) and how to change it without the data (RFC 1624).

use sheave_abi::order::{Addr, Be16};

/// Folds a sum of 16-bit words to one word, in ones' complement.
#[inline(always)]
pub const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

/// The checksum of a header after one of its words changed: RFC 1624, equation 3.
#[inline(always)]
pub const fn update(checksum: Be16, from: Be16, to: Be16) -> Be16 {
    let sum = !checksum.get() as u32 & 0xffff;
    let sum = sum + (!from.get() as u32 & 0xffff) + to.get() as u32;
    Be16::new(!fold(sum))
}

/// Likewise after an IPv4 address in it changed.
#[inline(always)]
pub const fn update_addr(checksum: Be16, from: [u8; 4], to: [u8; 4]) -> Be16 {
    let checksum = update(checksum, Be16([from[0], from[1]]), Be16([to[0], to[1]]));
    update(checksum, Be16([from[2], from[3]]), Be16([to[2], to[3]]))
}

/// Likewise the checksum of a datagram, where zero says that there is none (RFC 768).
#[inline(always)]
pub const fn update_udp(checksum: Be16, from: Be16, to: Be16) -> Be16 {
    if checksum.get() == 0 {
        return checksum;
    }
    let updated = update(checksum, from, to);
    if updated.get() == 0 { Be16::new(0xffff) } else { updated }
}

/// Adds the 16-bit words of a header to `sum`. `N` is even.
///
/// A function of its own in the program too: unrolled where it is used, it would fill the stack.
#[inline(never)]
pub const fn add<const N: usize>(mut sum: u32, bytes: &[u8; N]) -> u32 {
    let mut i = 0;
    while i + 1 < N {
        sum += Be16([bytes[i], bytes[i + 1]]).get() as u32;
        i += 2;
    }
    sum
}

/// What an address counts for in a sum. The prefix of a mapped one counts for nothing: it is 0xffff.
#[inline(always)]
pub const fn of_addr(addr: &Addr) -> Be16 {
    // The sum of swapped words is the swapped sum (RFC 1071, 1.B).
    let [a, b, c, d] = addr.words();
    let low = (a & 0xffff) + (b & 0xffff) + (c & 0xffff) + (d & 0xffff);
    let high = (a >> 16) + (b >> 16) + (c >> 16) + (d >> 16);
    Be16(fold(low + high).to_ne_bytes())
}

/// The sum of a pseudo-header: of what a transport's checksum covers beside the transport.
#[inline(always)]
pub const fn pseudo(src: &Addr, dst: &Addr, protocol: u8, len: u32) -> u32 {
    of_addr(src).get() as u32 + of_addr(dst).get() as u32 + protocol as u32 + len
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full(bytes: &[u8; 20]) -> Be16 {
        Be16::new(!fold(add(0, bytes)))
    }

    #[test]
    fn example_of_rfc_1624() {
        // Section 4: HC = 0xDD2F, m = 0x5555, m' = 0x3285 gives 0x0000.
        let updated = update(Be16::new(0xdd2f), Be16::new(0x5555), Be16::new(0x3285));
        assert_eq!(updated, Be16::new(0));
    }

    proptest! {
        #[test]
        fn a_datagram_without_a_checksum_stays_so_and_none_with_one_becomes_so(
            sum: [u8; 2], from: [u8; 2], to: [u8; 2],
        ) {
            let (from, to) = (Be16(from), Be16(to));
            let none = Be16::new(0);
            prop_assert_eq!(update_udp(none, from, to), none);
            let updated = update_udp(Be16(sum), from, to);
            prop_assert_eq!(updated == none, Be16(sum) == none);
            let expected = update(Be16(sum), from, to).get() % 0xffff;
            prop_assert!(Be16(sum) == none || updated.get() % 0xffff == expected);
        }

        #[test]
        fn an_address_counts_as_its_bytes(octets: [u8; 16], short: [u8; 4]) {
            let long = Addr::v6(octets);
            prop_assert_eq!(of_addr(&long).get() % 0xffff, fold(add(0, &octets)) % 0xffff);
            let mapped = of_addr(&Addr::v4(short));
            prop_assert_eq!(mapped.get() % 0xffff, fold(add(0, &short)) % 0xffff);
        }

        #[test]
        fn an_update_equals_a_full_sum(mut bytes: [u8; 20], addr: [u8; 4]) {
            bytes[10] = 0;
            bytes[11] = 0;
            let before = full(&bytes);
            let from = [bytes[12], bytes[13], bytes[14], bytes[15]];
            bytes[12..16].copy_from_slice(&addr);
            let after = full(&bytes);
            let updated = update_addr(before, from, addr);
            // Zero has two representations; a receiver accepts both.
            prop_assert!(updated == after || (updated.get() ^ after.get()) == 0xffff);
        }
    }
}
