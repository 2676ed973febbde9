//! The SQL of the columns that the inputs of a source had so far.

use std::collections::BTreeSet;

use super::{Result, Store};
use crate::journal::EarlierColumns;

impl Store {
    pub(in crate::journal) fn columns_of(&self, source: &str) -> Result<EarlierColumns> {
        let mut query = self.db.prepare_cached("SELECT name, is_last FROM columns WHERE source = ?1")?;
        let mut columns = EarlierColumns::default();
        let mut rows = query.query([source])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            if row.get(1)? {
                columns.last.insert(name.clone());
            }
            columns.all.insert(name);
        }
        Ok(columns)
    }

    pub(in crate::journal) fn set_columns(&self, source: &str, names: &BTreeSet<String>) -> Result<()> {
        self.db.execute("UPDATE columns SET is_last = 0 WHERE source = ?1 AND is_last", [source])?;
        let mut insert = self.db.prepare_cached(
            "INSERT INTO columns (source, name, is_last) VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET is_last = 1",
        )?;
        for name in names {
            insert.execute([source, name])?;
        }
        Ok(())
    }
}
