//! Files that are written whole or not at all.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process;

/// Writes a new file beside the old one, with this mode, and puts it in its place.
///
/// # Errors
/// The error of the operating system. The old file is as it was.
pub fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".part-{}", process::id()));
    let part = Path::new(&part);
    // One that a process of the same number left.
    match fs::remove_file(part) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(part)?;
    // The mode of a new file is reduced by the process's umask.
    let is_open = file.set_permissions(Permissions::from_mode(mode));
    let written = is_open
        .and_then(|()| writeln!(file, "{}", text.trim_end()))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(part, path));
    if written.is_err() {
        // The error is what matters. If this fails too, a part is left.
        let _ = fs::remove_file(part);
    }
    written
}
