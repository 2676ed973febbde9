//! `--shard I/N`: a stable share of the channels, for one of several machines.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The share number `index` of `count` shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// Whether a channel is in this share. Each channel is in exactly one of the shares; when one share is added,
    /// channels move only into the new one.
    pub fn keeps(self, channel: &str) -> bool {
        share(channel, self.count) == self.index
    }

    /// Whether it is the share that does what must be done once.
    pub const fn is_first(self) -> bool {
        self.index == 0
    }
}

/// The share of a channel: "jump consistent hash" (Lamping and Veach, 2014) over the name's digest.
///
/// It follows the channel through a growing count of shares: at each count, a random number (seeded by the name) decides whether it
/// jumps into the newest share, and the next jump is computed rather than tried.
fn share(channel: &str, count: u32) -> u32 {
    let digest = Sha256::digest(channel.as_bytes());
    let mut chance = u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"));
    let (mut share, mut next) = (0, 0);
    while next < count {
        share = next;
        chance = chance.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let roll = f64::from(u32::try_from(chance >> 33).expect("31 bits are left")) + 1.0;
        let jump = f64::from(share + 1) * (f64::from(1_u32 << 31) / roll);
        // Values beyond all counts saturate.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and saturates"
        )]
        {
            next = jump as u32;
        }
    }
    share
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = || format!("expected I/N with I from 0 to N-1, such as 0/4, found `{text}`");
        let (index, count) = text.split_once('/').ok_or_else(expected)?;
        let (index, count) = (index.parse().map_err(|_| expected())?, count.parse().map_err(|_| expected())?);
        if index < count { Ok(Self { index, count }) } else { Err(expected()) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        (0..10_000).map(|number| format!("channel {number}")).collect()
    }

    #[test]
    fn a_share_is_where_it_always_was() {
        let check = |channel: &str, shares: [u32; 4]| {
            assert_eq!([1, 2, 5, 100].map(|count| share(channel, count)), shares, "{channel}");
        };
        // They decide which machine has a channel's journal, so they never change.
        check("default", [0, 1, 2, 51]);
        check("viber", [0, 0, 3, 8]);
        check("México", [0, 0, 0, 79]);
    }

    #[test]
    fn shares_are_of_one_size_and_move_only_into_a_new_one() {
        for count in [2, 3, 8, 64] {
            let mut sizes = vec![0_usize; count as usize];
            for name in names() {
                let (before, after) = (share(&name, count), share(&name, count + 1));
                sizes[before as usize] += 1;
                assert!(after == before || after == count, "{name}: {before} of {count}, then {after}");
            }
            let fair = 10_000 / count as usize;
            let spread = fair / 4 + 20;
            assert!(sizes.iter().all(|&size| size.abs_diff(fair) < spread), "{count}: {sizes:?}");
        }
    }

    #[test]
    fn a_share_is_one_of_several() {
        let parse = str::parse::<Shard>;
        assert_eq!(parse("3/4"), Ok(Shard { index: 3, count: 4 }));
        let keepers = |name: &str| (0..4).filter(|&index| Shard { index, count: 4 }.keeps(name)).count();
        assert!(names().iter().all(|name| keepers(name) == 1));
        assert!(parse("0/4").unwrap().is_first() && !parse("1/4").unwrap().is_first());
        for text in ["4/4", "0/0", "1", "/4", "1/", "-1/4", "a/b", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
