-- What lasts from run to run. Moments are milliseconds since the Unix epoch; JSON is what serde writes of the core's types. Contact
-- ids are integers where they are the decimal digits of one, otherwise text (`store/ids.rs`).

-- The salt of the journal, one value. Window names are digests of the salt and the token.
CREATE TABLE salt (
    value BLOB NOT NULL
);
INSERT INTO salt VALUES (randomblob(16));

-- The channels, and the platform to which each one's known contacts belong.
CREATE TABLE channels (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    url    TEXT                 -- NULL before the first run is sent
);

-- The windows. A window is the calls that count together.
CREATE TABLE windows (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE
);

-- The names of fields and tags, each once. They are never changed or deleted.
CREATE TABLE names (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE
);

-- The number of the next contact. Numbers are not used again.
CREATE TABLE next_contact (
    number INTEGER NOT NULL
);
INSERT INTO next_contact VALUES (1);

-- The contacts with their keys. Numbers ascend in the order in which contacts are first planned.
CREATE TABLE contacts (
    number  INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    field   INTEGER NOT NULL,   -- the name of the key's match field; 0 for a contact id, -1 for a digest of the row
    value   TEXT NOT NULL
);
CREATE UNIQUE INDEX contacts_by_key ON contacts (channel, field, value);

-- What the platform has of each known contact.
CREATE TABLE states (
    contact INTEGER PRIMARY KEY,
    id      NOT NULL,           -- the platform's id
    content BLOB NOT NULL       -- as `store/compact.rs` writes it
);
-- Which contact has an id: one id is one contact.
CREATE INDEX states_by_id ON states (id);

-- What the platform may have: contacts in doubt, with the contact as it was sent. They have no row in `states`.
CREATE TABLE doubts (
    contact INTEGER PRIMARY KEY,
    content BLOB NOT NULL       -- as `store/compact.rs` writes it
);

-- What runs wrote to contacts that were on the platform before, with what was known before, so that a run can be undone.
CREATE TABLE values_before (
    run     INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    content BLOB NOT NULL,      -- as `store/compact.rs` writes it
    PRIMARY KEY (run, contact)
) WITHOUT ROWID;

-- Further match values of contacts that have several: a row with one of them is this contact.
CREATE TABLE aliases (
    channel INTEGER NOT NULL,
    field   INTEGER NOT NULL,
    value   TEXT NOT NULL,
    contact INTEGER NOT NULL,
    PRIMARY KEY (channel, field, value)
) WITHOUT ROWID;

-- Every call: its intent (a row), then its result (took, result and detail). The detail is the new contact's id for a create, NULL
-- where the result says all and for a search that finds nothing, and otherwise JSON of the attempt.
CREATE TABLE calls (
    number     INTEGER PRIMARY KEY,
    run        INTEGER NOT NULL, -- 0 for a call that belongs to no run
    channel    INTEGER NOT NULL,
    window     INTEGER NOT NULL, -- which calls it counts with
    contact    INTEGER,          -- NULL for a call that belongs to no contact
    kind       INTEGER NOT NULL, -- 1 find, 2 read, 3 create, 4 update, 5 add_tags, 6 remove_tags
    asked      INTEGER,          -- for a find: the number of the field's name, times 2^32, plus the page
    started_at INTEGER NOT NULL,
    took       INTEGER,          -- milliseconds; NULL while it is open
    result     INTEGER,          -- the attempt, by number: `store/attempts.rs`
    detail
);
-- In the order of their numbers. A call costs a write in each index, so there is one for windows and for runs.
CREATE INDEX calls_of_window ON calls (window);
-- Lost or throttled.
CREATE INDEX calls_to_wait_for ON calls (window, started_at) WHERE result IN (9, 13);
CREATE INDEX calls_open ON calls (channel) WHERE took IS NULL;

-- The windows in which the calls of each run count: one, unless its token was replaced.
CREATE TABLE run_windows (
    run    INTEGER NOT NULL,
    window INTEGER NOT NULL,
    first  INTEGER NOT NULL,    -- no call of the run in this window has a lower number
    PRIMARY KEY (run, window)
) WITHOUT ROWID;

-- The calls by run.
CREATE VIEW run_calls AS
    SELECT calls.* FROM run_windows CROSS JOIN calls INDEXED BY calls_of_window
    ON calls.window = run_windows.window AND calls.number >= run_windows.first AND calls.run = run_windows.run;

-- How the wall clock was set when a run of the channel last began: moments are compared with later ones by it.
CREATE TABLE clocks (
    channel TEXT NOT NULL PRIMARY KEY,
    window  TEXT NOT NULL,      -- which calls that run's calls counted with
    boot    TEXT NOT NULL,      -- which start of the machine
    zero    INTEGER NOT NULL    -- the wall clock's time of that start
) WITHOUT ROWID;

-- The limit that the platform stated for each window, where it is lower than what was configured.
CREATE TABLE limits (
    window TEXT NOT NULL PRIMARY KEY,
    calls  INTEGER NOT NULL,    -- a minute
    since  INTEGER NOT NULL,    -- when it was first stated
    stated INTEGER NOT NULL     -- when it was last stated; it expires after a day
) WITHOUT ROWID;

-- The last call of each window whose requested wait (429 or 503) is ignored.
CREATE TABLE forgotten_waits (
    window TEXT NOT NULL PRIMARY KEY,
    call   INTEGER NOT NULL     -- its number
) WITHOUT ROWID;

-- Contacts that were tried and are still pending, until their row ends. A run takes them last.
CREATE TABLE left_rows (
    contact  INTEGER PRIMARY KEY,
    tried_at INTEGER NOT NULL
);

-- Contacts that were sent and rejected, until they are sent and end well. They are tried again at growing intervals.
CREATE TABLE rejections (
    contact  INTEGER NOT NULL,
    content  BLOB NOT NULL,     -- a keyed hash of what was sent: two sources may send different content for one contact
    tries    INTEGER NOT NULL,  -- number of runs that sent it
    tried_at INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (contact, content)
) WITHOUT ROWID;

-- Where in the input each channel's next run begins: at the first row that the last one did not come to.
CREATE TABLE turns (
    channel TEXT NOT NULL PRIMARY KEY,
    contact INTEGER NOT NULL,
    row     INTEGER NOT NULL    -- its place in that run's input, when the contact is not pending any more
) WITHOUT ROWID;

-- The columns that the inputs of each source had so far: a further one is new.
CREATE TABLE columns (
    source  TEXT NOT NULL,      -- the channel, or the column that names the channel of each row
    name    TEXT NOT NULL,
    is_last INTEGER NOT NULL DEFAULT 0, -- whether the last input had it
    PRIMARY KEY (source, name)
) WITHOUT ROWID;

-- The token with which each channel was last synced, as a digest: another token may open another channel.
CREATE TABLE tokens (
    channel TEXT NOT NULL PRIMARY KEY,
    digest  TEXT NOT NULL       -- the name of the token's window, which is made with the salt
) WITHOUT ROWID;

-- The channels of which the journal may have lost calls, until a run that searches for all contacts is finished.
CREATE TABLE losses (
    channel TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID;

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

-- The match values and ids of persons who were forgotten and must not return, as keyed hashes: rows with one of them are skipped.
CREATE TABLE suppressed (
    hash BLOB PRIMARY KEY       -- 16 bytes, made with the key of the snapshots
) WITHOUT ROWID;

-- The rows of each source's last input, so that rows which are as they were need not be mapped. Losing these tables costs time,
-- and that contacts which are missing from the next input are not noticed.

-- The secret key of all hashes of rows and contacts, one value.
CREATE TABLE snapshot_key (
    value BLOB NOT NULL
);
INSERT INTO snapshot_key VALUES (randomblob(16));

-- The snapshot of the last input of each channel and source.
CREATE TABLE snapshots (
    id      INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    source  TEXT NOT NULL,
    run     INTEGER NOT NULL,   -- the run of that input
    basis   BLOB NOT NULL,      -- a digest of everything besides its cells that decides what becomes of a row
    rows    INTEGER NOT NULL,
    touched INTEGER NOT NULL DEFAULT 0, -- the number of its contacts that were changed since
    changed INTEGER NOT NULL DEFAULT 0, -- the number of its chunks with changed rows
    sum     INTEGER NOT NULL,   -- a checksum of this row
    UNIQUE (channel, source)
);

-- Its rows, in the order of the input, 4,096 together.
CREATE TABLE snapshot_chunks (
    snapshot INTEGER NOT NULL,
    number   INTEGER NOT NULL,  -- from 0
    hashes   BLOB NOT NULL,     -- 16 bytes a row, 0 for a row that is not to be recognised; and a checksum
    contacts BLOB NOT NULL,     -- 8 bytes a row, 0 for a row without a contact; and a checksum
    numbers  BLOB NOT NULL,     -- the number of each row's contact if it is known, otherwise 0, as differences; and a checksum
    PRIMARY KEY (snapshot, number)
);

-- Rows that differ from what their chunk has, while they are few.
CREATE TABLE snapshot_changes (
    snapshot INTEGER NOT NULL,
    number   INTEGER NOT NULL,  -- of the chunk
    changes  BLOB NOT NULL,     -- 34 bytes a row: its place in the chunk, then as above; and a checksum
    PRIMARY KEY (snapshot, number)
);

-- The contacts that something else changed since.
CREATE TABLE snapshot_touched (
    snapshot INTEGER NOT NULL,
    contact  BLOB NOT NULL,     -- 8 bytes; and a checksum
    PRIMARY KEY (snapshot, contact)
) WITHOUT ROWID;

-- The contacts that a source had and no longer has, by the snapshot of the source.
CREATE TABLE missing_contacts (
    snapshot INTEGER NOT NULL,
    contact  INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    is_sure  INTEGER NOT NULL,  -- 0 while a row without a usable key, or a changed mapping, may hide it
    PRIMARY KEY (snapshot, contact)
) WITHOUT ROWID;
CREATE INDEX missing_by_contact ON missing_contacts (contact);

-- The marks of missing contacts on the platform, until the contacts return.
CREATE TABLE contact_marks (
    contact INTEGER PRIMARY KEY,
    mark    TEXT NOT NULL,      -- JSON
    state   INTEGER NOT NULL    -- 1 its call was begun, 2 contactsync set it, 3 there is nothing to take back
);

-- The rejected rows of each snapshot's input that have no usable key, and are known to be none of the missing contacts.
CREATE TABLE unidentified_rows (
    snapshot INTEGER PRIMARY KEY,
    digests  BLOB NOT NULL      -- 8 bytes a row; and a checksum
);

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
