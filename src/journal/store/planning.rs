//! The state of a plan in progress that is in memory: the rows of each contact so far, and contacts and aliases that are not stored yet.
//!
//! New contacts are stored many at a time and in the order of their keys: one by one, each would write a page of the index.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{OptionalExtension, ToSql, params};

use super::inserting::{insert_each, insert_in_order};
use super::keys::KeyParts;
use super::planned_missing::PlannedMissing;
use super::selected::Selected;
use super::staged::{Found, Staged, StagedValue};
use super::suppressed::Suppressed;
use super::{FIRST_IN_MEMORY, Result, Store, integer};
use crate::core::forecast::Forecast;
use crate::core::planner::EarlierRow;
use crate::core::task::Policy;

/// Number of contacts that are stored at a time, and likewise of aliases. Some 150 bytes each are in memory.
const STORED_TOGETHER: usize = 200_000;

/// Approximate number of bytes of pending rows that are stored at a time when they belong to several runs. In the order of the
/// input, each of a thousand runs would write a page for some of its rows.
const PENDING_TOGETHER: usize = 16 * 1024 * 1024;

/// Number of bytes of a pending row from which on rows are inserted one by one: SQLite copies all rows of a statement.
const LARGE_ROW: usize = 16 * 1024;

/// Number of contact numbers that a plan takes at a time.
const BLOCK: i64 = 10_000;

/// The plans of this process.
#[derive(Debug, Default)]
pub(super) struct Plans {
    /// Those in progress, by the number that their runs share.
    pub open: BTreeMap<i64, OpenPlan>,
    /// The one that the current transaction changes. It is gone if the transaction is rolled back: what it has in memory was undone on
    /// disk.
    pub changed: Option<i64>,
    /// The last finished one of each channel.
    pub finished: BTreeMap<String, FinishedPlan>,
}

/// What is known of a finished plan besides what is stored.
#[derive(Clone, Debug)]
pub(super) struct FinishedPlan {
    pub run: i64,
    pub members: Arc<Members>,
    /// The calls that its pending rows take under this policy; `None` when they have to be counted.
    pub forecast: Option<(Policy, Forecast)>,
    // The new contacts of a dry run.
    pub keys: Option<Arc<OpenPlan>>,
    /// The contacts to which it was limited by name.
    pub named: Arc<HashSet<i64>>,
}

/// A plan in progress.
#[derive(Debug)]
pub(super) struct OpenPlan {
    pub sync: i64,
    /// Whether rows that need nothing are stored, because all rows are listed.
    pub lists_rows: bool,
    /// The contacts that earlier runs rejected.
    pub rejected: HashSet<i64>,
    /// Whether rows of such contacts are not tried again yet.
    pub has_waiting: bool,
    /// The persons whose rows are not planned, and number of those rows.
    pub suppressed: (Suppressed, u64),
    pub seen: SeenContacts,
    /// The contacts to which the runs are limited.
    pub selected: Selected,
    /// Whether any contact has a mark of missing contacts.
    pub has_marks: bool,
    /// Contacts that returned, and from which no mark is to be taken back.
    pub returned: Vec<i64>,
    /// What was found about missing contacts, by run.
    pub missing: BTreeMap<i64, PlannedMissing>,
    pub runs: BTreeMap<i64, RunPlan>,
    // The number of rows without a key, by run and the digest of their content.
    equal: HashMap<(i64, String), u32>,
    // The next number for a contact, and the end of those that were taken.
    numbers: (i64, i64),
    contacts: Staged,
    aliases: Staged,
    // Pending rows that are not stored yet, and how many bytes they take.
    pending: Vec<NewPending>,
    pending_bytes: usize,
}

/// A row for the table of pending rows.
#[derive(Debug)]
pub(super) struct NewPending {
    pub run: i64,
    pub row: i64,
    pub line: i64,
    pub contact: i64,
    pub cells: Option<String>,
    pub content: Vec<u8>,
}

/// The rows of a run so far.
#[derive(Debug)]
pub(super) struct RunPlan {
    pub channel: i64,
    pub rows: u64,
    pub pending: u64,
    pub unchanged: u64,
    pub merged: u64,
    pub rejected: u64,
    /// Rows that are not to be sent, and are only counted.
    pub skipped: u64,
    /// Pending rows that are not to be sent now.
    pub deferred: u64,
    pub forecast: Option<Forecast>,
    // Whether the journal had contacts and aliases of the channel before this plan.
    has_contacts: bool,
    has_aliases: bool,
}

/// Where the row that counts for a contact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Pending,
    /// Only counted, or an item if all rows are listed.
    Unchanged,
    Item,
}

/// The rows that count, by the numbers of their contacts.
#[derive(Debug, Default)]
pub(super) struct SeenContacts {
    pages: HashMap<i64, Box<[SeenRow; PAGE]>>,
}

/// Number of contacts in a page.
const PAGE: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
struct SeenRow {
    // The row times 4, plus where it is; 0 for none.
    row: u64,
    line: u64,
}

/// The contacts of an input, one bit each.
#[derive(Debug, Default)]
pub(super) struct Members {
    words: BTreeMap<i64, u64>,
}

const fn place(contact: i64) -> (i64, usize) {
    // The lowest six bits.
    (contact >> 6, (contact.cast_unsigned() & 63) as usize)
}

impl Plans {
    /// The key of a new contact of a finished dry run, which is stored nowhere.
    pub(super) fn key_in_memory(&self, store: &Store, run: i64, contact: i64) -> Result<Option<KeyParts<'static>>> {
        let keys = self.finished.values().find(|plan| plan.run == run).and_then(|plan| plan.keys.as_ref());
        keys.map_or(Ok(None), |plan| plan.key_of_contact(store, contact))
    }
}

impl SeenContacts {
    pub(super) fn get(&self, contact: i64) -> Option<(EarlierRow, Kept)> {
        let (page, at) = place(contact);
        let SeenRow { row, line } = *self.pages.get(&page)?.get(at)?;
        let kept = match row & 3 {
            1 => Kept::Pending,
            2 => Kept::Unchanged,
            3 => Kept::Item,
            _ => return None,
        };
        Some((EarlierRow { row: row >> 2, line }, kept))
    }

    pub(super) fn set(&mut self, contact: i64, counts: EarlierRow, kept: Kept) {
        let (page, at) = place(contact);
        let kept = match kept {
            Kept::Pending => 1,
            Kept::Unchanged => 2,
            Kept::Item => 3,
        };
        let page = self.pages.entry(page).or_insert_with(|| Box::new([SeenRow::default(); PAGE]));
        page[at] = SeenRow { row: counts.row << 2 | kept, line: counts.line };
    }

    pub(super) fn members(&self) -> Members {
        let bits = |page: &[SeenRow; PAGE]| {
            page.iter().enumerate().filter(|(_, seen)| seen.row != 0).fold(0, |bits, (at, _)| bits | 1 << at)
        };
        Members { words: self.pages.iter().map(|(page, rows)| (*page, bits(rows))).collect() }
    }
}

impl Members {
    pub(super) fn has(&self, contact: i64) -> bool {
        let (word, at) = place(contact);
        self.words.get(&word).is_some_and(|word| word & 1 << at != 0)
    }
}

impl OpenPlan {
    pub(super) fn new(
        sync: i64,
        lists_rows: bool,
        rejected: HashSet<i64>,
        suppressed: Suppressed,
        has_marks: bool,
    ) -> Self {
        Self {
            sync,
            lists_rows,
            rejected,
            has_waiting: false,
            suppressed: (suppressed, 0),
            seen: SeenContacts::default(),
            selected: Selected::default(),
            has_marks,
            returned: Vec::new(),
            missing: BTreeMap::new(),
            runs: BTreeMap::new(),
            equal: HashMap::new(),
            numbers: (0, 0),
            contacts: Staged::default(),
            aliases: Staged::default(),
            pending: Vec::new(),
            pending_bytes: 0,
        }
    }

    pub(super) fn equal_rows(&self, run: i64, digest: &str) -> u32 {
        self.equal.get(&(run, digest.to_owned())).copied().unwrap_or(0)
    }

    pub(super) fn note_equal(&mut self, run: i64, digest: &str, nth: u32) {
        self.equal.insert((run, digest.to_owned()), nth);
    }

    /// The number of a contact that is not stored yet; otherwise, whether a run's channel may have a stored one with this key.
    pub(super) fn staged_contact(
        &self,
        store: &Store,
        (run, channel): (i64, i64),
        key: &KeyParts<'_>,
    ) -> Result<std::result::Result<i64, bool>> {
        let Some(field) = key.find_field(store)? else { return Ok(Err(false)) };
        Ok(match self.contacts.find(channel, field, key.value()) {
            Found::Staged(number) => Ok(number),
            Found::MaybeStored => Err(true),
            Found::Absent => Err(self.runs.get(&run).is_some_and(|run| run.has_contacts)),
        })
    }

    /// Adds a pending row, which is stored later.
    pub(super) fn add_pending(&mut self, store: &Store, pending: NewPending) -> Result<()> {
        self.pending_bytes +=
            size_of::<NewPending>() + pending.content.len() + pending.cells.as_ref().map_or(0, String::len);
        self.pending.push(pending);
        if self.pending_bytes >= PENDING_TOGETHER { self.store_pending(store) } else { Ok(()) }
    }

    /// Stores the pending rows of a batch that is planned, unless they wait for those of other runs.
    pub(super) fn end_batch(&mut self, store: &Store) -> Result<()> {
        if self.runs.len() == 1 { self.store_pending(store) } else { Ok(()) }
    }

    /// Stores the pending rows that are not stored yet.
    pub(super) fn store_pending(&mut self, store: &Store) -> Result<()> {
        let are_large = self.pending_bytes > self.pending.len() * LARGE_ROW;
        self.pending_bytes = 0;
        self.pending.sort_unstable_by_key(|pending| (pending.run, pending.row));
        store.insert_pending(&self.pending, are_large)?;
        self.pending.clear();
        Ok(())
    }

    /// The pending row of an earlier contact that is not stored yet.
    pub(super) fn staged_pending(&self, run: i64, row: i64) -> Option<&NewPending> {
        self.pending.iter().rev().find(|pending| (pending.run, pending.row) == (run, row))
    }

    /// The key of a contact, stored or not.
    pub(super) fn key_of_contact(&self, store: &Store, contact: i64) -> Result<Option<KeyParts<'static>>> {
        match self.contacts.of_contact(contact) {
            Some(StagedValue { field, value, .. }) => KeyParts::stored(store, field, value.to_owned()).map(Some),
            None => store.key_of_contact(contact),
        }
    }

    /// Gives a new contact its number.
    pub(super) fn add_contact(&mut self, store: &Store, channel: i64, key: &KeyParts<'_>) -> Result<i64> {
        if self.numbers.0 == self.numbers.1 {
            self.numbers = if store.is_read_only {
                let first = FIRST_IN_MEMORY.max(self.numbers.1);
                (first, first + BLOCK)
            } else {
                let first = store.take_numbers(BLOCK)?;
                let mut note =
                    store.db.prepare_cached("INSERT INTO contact_blocks (first, last, sync) VALUES (?1, ?2, ?3)")?;
                note.execute([first, first + BLOCK - 1, self.sync])?;
                (first, first + BLOCK)
            };
        }
        let number = self.numbers.0;
        self.numbers.0 += 1;
        let field = key.field(store)?;
        self.contacts.add(StagedValue { contact: number, of: channel, field, value: key.value() });
        if self.contacts.len() >= STORED_TOGETHER && !store.is_read_only {
            self.store_contacts(store)?;
        }
        Ok(number)
    }

    /// The contact of which the input has this value as an alias.
    pub(super) fn new_alias(&self, store: &Store, run: i64, value: &KeyParts<'_>) -> Result<Option<i64>> {
        let Some(field) = value.find_field(store)? else { return Ok(None) };
        match self.aliases.find(run, field, value.value()) {
            Found::Staged(contact) => return Ok(Some(contact)),
            Found::MaybeStored => {}
            Found::Absent => return Ok(None),
        }
        let mut find =
            store.db.prepare_cached("SELECT contact FROM new_aliases WHERE run = ?1 AND field = ?2 AND value = ?3")?;
        Ok(find.query_row(params![run, field, value.value()], |row| row.get(0)).optional()?)
    }

    pub(super) fn add_alias(&mut self, store: &Store, run: i64, value: &KeyParts<'_>, contact: i64) -> Result<()> {
        self.aliases.add(StagedValue { contact, of: run, field: value.field(store)?, value: value.value() });
        if self.aliases.len() >= STORED_TOGETHER {
            self.store_aliases(store)?;
        }
        Ok(())
    }

    fn store_contacts(&mut self, store: &Store) -> Result<()> {
        self.contacts.store(|contacts| {
            let insert = "INSERT INTO contacts (number, channel, field, value)";
            // The table is in the order of the numbers, and its index in that of the keys.
            let is_in_order = contacts.is_sorted_by_key(|staged| staged.contact);
            if is_in_order {
                insert_in_order(&store.db, insert, contacts, contact_columns)
            } else {
                insert_each(&store.db, insert, contacts, contact_columns)
            }
        })
    }

    fn store_aliases(&mut self, store: &Store) -> Result<()> {
        self.aliases.store(|aliases| {
            let insert = "INSERT OR REPLACE INTO new_aliases (run, field, value, contact)";
            insert_each(&store.db, insert, aliases, |StagedValue { contact, of, field, value }| {
                [of, field, value, contact]
            })
        })
    }

    /// Stores the staged contacts, aliases and rows, at the end of the plan.
    pub(super) fn store(&mut self, store: &Store) -> Result<()> {
        self.store_pending(store)?;
        if store.is_read_only {
            return Ok(());
        }
        self.store_contacts(store)?;
        self.store_aliases(store)
    }
}

fn contact_columns<'r>(StagedValue { contact, of, field, value }: &'r StagedValue<'_>) -> [&'r dyn ToSql; 4] {
    [contact, of, field, value]
}

impl RunPlan {
    pub(super) fn begin(store: &Store, channel: i64) -> Result<Self> {
        let has = |table: &str| -> Result<bool> {
            let exists = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE channel = ?1)");
            Ok(store.db.prepare_cached(&exists)?.query_row([channel], |row| row.get(0))?)
        };
        Ok(Self {
            channel,
            rows: 0,
            pending: 0,
            unchanged: 0,
            merged: 0,
            rejected: 0,
            skipped: 0,
            deferred: 0,
            forecast: Some(Forecast::default()),
            has_contacts: has("contacts")?,
            has_aliases: has("aliases")?,
        })
    }

    pub(super) const fn has_aliases(&self) -> bool {
        self.has_aliases
    }

    /// Writes the number of rows that are only counted, with those that were `kept` from the snapshot of the last input.
    pub(super) fn store(&self, store: &Store, run: i64, kept: u64) -> Result<()> {
        let mut write = store.db.prepare_cached(
            "UPDATE runs SET rows = ?2, unchanged = ?3, merged = ?4, kept = ?5, skipped = ?6 WHERE id = ?1",
        )?;
        write.execute(params![
            run,
            integer(self.rows + kept),
            integer(self.unchanged + kept),
            integer(self.merged),
            integer(kept),
            integer(self.skipped)
        ])?;
        Ok(())
    }
}
