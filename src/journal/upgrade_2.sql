-- From version 2 to version 3.

-- Order of the rows, and learnt limits. Of a limit without a time it is not known which answer stated it: it is learnt anew.
DROP TABLE limits;
CREATE TABLE limits (
    window TEXT NOT NULL PRIMARY KEY,
    calls  INTEGER NOT NULL,
    since  INTEGER NOT NULL,
    stated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE left_rows (
    channel  TEXT NOT NULL,
    key      TEXT NOT NULL,
    tried_at INTEGER NOT NULL,
    PRIMARY KEY (channel, key)
) WITHOUT ROWID;
CREATE TABLE turns (
    channel TEXT NOT NULL PRIMARY KEY,
    key     TEXT NOT NULL,
    row     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE forgotten_waits (
    window TEXT NOT NULL PRIMARY KEY,
    call   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX calls_lost ON calls (window, ended_at) WHERE result = 'lost';
-- End of: order of the rows, and learnt limits.

-- A contact in doubt has, besides what was sent, how far finding out has come.
DROP INDEX known_unsettled;
ALTER TABLE known RENAME COLUMN unsettled TO doubt;
UPDATE known
SET doubt = json_object('sent', json(doubt), 'since', NULL, 'searches', 0, 'origin', json('{"create":{"seen":null}}'))
WHERE doubt IS NOT NULL;
CREATE INDEX known_in_doubt ON known (channel) WHERE doubt IS NOT NULL;
CREATE INDEX known_by_id ON known (channel, contact ->> '$.id') WHERE contact IS NOT NULL;
