-- From version 4 to version 5.

-- The tokens of earlier runs are not known: those of the next runs are compared with the known contacts.
CREATE TABLE tokens (
    channel TEXT NOT NULL PRIMARY KEY,
    digest  TEXT NOT NULL
) WITHOUT ROWID;

-- The channels of which the journal may have lost calls, until a run that searches for all contacts is finished.
CREATE TABLE losses (
    channel TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID;
