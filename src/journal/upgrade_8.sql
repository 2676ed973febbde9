-- From version 8 to version 9: contact ids that are digits become integers, and one index of calls serves windows and runs.

DROP INDEX states_by_id;
ALTER TABLE states RENAME TO old_states;
CREATE TABLE states (
    contact INTEGER PRIMARY KEY,
    id      NOT NULL,
    content BLOB NOT NULL
);
INSERT INTO states (contact, id, content)
SELECT contact, iif(id GLOB '[0-9]*' AND cast(cast(id AS INTEGER) AS TEXT) = id, cast(id AS INTEGER), id), content
FROM old_states ORDER BY contact;
DROP TABLE old_states;
CREATE INDEX states_by_id ON states (id);

DROP INDEX calls_of_run;
DROP INDEX calls_by_start;
DROP INDEX calls_to_wait_for;
DROP INDEX calls_open;
ALTER TABLE calls RENAME TO old_calls;
CREATE TABLE calls (
    number     INTEGER PRIMARY KEY,
    run        INTEGER NOT NULL,
    channel    INTEGER NOT NULL,
    window     INTEGER NOT NULL,
    contact    INTEGER,
    kind       INTEGER NOT NULL,
    asked      INTEGER,
    started_at INTEGER NOT NULL,
    took       INTEGER,
    result     INTEGER,
    detail
);
INSERT INTO calls (number, run, channel, window, contact, kind, asked, started_at, took, result, detail)
SELECT number, run, channel, window, contact, kind, asked, started_at, took, result,
    iif(result = 3 AND detail GLOB '[0-9]*' AND cast(cast(detail AS INTEGER) AS TEXT) = detail, cast(detail AS INTEGER), detail)
FROM old_calls ORDER BY number;
DROP TABLE old_calls;
CREATE INDEX calls_of_window ON calls (window);
CREATE INDEX calls_to_wait_for ON calls (window, started_at) WHERE result IN (9, 13);
CREATE INDEX calls_open ON calls (channel) WHERE took IS NULL;

CREATE TABLE run_windows (
    run    INTEGER NOT NULL,
    window INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    PRIMARY KEY (run, window)
) WITHOUT ROWID;
INSERT INTO run_windows (run, window, first)
SELECT run, window, min(number) FROM calls WHERE run <> 0 GROUP BY run, window;
CREATE VIEW run_calls AS
    SELECT calls.* FROM run_windows CROSS JOIN calls INDEXED BY calls_of_window
    ON calls.window = run_windows.window AND calls.number >= run_windows.first AND calls.run = run_windows.run;
