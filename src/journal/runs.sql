-- What a run is. A dry run has these tables for itself.

-- One input brought to one channel.
CREATE TABLE runs (
    id         INTEGER PRIMARY KEY,
    sync       INTEGER NOT NULL, -- the first of the runs that were planned from the same input
    channel    TEXT NOT NULL,
    window     TEXT NOT NULL DEFAULT '', -- which calls its calls count with, once it is sent
    url        TEXT NOT NULL,
    kind       TEXT NOT NULL,   -- the channel's kind
    rate       INTEGER NOT NULL,
    input      TEXT NOT NULL,
    policy     TEXT NOT NULL,   -- JSON
    state      TEXT NOT NULL,   -- planning, planned, sending, finished, stopped, failed or replaced
    reason     TEXT,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    worked_ms  INTEGER NOT NULL DEFAULT 0,
    rows       INTEGER NOT NULL DEFAULT 0, -- all rows, once it is planned
    unchanged  INTEGER NOT NULL DEFAULT 0, -- rows without an item whose contact does not differ
    kept       INTEGER NOT NULL DEFAULT 0, -- unchanged rows that were recognised by the last snapshot and not mapped
    merged     INTEGER NOT NULL DEFAULT 0, -- rows without an item for which another row stands
    skipped    INTEGER NOT NULL DEFAULT 0, -- rows without an item that the run was not to send
    dropped    INTEGER NOT NULL DEFAULT 0, -- rows that were pending when a newer run replaced this one
    pruned     INTEGER NOT NULL DEFAULT 0, -- whether items are gone
    is_limited INTEGER NOT NULL DEFAULT 0, -- whether it is limited to some contacts
    summary    TEXT,            -- JSON, once the run has ended; the items it counts may be gone later
    undoes     INTEGER,         -- the run whose changes it undoes; 0 for a contact that is changed by hand, which is no input's
    missing    INTEGER NOT NULL DEFAULT 0, -- contacts of its source that the input no longer has
    mark       TEXT             -- JSON of the mark that they get; NULL when they get none
);
CREATE INDEX runs_by_channel ON runs (channel, id);

-- The numbers of contacts that an input takes while it is planned: when the plan is dropped, so are its new contacts.
CREATE TABLE contact_blocks (
    first INTEGER PRIMARY KEY,
    last  INTEGER NOT NULL,
    sync  INTEGER NOT NULL
);

-- The aliases that a run's input gives, while it is planned.
CREATE TABLE new_aliases (
    run     INTEGER NOT NULL,
    field   INTEGER NOT NULL,
    value   TEXT NOT NULL,
    contact INTEGER NOT NULL,
    PRIMARY KEY (run, field, value)
) WITHOUT ROWID;

-- The contacts of rows that are not pending, while they are planned and rows of one contact are put together.
CREATE TABLE merging (
    run     INTEGER NOT NULL,
    row     INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    content BLOB NOT NULL,      -- as in `pending`
    PRIMARY KEY (run, row)
) WITHOUT ROWID;

-- The rows that are pending. They are deleted when they end.
CREATE TABLE pending (
    run     INTEGER NOT NULL,
    row     INTEGER NOT NULL,
    line    INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    cells   TEXT,               -- JSON of the row as it was read, when rejected ones are listed
    content BLOB NOT NULL,      -- as `store/compact.rs` writes it
    deferred INTEGER NOT NULL DEFAULT 0, -- whether a limited run left it as an earlier run did
    PRIMARY KEY (run, row)
) WITHOUT ROWID;

-- The rows that ended. Rows that needed nothing are only here when all rows are listed; otherwise the run has their number.
CREATE TABLE items (
    run     INTEGER NOT NULL,
    row     INTEGER NOT NULL,
    line    INTEGER NOT NULL,
    contact INTEGER,            -- NULL for a row that never became a contact
    state   INTEGER NOT NULL,   -- 1 created, 2 updated, 3 unchanged, 4 rejected, 5 merged, 6 rejected for another row of its contact, 7 skipped
    reason  TEXT,
    cells   TEXT,               -- JSON of the row as it was read, when rejected ones are listed
    PRIMARY KEY (run, row)
) WITHOUT ROWID;

-- Where the rows of a run are in its input that were recognised and not mapped, if all rows are listed. Their contacts are those
-- of the snapshot, as long as it is that of the run.
CREATE TABLE kept_rows (
    run      INTEGER PRIMARY KEY,
    snapshot INTEGER NOT NULL,
    rows     BLOB NOT NULL      -- as `store/kept_rows.rs` writes it; and a checksum
);

-- The files that list the rows of an input, for who goes on with its runs.
CREATE TABLE listings (
    sync    INTEGER PRIMARY KEY,
    listing TEXT NOT NULL,              -- JSON
    written INTEGER NOT NULL DEFAULT 0  -- whether the files hold what the journal holds
);

-- The missing contacts that a run is still to mark.
CREATE TABLE pending_marks (
    run     INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    PRIMARY KEY (run, contact)
) WITHOUT ROWID;

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
