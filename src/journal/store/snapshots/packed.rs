//! Whole numbers in few bytes: each in groups of seven bits, the lowest first, with the sign in the lowest bit.

/// The numbers as bytes.
pub(in crate::journal::store) fn packed(numbers: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in numbers {
        let mut left = (number << 1 ^ number >> 63).cast_unsigned();
        while left >= 0x80 {
            bytes.push((left & 0x7F) as u8 | 0x80);
            left >>= 7;
        }
        bytes.push((left & 0x7F) as u8);
    }
    bytes
}

/// The numbers that some bytes stand for; `None` where the bytes are cut off or a number is too large.
pub(in crate::journal::store) fn unpacked(bytes: &[u8]) -> Option<Vec<i64>> {
    let mut numbers = Vec::with_capacity(bytes.len());
    let (mut left, mut shift) = (0_u64, 0_u32);
    for byte in bytes {
        let bits = u64::from(byte & 0x7F);
        if shift > 63 || bits << shift >> shift != bits {
            return None;
        }
        left |= bits << shift;
        if byte & 0x80 == 0 {
            numbers.push((left >> 1).cast_signed() ^ -(left & 1).cast_signed());
            (left, shift) = (0, 0);
        } else {
            shift += 7;
        }
    }
    (shift == 0).then_some(numbers)
}

/// Each number less the one before it.
pub(in crate::journal::store) fn differences(numbers: impl IntoIterator<Item = i64>) -> impl Iterator<Item = i64> {
    numbers.into_iter().scan(0, |before, number: i64| {
        let difference = number.wrapping_sub(*before);
        *before = number;
        Some(difference)
    })
}

/// The numbers of which these are the [differences].
pub(in crate::journal::store) fn sums(differences: impl IntoIterator<Item = i64>) -> impl Iterator<Item = i64> {
    differences.into_iter().scan(0, |sum: &mut i64, difference| {
        *sum = sum.wrapping_add(difference);
        Some(*sum)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        let numbers = [0, 1, -1, 63, 64, -64, -65, 1 << 40, i64::MAX, i64::MIN, 7];
        assert_eq!(unpacked(&packed(numbers)), Some(numbers.to_vec()));
        assert_eq!(unpacked(&packed(differences(numbers))).map(|read| sums(read).collect()), Some(numbers.to_vec()));
        assert_eq!(packed(differences(1_000..1_100)).len(), 2 + 99);
        let bytes = packed([1 << 40]);
        assert_eq!(unpacked(&bytes[..bytes.len() - 1]), None);
        assert_eq!(unpacked(&[0xFF; 10]), None);
        assert_eq!(unpacked(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7F]), None);
    }
}
