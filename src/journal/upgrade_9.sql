-- From version 9 to version 10.

ALTER TABLE columns ADD COLUMN is_last INTEGER NOT NULL DEFAULT 0;

-- The fields that were written to each channel, each with the contact of its first write until that was read back.
CREATE TABLE written_fields (
    channel    INTEGER NOT NULL,
    field      INTEGER NOT NULL,           -- the number of its name
    contact    INTEGER,                    -- NULL once it was read back
    written_at INTEGER NOT NULL,
    reads      INTEGER NOT NULL DEFAULT 0, -- the number of reads that showed nothing
    is_dropped INTEGER NOT NULL DEFAULT 0, -- whether the platform had no value although it accepted one
    PRIMARY KEY (channel, field)
) WITHOUT ROWID;

-- Undo.
-- What runs wrote to contacts that were on the platform before, with what was known before, so that a run can be undone.
CREATE TABLE values_before (
    run     INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    content BLOB NOT NULL,      -- as `store/compact.rs` writes it
    PRIMARY KEY (run, contact)
) WITHOUT ROWID;
ALTER TABLE runs ADD COLUMN undoes INTEGER;

-- Missing contacts.
ALTER TABLE runs ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN mark TEXT;
CREATE TABLE pending_marks (
    run     INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    PRIMARY KEY (run, contact)
) WITHOUT ROWID;
CREATE TABLE missing_contacts (
    snapshot INTEGER NOT NULL,
    contact  INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    is_sure  INTEGER NOT NULL,
    PRIMARY KEY (snapshot, contact)
) WITHOUT ROWID;
CREATE INDEX missing_by_contact ON missing_contacts (contact);
CREATE TABLE contact_marks (
    contact INTEGER PRIMARY KEY,
    mark    TEXT NOT NULL,
    state   INTEGER NOT NULL
);
CREATE TABLE unidentified_rows (
    snapshot INTEGER PRIMARY KEY,
    digests  BLOB NOT NULL
);

-- Forgetting.
-- The match values and ids of persons who were forgotten and must not return, as keyed hashes: rows with one of them are skipped.
CREATE TABLE suppressed (
    hash BLOB PRIMARY KEY       -- 16 bytes, made with the key of the snapshots
) WITHOUT ROWID;

-- How values are kept: as they are, or as hashes with this secret key. One row.
CREATE TABLE kept_values (
    key        BLOB NOT NULL,
    has_hashes INTEGER NOT NULL DEFAULT 0, -- whether match values are hashes, which they stay
    are_hashed INTEGER NOT NULL DEFAULT 0, -- whether other values are hashed when they are stored
    is_swept   INTEGER NOT NULL DEFAULT 1  -- whether no page of the file has values from before
);
INSERT INTO kept_values (key) VALUES (randomblob(16));

-- In a journal of hashes, answers to searches that may not be finished, until the row of their contact ends. The calls have them
-- without values.
CREATE TABLE open_answers (
    call    INTEGER PRIMARY KEY,
    contact INTEGER NOT NULL,
    detail  TEXT NOT NULL
);
CREATE INDEX open_answers_of_contact ON open_answers (contact);

-- In a journal of hashes, what the lists of an input need of rows that were sent or rejected, until they are written. The items have
-- the reason without values.
CREATE TABLE open_rows (
    run    INTEGER NOT NULL,
    row    INTEGER NOT NULL,
    key    TEXT,
    reason TEXT,
    cells  TEXT,
    PRIMARY KEY (run, row)
) WITHOUT ROWID;
