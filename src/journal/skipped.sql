-- The number of rows of each run that were unchanged by a snapshot. They have no items.
CREATE TABLE IF NOT EXISTS skipped_rows (
    run  INTEGER PRIMARY KEY,
    rows INTEGER NOT NULL
);
