//! Texts that many rows share: each is stored once and has a number.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::OptionalExtension;

use super::{FIRST_IN_MEMORY, Result, Store, damaged};

/// Number of texts after which the memory of a dictionary is emptied: tags may be as many as contacts.
const MOST_REMEMBERED: usize = 100_000;

/// Number of texts whose order of use is remembered: about the fields of a row.
const IN_ORDER: usize = 64;

/// A table of texts with numbers, and the part of it that was used before.
#[derive(Debug)]
pub(super) struct Dictionary {
    table: &'static str,
    remembered: RefCell<Remembered>,
    // The place of the text that follows the last one in the order of their first use. The fields of a row mostly come in one order.
    next: Cell<usize>,
}

#[derive(Debug, Default)]
struct Remembered {
    numbers: HashMap<Arc<str>, i64>,
    texts: HashMap<i64, Arc<str>>,
    in_order: Vec<(Arc<str>, i64)>,
}

impl Dictionary {
    pub(super) fn of(table: &'static str) -> Self {
        Self { table, remembered: RefCell::default(), next: Cell::new(0) }
    }

    /// Forgets what may have been undone.
    pub(super) fn forget(&self) {
        self.remembered.take();
    }

    /// The number of a text, if it has one.
    pub(super) fn find(&self, store: &Store, text: &str) -> Result<Option<i64>> {
        if let Some(number) = self.find_remembered(text) {
            return Ok(Some(number));
        }
        let mut query = store.db.prepare_cached(&format!("SELECT number FROM {} WHERE name = ?1", self.table))?;
        let number = query.query_row([text], |row| row.get(0)).optional()?;
        if let Some(number) = number {
            self.remember(store, number, text.into());
        }
        Ok(number)
    }

    fn find_remembered(&self, text: &str) -> Option<i64> {
        let remembered = self.remembered.borrow();
        let next = self.next.get();
        if let Some((expected, number)) = remembered.in_order.get(next)
            && **expected == *text
        {
            self.next.set(next + 1);
            return Some(*number);
        }
        // The next row begins, or the field of a key is looked up again.
        for place in [next.wrapping_sub(1), 0] {
            if let Some((other, number)) = remembered.in_order.get(place)
                && **other == *text
            {
                self.next.set(place + 1);
                return Some(*number);
            }
        }
        let number = *remembered.numbers.get(text)?;
        if let Some(place) = remembered.in_order.iter().position(|(_, other)| *other == number) {
            self.next.set(place + 1);
        }
        Some(number)
    }

    /// The number of a text, which gets one if it has none.
    pub(super) fn number(&self, store: &Store, text: &str) -> Result<i64> {
        if let Some(number) = self.find(store, text)? {
            return Ok(number);
        }
        let number = if store.is_read_only {
            let taken = i64::try_from(self.remembered.borrow().numbers.len()).unwrap_or(0);
            FIRST_IN_MEMORY + taken
        } else {
            store.db.prepare_cached(&format!("INSERT INTO {} (name) VALUES (?1)", self.table))?.execute([text])?;
            store.db.last_insert_rowid()
        };
        self.remember(store, number, text.into());
        Ok(number)
    }

    /// The text with this number.
    pub(super) fn text(&self, store: &Store, number: i64) -> Result<Arc<str>> {
        if let Some(text) = self.remembered.borrow().texts.get(&number) {
            return Ok(Arc::clone(text));
        }
        let mut query = store.db.prepare_cached(&format!("SELECT name FROM {} WHERE number = ?1", self.table))?;
        let text: Option<String> = query.query_row([number], |row| row.get(0)).optional()?;
        let text: Arc<str> = text.ok_or_else(|| damaged("a name", "there is none with its number"))?.into();
        self.remember(store, number, Arc::clone(&text));
        Ok(text)
    }

    fn remember(&self, store: &Store, number: i64, text: Arc<str>) {
        let mut remembered = self.remembered.borrow_mut();
        if remembered.numbers.len() >= MOST_REMEMBERED && !store.is_read_only {
            *remembered = Remembered::default();
        }
        if remembered.in_order.len() < IN_ORDER && !remembered.numbers.contains_key(&text) {
            remembered.in_order.push((Arc::clone(&text), number));
        }
        remembered.numbers.insert(Arc::clone(&text), number);
        remembered.texts.insert(number, text);
    }
}
