//! How large a spreadsheet may be, and the fault of one that is larger.

use super::SourceFault;

/// The most that the parts of a spreadsheet may come to when they are unpacked, in bytes; and the most text of its cells.
pub(super) const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// The most cells that a sheet may have, blank ones between others with them.
pub(super) const MAX_CELLS: u64 = 10_000_000;

/// The rows of a sheet, in every program that writes them.
pub(super) const MAX_ROWS: u64 = 1_048_576;

/// The columns of a sheet.
pub(super) const MAX_COLUMNS: u64 = 16_384;

/// The fault of a spreadsheet with more cells or more bytes.
pub(super) const fn too_large() -> SourceFault {
    SourceFault::LargeSheet { cells: MAX_CELLS, mib: MAX_BYTES / (1024 * 1024) }
}
