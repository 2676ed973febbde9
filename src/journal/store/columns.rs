//! The SQL of the columns that the inputs of a source had so far.

use std::collections::BTreeSet;

use super::{Result, Store};

impl Store {
    pub(in crate::journal) fn columns_of(&self, source: &str) -> Result<BTreeSet<String>> {
        let mut query = self.db.prepare_cached("SELECT name FROM columns WHERE source = ?1")?;
        let names = query.query_map([source], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    pub(in crate::journal) fn add_columns(&self, source: &str, names: &[String]) -> Result<()> {
        let mut insert = self.db.prepare_cached("INSERT OR IGNORE INTO columns (source, name) VALUES (?1, ?2)")?;
        for name in names {
            insert.execute([source, name])?;
        }
        Ok(())
    }
}
