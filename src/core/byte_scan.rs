//! Scans text for bytes, eight at a time: at the release build's `opt-level`, the compiler does not vectorise loops (benchmark:
//! `reading`).

/// A word with 1 in each of its bytes.
const ONES: u64 = 0x0101_0101_0101_0101;

/// A word with the highest bit of each of its bytes.
const HIGHEST: u64 = 0x80 * ONES;

/// Whether `is_found` holds for any byte. `may_be_found` must hold for each word of eight bytes that contains such a byte.
pub(super) fn any(text: &str, may_be_found: impl Fn(u64) -> bool, is_found: impl Fn(u8) -> bool) -> bool {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let in_word = |word: &[u8; 8]| may_be_found(u64::from_ne_bytes(*word)) && word.iter().any(|byte| is_found(*byte));
    words.iter().any(in_word) || rest.iter().any(|byte| is_found(*byte))
}

/// Where `byte` stands in `text`, in ascending order.
#[inline]
pub(crate) fn positions(text: &[u8], byte: u8) -> impl Iterator<Item = usize> {
    let (words, rest) = text.as_chunks::<8>();
    let in_words = words.iter().map(move |word| equal_to(u64::from_le_bytes(*word), byte));
    let mut words = (0..).step_by(8).zip(in_words.chain([equal_to_rest(rest, byte)]));
    let (mut start, mut found) = (0, 0);
    std::iter::from_fn(move || {
        while found == 0 {
            (start, found) = words.next()?;
        }
        // The first byte of a word is its lowest.
        let at = found.trailing_zeros() / 8;
        found &= found - 1;
        Some(start + at as usize)
    })
}

// The highest bit of each byte of the word that is `byte`, and no other bit.
#[inline]
const fn equal_to(word: u64, byte: u8) -> u64 {
    let other = word ^ (ONES * byte as u64);
    // The highest bit of each byte that has one of its lower seven bits set.
    let low = (other & !HIGHEST) + (HIGHEST - ONES);
    !(low | other) & HIGHEST
}

// As `equal_to`, for the last bytes of a text, of which there are fewer than eight.
#[inline]
fn equal_to_rest(bytes: &[u8], byte: u8) -> u64 {
    bytes.iter().rev().fold(0, |found, other| found << 8 | if *other == byte { 0x80 } else { 0 })
}

/// Whether a byte of the word is not ASCII.
#[inline]
pub(super) const fn has_non_ascii(word: u64) -> bool {
    word & HIGHEST != 0
}

/// Whether a byte of the word is less than `limit`, which is at most 128.
#[inline]
pub(super) const fn has_below(word: u64, limit: u8) -> bool {
    word.wrapping_sub(ONES * limit as u64) & !word & HIGHEST != 0
}

/// Whether a byte of the word is `byte`.
#[inline]
pub(super) const fn has(word: u64, byte: u8) -> bool {
    has_below(word ^ (ONES * byte as u64), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_seen_at_each_place_of_a_word_and_beside_each_other_byte() {
        for byte in 0..=u8::MAX {
            for (at, other) in (0..8).flat_map(|at| [0, b' ', b'a', 0x7F, 0x80, 0xFF].map(|other| (at, other))) {
                let mut bytes = [other; 8];
                bytes[at] = byte;
                let word = u64::from_ne_bytes(bytes);
                assert_eq!(has_non_ascii(word), bytes.iter().any(|byte| *byte >= 0x80), "{bytes:x?}");
                for limit in [1, b' ', 0x80] {
                    assert_eq!(has_below(word, limit), bytes.iter().any(|byte| *byte < limit), "{bytes:x?} {limit}");
                }
                for wanted in [0, b'a', 0x7F, 0xC2] {
                    assert_eq!(has(word, wanted), bytes.contains(&wanted), "{bytes:x?} {wanted}");
                }
            }
        }
    }

    #[test]
    fn every_position_of_a_byte_is_found() {
        let mut chance = fastrand::Rng::with_seed(1);
        for length in 0..2_000 {
            let text: Vec<u8> = (0..length % 50).map(|_| *chance.choice(b"\0,-\xac,,+a\xff").unwrap()).collect();
            for byte in [b',', 0, 0xFF] {
                let expected: Vec<usize> = (0..text.len()).filter(|at| text[*at] == byte).collect();
                assert_eq!(positions(&text, byte).collect::<Vec<_>>(), expected, "{text:?} {byte}");
            }
        }
    }

    #[test]
    fn text_of_any_length_is_scanned_to_its_end() {
        let is_found = |text: &str| any(text, |word| has(word, b'x'), |byte| byte == b'x');
        for length in 0..40 {
            assert!(!is_found(&"a".repeat(length)));
            for at in 0..=length {
                assert!(is_found(&format!("{}x{}", "a".repeat(at), "a".repeat(length - at))), "{length} {at}");
            }
        }
    }
}
