//! Routes the rows of an input as they are read, and notes on the way what concerns the whole input: totals below the rows,
//! and whether there are tags to mirror.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::core::diff::TagsMode;
use crate::core::mapping::{BlockedPath, Mapping, TagArtifact, UnseenPaths};
use crate::core::model::Key;
use crate::core::record::{Cells, Record, Texts};
use crate::core::routing::{NotRouted, RoutedRow, RoutingTable};
use crate::input::{Detected, NoticeKind, Row};

/// An input whose tags are to be mirrored has no column or key of tags. Mirroring it would remove all tags.
#[derive(Debug)]
pub(super) struct NoTags;

/// Routes rows. Several threads may use it.
#[derive(Debug)]
pub(super) struct RowRouter<'a> {
    table: RoutingTable,
    mapping: &'a Mapping,
    detected: Detected,
    unseen: UnseenPaths,
    has_rows: AtomicBool,
    // Whether a row mentions tags, or none needs to.
    has_tags: AtomicBool,
}

impl<'a> RowRouter<'a> {
    /// Begins before the first row. With [`TagsMode::Add`], no row needs to mention tags.
    pub fn new(table: RoutingTable, mapping: &'a Mapping, detected: &Detected, tags_mode: TagsMode) -> Self {
        let needs_tags = match tags_mode {
            TagsMode::Mirror | TagsMode::MirrorAll => true,
            TagsMode::Add => false,
        };
        Self {
            table,
            mapping,
            detected: detected.clone(),
            unseen: mapping.unseen_paths(),
            has_rows: AtomicBool::new(false),
            has_tags: AtomicBool::new(!needs_tags),
        }
    }

    /// Routes one row.
    ///
    /// # Errors
    /// Why the row goes to none of the destinations.
    pub fn route(&self, row: &Row) -> Result<RoutedRow, NotRouted> {
        let record = match row {
            Row::Record(record) => Ok(record),
            Row::Rejected(rejection) => Err(rejection),
        };
        let routed = self.table.route(record, self.mapping);
        if let Ok(record) = record {
            self.unseen.note(record);
            for BlockedPath { path, at, cause } in self.mapping.blocked_paths(record) {
                let kind = NoticeKind::BlockedPath { path: path.into(), at: at.into(), cause };
                self.detected.add_notice(kind, record.line);
            }
            for TagArtifact { column, text } in self.mapping.tag_artifacts(record) {
                let kind = NoticeKind::TagArtifact { column: column.into(), text: text.into() };
                self.detected.add_notice(kind, record.line);
            }
            match &routed {
                Ok(_) => self.look_for_tags(record),
                // Only the last row is a total, and it may be read twice.
                Err(NotRouted::Total) => self.detected.set_notice(NoticeKind::Total, record.line),
                Err(NotRouted::LeftOut | NotRouted::OtherChannel | NotRouted::NoChannel) => {}
            }
        }
        routed
    }

    /// The keys by which the contact of a rejected row may be known; none of a row that cannot be read.
    pub fn keys(&self, row: &Row) -> Vec<Key> {
        match row {
            Row::Record(record) => self.mapping.keys(record),
            Row::Rejected(_) => Vec::new(),
        }
    }

    /// Notes a row that was recognised as unchanged, and so need not be routed.
    pub fn note_unchanged(&self, record: &Record) {
        self.unseen.note(record);
        self.look_for_tags(record);
    }

    /// Notes rows of a table that were skipped, because they are unchanged. What they have is shown by the columns alone.
    pub fn note_skipped(&self) {
        self.look_for_tags(&Record { row: 0, line: 0, cells: Cells::Texts(Texts::default()), total: None });
    }

    // A row that is not sent here removes no tags here.
    fn look_for_tags(&self, record: &Record) {
        if self.has_tags.load(Ordering::Relaxed) {
            return;
        }
        self.has_rows.store(true, Ordering::Relaxed);
        if self.mapping.mentions_tags(record) {
            self.has_tags.store(true, Ordering::Relaxed);
        }
    }

    /// Checks, after the last row, whether the input may be used, and adds a notice for each path that no row has.
    ///
    /// # Errors
    /// [`NoTags`] when tags are to be mirrored, the input has rows, and none of them mentions tags.
    pub fn finish(self) -> Result<(), NoTags> {
        for path in self.unseen.paths() {
            self.detected.add_notice(NoticeKind::UnseenPath(path.into()), 1);
        }
        if self.has_rows.into_inner() && !self.has_tags.into_inner() { Err(NoTags) } else { Ok(()) }
    }
}
