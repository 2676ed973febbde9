-- From version 1 to version 2.
ALTER TABLE clocks ADD COLUMN window TEXT NOT NULL DEFAULT '';
CREATE TABLE limits (
    window TEXT NOT NULL PRIMARY KEY,
    calls  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX runs_by_channel ON runs (channel, id);
