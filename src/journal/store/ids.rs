//! Contact ids as the journal stores them: an integer where the id is its decimal digits, which takes half the space.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

/// A contact id, or another text in a column for contact ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredId(pub String);

/// A contact id that is written, or that is compared with stored ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdToStore<'a>(pub &'a str);

impl<'a> IdToStore<'a> {
    pub(super) fn value(self) -> ToSqlOutput<'a> {
        // Exactly those texts that the integer is written as.
        let number: Option<i64> = self.0.parse().ok().filter(|number| *number >= 0);
        match number.filter(|number| number.to_string() == self.0) {
            Some(number) => ToSqlOutput::from(number),
            None => ToSqlOutput::from(self.0),
        }
    }
}

impl ToSql for IdToStore<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.value())
    }
}

impl FromSql for StoredId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Integer(number) => Ok(Self(number.to_string())),
            ValueRef::Text(_) => value.as_str().map(|text| Self(text.to_owned())),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => Err(FromSqlError::InvalidType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::store::Store;

    #[test]
    fn ids_are_read_back_as_they_were_and_digits_are_integers() {
        let store = Store::in_memory(None).unwrap();
        let upgraded = include_str!("../upgrade_8.sql");
        let expression = upgraded.split_once("SELECT contact, ").unwrap().1.split_once(", content").unwrap().0;
        for (id, is_integer) in [
            ("1776025372480910", true),
            ("0", true),
            ("9223372036854775807", true),
            ("9223372036854775808", false),
            ("007", false),
            ("+521", false),
            ("-5", false),
            ("1.0", false),
            ("1e3", false),
            (" 7", false),
            ("7 ", false),
            ("7\u{0}", false),
            ("٣", false),
            ("cus_1", false),
            ("vb?id~/+00000001=", false),
            ("", false),
        ] {
            let stored = |query: &str| {
                let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, StoredId>(0)?.0, row.get::<_, String>(1)?));
                store.db.query_row(query, [IdToStore(id)], read).unwrap()
            };
            let kind = if is_integer { "integer" } else { "text" };
            assert_eq!(stored("SELECT ?1, typeof(?1)"), (id.to_owned(), kind.to_owned()), "{id:?}");
            // An upgrade stores them in the same way.
            let query = format!("SELECT {expression} AS id, typeof({expression}) FROM (SELECT cast(?1 AS TEXT) AS id)");
            let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, StoredId>(0)?.0, row.get::<_, String>(1)?));
            let upgraded = store.db.query_row(&query, [id], read).unwrap();
            assert_eq!(upgraded, (id.to_owned(), kind.to_owned()), "{id:?}");
        }
    }
}
