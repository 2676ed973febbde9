//! Size limits of a spreadsheet.

use super::SourceFault;

/// Maximum uncompressed size of all parts of a spreadsheet, and maximum size of the text of its cells, in bytes.
pub(super) const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// Maximum number of cells in a sheet, including blank ones between others.
pub(super) const MAX_CELLS: u64 = 10_000_000;

/// Maximum number of rows of a sheet, in all common programs.
pub(super) const MAX_ROWS: u64 = 1_048_576;

/// Maximum number of columns of a sheet.
pub(super) const MAX_COLUMNS: u64 = 16_384;

/// The fault of a spreadsheet that exceeds the limits.
pub(super) const fn too_large() -> SourceFault {
    SourceFault::LargeSheet { cells: MAX_CELLS, mib: MAX_BYTES / (1024 * 1024) }
}
