-- What lasts from run to run. Moments are milliseconds since the Unix epoch; JSON is what serde writes of the core's types.

-- The salt of the journal, one value. Window names are digests of the salt and the token.
CREATE TABLE salt (
    value BLOB NOT NULL
);
INSERT INTO salt VALUES (randomblob(16));

-- The platform to which each channel's known contacts belong.
CREATE TABLE channels (
    name TEXT NOT NULL PRIMARY KEY,
    url  TEXT NOT NULL
) WITHOUT ROWID;

-- What the platform has, or may have, for each contact.
CREATE TABLE known (
    channel   TEXT NOT NULL,
    key       TEXT NOT NULL,
    contact   TEXT,             -- JSON of the known contact; NULL while it is in doubt
    doubt     TEXT,             -- JSON of the doubt, with the contact as it was sent
    PRIMARY KEY (channel, key)
) WITHOUT ROWID;
CREATE INDEX known_in_doubt ON known (channel) WHERE doubt IS NOT NULL;
-- Which key has a contact id: one id is one contact.
CREATE INDEX known_by_id ON known (channel, contact ->> '$.id') WHERE contact IS NOT NULL;

-- Further match values of contacts that have several: a row with one of them is the contact of that key.
CREATE TABLE aliases (
    channel TEXT NOT NULL,
    value   TEXT NOT NULL,      -- written as a key
    key     TEXT NOT NULL,
    PRIMARY KEY (channel, value)
) WITHOUT ROWID;

-- Every call: its intent (a row), then its result (ended_at and attempt).
CREATE TABLE calls (
    number     INTEGER PRIMARY KEY,
    run        INTEGER NOT NULL,
    channel    TEXT NOT NULL,
    window     TEXT NOT NULL,   -- which calls it counts with
    key        TEXT NOT NULL,
    kind       TEXT NOT NULL,
    asked      TEXT,            -- JSON of which page of which search, for a find
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    result     TEXT,            -- the attempt in one word
    attempt    TEXT             -- JSON
);
CREATE INDEX calls_of_contact ON calls (run, key);
CREATE INDEX calls_by_start ON calls (window, started_at);
CREATE INDEX calls_throttled ON calls (window, ended_at) WHERE result = 'throttled';
CREATE INDEX calls_lost ON calls (window, ended_at) WHERE result = 'lost';
CREATE INDEX calls_open ON calls (channel) WHERE ended_at IS NULL;

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
    channel  TEXT NOT NULL,
    key      TEXT NOT NULL,
    tried_at INTEGER NOT NULL,
    PRIMARY KEY (channel, key)
) WITHOUT ROWID;

-- Where in the input each channel's next run begins: at the first row that the last one did not come to.
CREATE TABLE turns (
    channel TEXT NOT NULL PRIMARY KEY,
    key     TEXT NOT NULL,
    row     INTEGER NOT NULL    -- its place in that run's input, when the key is not pending any more
) WITHOUT ROWID;

-- The columns that the inputs of each source had so far: a further one is new.
CREATE TABLE columns (
    source TEXT NOT NULL,       -- the channel, or the column that names the channel of each row
    name   TEXT NOT NULL,
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
