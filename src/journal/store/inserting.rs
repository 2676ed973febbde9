//! Inserts many rows with few executions of a statement. Each execution searches the table from its root; within one, a row that
//! becomes the last one of the table after another is added without a search (benchmark: `night`).

use rusqlite::{Connection, ToSql};

use super::Result;

/// Number of rows that one execution inserts.
const TOGETHER: usize = 32;

/// Inserts rows in the order of the table, most of them after its last row. `insert` is the statement up to its values, and `columns`
/// are those of a row.
///
/// Otherwise, [`insert_each`] is faster: SQLite keeps a copy of each page that a statement with several rows changes, so that it can
/// undo the statement alone, and writes the copies to a file if they exceed 64 KB.
pub(super) fn insert_in_order<R, const COLUMNS: usize>(
    db: &Connection,
    insert: &str,
    rows: &[R],
    columns: impl for<'r> Fn(&'r R) -> [&'r dyn ToSql; COLUMNS],
) -> Result<()> {
    let (together, rest) = rows.as_chunks::<TOGETHER>();
    insert_rows(db, insert, (together.as_flattened(), TOGETHER), &columns)?;
    insert_each(db, insert, rest, columns)
}

/// Inserts rows in any order, each by an execution of the statement.
pub(super) fn insert_each<R, const COLUMNS: usize>(
    db: &Connection,
    insert: &str,
    rows: &[R],
    columns: impl for<'r> Fn(&'r R) -> [&'r dyn ToSql; COLUMNS],
) -> Result<()> {
    insert_rows(db, insert, (rows, 1), columns)
}

fn insert_rows<R, const COLUMNS: usize>(
    db: &Connection,
    insert: &str,
    (rows, together): (&[R], usize),
    columns: impl for<'r> Fn(&'r R) -> [&'r dyn ToSql; COLUMNS],
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let row = format!("({})", vec!["?"; COLUMNS].join(", "));
    let mut statement = db.prepare_cached(&format!("{insert} VALUES {}", vec![&*row; together].join(", ")))?;
    for rows in rows.chunks(together) {
        for (parameter, value) in (1..).zip(rows.iter().flat_map(&columns)) {
            statement.raw_bind_parameter(parameter, value)?;
        }
        statement.raw_execute()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_inserted_in_order() {
        for count in [0, 1, TOGETHER - 1, TOGETHER, TOGETHER + 1, 5 * TOGETHER + 7] {
            let db = Connection::open_in_memory().unwrap();
            db.execute_batch("CREATE TABLE rows (number INTEGER, text TEXT)").unwrap();
            let rows: Vec<(i64, String)> = (0..).take(count).map(|number| (number, format!("text {number}"))).collect();
            insert_in_order(&db, "INSERT INTO rows (number, text)", &rows, |(number, text)| [number, text]).unwrap();
            let mut query = db.prepare("SELECT number, text FROM rows ORDER BY rowid").unwrap();
            let found = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            assert_eq!(found.collect::<std::result::Result<Vec<(i64, String)>, _>>().unwrap(), rows);
        }
    }
}
