-- From version 7 to version 8: runs that are limited to some contacts, and snapshots of which few rows can be changed. The
-- first input after the upgrade is mapped whole.

ALTER TABLE runs ADD COLUMN skipped INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN is_limited INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pending ADD COLUMN deferred INTEGER NOT NULL DEFAULT 0;

DROP TABLE snapshots;
DROP TABLE snapshot_chunks;
DROP TABLE snapshot_touched;

CREATE TABLE snapshots (
    id      INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    source  TEXT NOT NULL,
    run     INTEGER NOT NULL,
    basis   BLOB NOT NULL,
    rows    INTEGER NOT NULL,
    touched INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL DEFAULT 0,
    sum     INTEGER NOT NULL,
    UNIQUE (channel, source)
);
CREATE TABLE snapshot_chunks (
    snapshot INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    hashes   BLOB NOT NULL,
    contacts BLOB NOT NULL,
    numbers  BLOB NOT NULL,
    PRIMARY KEY (snapshot, number)
);
CREATE TABLE snapshot_changes (
    snapshot INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    changes  BLOB NOT NULL,
    PRIMARY KEY (snapshot, number)
);
CREATE TABLE snapshot_touched (
    snapshot INTEGER NOT NULL,
    contact  BLOB NOT NULL,
    PRIMARY KEY (snapshot, contact)
) WITHOUT ROWID;

CREATE TABLE kept_rows (
    run      INTEGER PRIMARY KEY,
    snapshot INTEGER NOT NULL,
    rows     BLOB NOT NULL
);
