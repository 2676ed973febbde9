//! How many files this process may have open: each channel has its locks and its connections. And how large a file may be.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::Failure;

/// What a channel may have open at once: two locks, and connections for the calls on their way.
const PER_CHANNEL: u64 = 10;

/// What the process has open besides: the journal, the input, its own talk.
const BESIDES: u64 = 50;

/// How large a file of this process may become, in bytes; `None` without a limit.
pub fn file_size_limit() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}

/// Makes room for the files of so many channels.
///
/// # Errors
/// A [`Failure`] when the system does not allow so many.
pub fn make_room(channels: usize) -> Result<(), Failure> {
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
    Err(Failure::usage_text(format!(
        "{channels} channels: expected to be allowed {needed} open files, found {}",
        maximum.or(current).unwrap_or_default()
    ))
    .hint("raise the limit (`ulimit -Hn`, LimitNOFILE= of systemd), or part the channels with --shard I/N"))
}
