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
    pruned     INTEGER NOT NULL DEFAULT 0, -- whether the rows that needed nothing are gone
    summary    TEXT             -- JSON, once the run has ended; the items it counts may be gone later
);
CREATE INDEX runs_by_channel ON runs (channel, id);

-- The aliases that a run's input gives, while it is planned.
CREATE TABLE new_aliases (
    run   INTEGER NOT NULL,
    value TEXT NOT NULL,
    key   TEXT NOT NULL,
    PRIMARY KEY (run, value)
) WITHOUT ROWID;

-- Every row of a run's input, each in exactly one state, so that the states always add up to the rows.
CREATE TABLE items (
    run     INTEGER NOT NULL,
    row     INTEGER NOT NULL,
    line    INTEGER NOT NULL,
    key     TEXT,               -- NULL for a row that never became a contact
    state   TEXT NOT NULL,      -- pending, created, updated, unchanged, rejected or merged
    reason  TEXT,
    contact TEXT,               -- JSON, while pending, and while planned when rows of a contact are put together
    doubles INTEGER,            -- the row that stands for the same contact in this one's place
    cells   TEXT,               -- JSON of the row as it was read, when rejected ones are listed: while pending, and once rejected
    PRIMARY KEY (run, row)
) WITHOUT ROWID;
CREATE UNIQUE INDEX items_by_key ON items (run, key) WHERE key IS NOT NULL AND doubles IS NULL;
CREATE INDEX items_pending ON items (run, row) WHERE state = 'pending';
CREATE INDEX items_rejected ON items (run, row) WHERE state = 'rejected';

-- The files that list the rows of an input, for who goes on with its runs.
CREATE TABLE listings (
    sync    INTEGER PRIMARY KEY,
    listing TEXT NOT NULL,              -- JSON
    written INTEGER NOT NULL DEFAULT 0  -- whether the files hold what the journal holds
);
