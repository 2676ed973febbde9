-- What is read back from the platform: pulls and verifications.

-- The last pull and the last verification of each channel.
CREATE TABLE readings (
    id      INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    kind    INTEGER NOT NULL,   -- 1 a pull, 2 a verification
    asked   TEXT NOT NULL,      -- JSON of what was asked for: only the same is continued
    walk    TEXT NOT NULL,      -- JSON of how far the pages were walked
    begun   INTEGER NOT NULL,
    ended   INTEGER NOT NULL,   -- whether it was carried out to its end
    UNIQUE (channel, kind)
);

-- The contacts that the pages of a pull showed, until it ends.
CREATE TABLE shown_contacts (
    reading INTEGER NOT NULL,
    id      TEXT NOT NULL,      -- the platform's id
    pass    INTEGER NOT NULL,   -- the last walk of the pages that showed it
    field   INTEGER,            -- its key, as in `contacts`; NULL for a contact without the marker
    value   TEXT,
    content BLOB,               -- what is known of it, as in `states`, for contact 0
    PRIMARY KEY (reading, id)
) WITHOUT ROWID;
CREATE INDEX shown_by_key ON shown_contacts (reading, field, value) WHERE field IS NOT NULL;

-- Their further match values.
CREATE TABLE shown_aliases (
    reading INTEGER NOT NULL,
    field   INTEGER NOT NULL,
    value   TEXT NOT NULL,
    id      TEXT NOT NULL,
    PRIMARY KEY (reading, field, value, id)
) WITHOUT ROWID;
CREATE INDEX shown_aliases_by_id ON shown_aliases (reading, id);

-- The known contacts that a verification has not read back yet.
CREATE TABLE unread_contacts (
    reading INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    PRIMARY KEY (reading, contact)
) WITHOUT ROWID;

-- What it has found to differ so far.
CREATE TABLE differences (
    reading    INTEGER NOT NULL,
    contact    INTEGER NOT NULL,
    nth        INTEGER NOT NULL,
    difference TEXT NOT NULL,   -- JSON
    PRIMARY KEY (reading, contact, nth)
) WITHOUT ROWID;

-- Differences that were accepted: they are not listed again.
CREATE TABLE accepted (
    contact    INTEGER NOT NULL,
    difference TEXT NOT NULL,   -- JSON
    PRIMARY KEY (contact, difference)
) WITHOUT ROWID;
