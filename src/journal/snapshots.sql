-- The rows of each source's last input, so that rows which are as they were need not be mapped. Losing these tables costs time
-- and nothing else.

-- The secret key of all hashes of rows and contacts, one value.
CREATE TABLE IF NOT EXISTS snapshot_key (
    value BLOB NOT NULL
);
INSERT INTO snapshot_key SELECT randomblob(16) WHERE NOT EXISTS (SELECT 1 FROM snapshot_key);

-- The snapshot of the last input of each channel and source.
CREATE TABLE IF NOT EXISTS snapshots (
    id      INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    source  TEXT NOT NULL,
    run     INTEGER NOT NULL,   -- the run of that input
    basis   BLOB NOT NULL,      -- a digest of everything besides its cells that decides what becomes of a row
    rows    INTEGER NOT NULL,
    touched INTEGER NOT NULL DEFAULT 0, -- the number of its rows below
    sum     INTEGER NOT NULL,   -- a checksum of this row
    UNIQUE (channel, source)
);

-- Its rows, in the order of the input, 4,096 together.
CREATE TABLE IF NOT EXISTS snapshot_chunks (
    snapshot INTEGER NOT NULL,
    number   INTEGER NOT NULL,  -- from 0
    hashes   BLOB NOT NULL,     -- 16 bytes a row, 0 for a row that is not to be recognized; and a checksum
    contacts BLOB NOT NULL,     -- 8 bytes a row, 0 for a row without a contact; and a checksum
    PRIMARY KEY (snapshot, number)
);

-- The contacts that something else changed since.
CREATE TABLE IF NOT EXISTS snapshot_touched (
    snapshot INTEGER NOT NULL,
    contact  BLOB NOT NULL,     -- 8 bytes; and a checksum
    PRIMARY KEY (snapshot, contact)
) WITHOUT ROWID;
