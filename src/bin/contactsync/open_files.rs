//! How many files this process may open, since each channel needs locks and connections; and how large a file may become.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a channel may have open at once: two locks, and connections for its calls in flight.
const PER_CHANNEL: u64 = 10;

/// Other files that the process has open: the journal, the input, standard streams.
const BESIDES: u64 = 50;

/// The system does not allow as many open files as the channels need.
#[derive(Debug, thiserror::Error)]
#[error("{} {needed} open files, but the limit is {allowed}", needing(*.channels))]
pub struct TooFewFiles {
    channels: usize,
    needed: u64,
    allowed: u64,
}

fn needing(channels: usize) -> String {
    if channels == 1 { "1 channel needs".to_owned() } else { format!("{channels} channels need") }
}

/// How large a file of this process may become, in bytes; `None` without a limit.
pub fn file_size_limit() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

/// Raises the limit of open files to what this number of channels needs.
///
/// # Errors
/// [`TooFewFiles`] when the system does not allow that many.
pub fn make_room(channels: usize) -> Result<(), TooFewFiles> {
    let needed = u64::try_from(channels).unwrap_or(u64::MAX).saturating_mul(PER_CHANNEL).saturating_add(BESIDES);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // No number means that there is no limit.
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let wanted = maximum.map_or(needed, |maximum| maximum.min(needed));
    if wanted == needed && setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).is_ok() {
        return Ok(());
    }
    Err(TooFewFiles { channels, needed, allowed: maximum.or(current).unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_channels_agrees_with_its_verb() {
        let text = |channels| TooFewFiles { channels, needed: 60, allowed: 20 }.to_string();
        assert_eq!(text(1), "1 channel needs 60 open files, but the limit is 20");
        assert_eq!(text(2), "2 channels need 60 open files, but the limit is 20");
    }
}
