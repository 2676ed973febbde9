-- From version 3 to version 4.

-- The columns of earlier inputs are not known: those of the next one are learnt.
CREATE TABLE columns (
    source TEXT NOT NULL,
    name   TEXT NOT NULL,
    PRIMARY KEY (source, name)
) WITHOUT ROWID;
