-- How the wall clock was set when a run of the channel last began: moments are compared with later ones by it.
CREATE TABLE clocks (
    channel TEXT NOT NULL PRIMARY KEY,
    boot    TEXT NOT NULL,      -- which start of the machine
    zero    INTEGER NOT NULL    -- the wall clock's time of that start
) WITHOUT ROWID;
