//! Whose a file is. A configuration names the URL that a token is sent to, and a journal decides what is skipped, so that one
//! which others can write is refused, as ssh and git refuse theirs.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The user whose files every user trusts; containers mount their files so.
const ROOT: u32 = 0;

/// The permission of all users to write.
const WRITABLE_BY_ALL: u32 = 0o002;

/// The permission of all users to read.
const READABLE_BY_ALL: u32 = 0o004;

/// Refuses a file that belongs to another user, or that every user can write.
///
/// # Errors
/// What is wrong, with the command that fixes it.
pub fn check(path: &Path, metadata: &Metadata) -> Result<(), String> {
    let own = rustix::process::geteuid().as_raw();
    let owner = metadata.uid();
    let name = quoted(path);
    if owner != own && owner != ROOT {
        // Root would take the file away from the user whose job it is.
        let how = match own {
            ROOT => format!("run contactsync as that user (`sudo -u '#{owner}'`), or `chown {own} {name}`"),
            own => format!("if it is yours, run `chown {own} {name}`"),
        };
        return Err(format!("it belongs to another user (uid {owner}), who could have changed it; {how}"));
    }
    if metadata.is_file() && metadata.mode() & WRITABLE_BY_ALL != 0 {
        return Err(format!("every user of this machine can write it; run `chmod o-w {name}`"));
    }
    Ok(())
}

/// Refuses a journal, or its log, for the same reasons. A file that does not exist passes.
///
/// # Errors
/// What is wrong, with the file and the command that fixes it.
pub fn check_journal(journal: &Path) -> Result<(), String> {
    // The log lies beside the file that a link leads to.
    let named = journal.canonicalize();
    let mut log = named.as_deref().unwrap_or(journal).as_os_str().to_owned();
    log.push("-wal");
    for path in [journal, Path::new(&log)] {
        if let Ok(metadata) = fs::metadata(path) {
            check(path, &metadata).map_err(|wrong| format!("journal {}: {wrong}", path.display()))?;
        }
    }
    Ok(())
}

/// Whether every user of the machine can read a file.
pub fn is_public(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.mode() & READABLE_BY_ALL != 0
}

/// As a shell takes it for one word.
pub fn quoted(path: &Path) -> String {
    crate::shell::quoted(&path.display().to_string())
}
