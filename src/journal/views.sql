-- The history for SQL tools: read-only views whose columns stay the same when the tables change (docs/journal-views.md). They have
-- times as text in UTC (ISO 8601), names of channels, and words for states, kinds and results; and no values of contacts besides
-- their keys.

-- The runs.
CREATE VIEW contactsync_runs AS
WITH counted AS (
    SELECT *, iif(json_valid(summary), summary, NULL) AS final FROM runs WHERE state <> 'planning'
)
SELECT
    id AS run,
    sync AS first_run,
    nullif(channel, '') AS channel,
    url,
    kind AS channel_kind,
    rate AS calls_per_minute,
    input,
    state,
    reason,
    nullif(undoes, 0) AS undoes_run,
    strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1000.0, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', ended_at / 1000.0, 'unixepoch') AS ended_at,
    worked_ms / 1000.0 AS seconds,
    rows,
    iif(final IS NOT NULL, final ->> 'created',
        (SELECT count(*) FROM items WHERE items.run = counted.id AND items.state = 1)) AS created,
    iif(final IS NOT NULL, final ->> 'updated',
        (SELECT count(*) FROM items WHERE items.run = counted.id AND items.state = 2)) AS updated,
    iif(final IS NOT NULL, final ->> 'unchanged',
        unchanged + (SELECT count(*) FROM items WHERE items.run = counted.id AND items.state = 3)) AS unchanged,
    iif(final IS NOT NULL, final ->> 'rejected',
        (SELECT count(*) FROM items WHERE items.run = counted.id AND items.state IN (4, 6))) AS rejected,
    iif(final IS NOT NULL, final ->> 'merged',
        merged + (SELECT count(*) FROM items WHERE items.run = counted.id AND items.state = 5)) AS merged,
    iif(final IS NOT NULL, final ->> 'pending',
        dropped + (SELECT count(*) FROM pending WHERE pending.run = counted.id)) AS pending,
    iif(final IS NOT NULL, coalesce(final ->> 'skipped', 0),
        skipped + (SELECT count(*) FROM items WHERE items.run = counted.id AND items.state = 7)) AS skipped,
    missing,
    iif(final IS NOT NULL, final ->> '$.calls.total',
        (SELECT count(*) FROM run_calls WHERE run_calls.run = counted.id)) AS calls,
    iif(final IS NOT NULL, final ->> 'throttled',
        (SELECT count(*) FROM run_calls WHERE run_calls.run = counted.id AND run_calls.result = 9)) AS throttled
FROM counted;

-- The rows of runs that needed a call or were rejected. Other rows are only counted, unless all rows are listed.
CREATE VIEW contactsync_results AS
WITH ended AS (
    SELECT run, row, line, contact, state, reason FROM items
    UNION ALL SELECT run, row, line, contact, 0, NULL FROM pending
)
SELECT
    ended.run,
    nullif(runs.channel, '') AS channel,
    ended.row,
    ended.line,
    CASE ended.state
        WHEN 0 THEN 'pending' WHEN 1 THEN 'created' WHEN 2 THEN 'updated' WHEN 3 THEN 'unchanged'
        WHEN 4 THEN 'rejected' WHEN 5 THEN 'merged' WHEN 6 THEN 'rejected' WHEN 7 THEN 'skipped'
    END AS outcome,
    -- NULL for a key of which only a hash is kept: it begins with a blank. And for a row without a match value.
    CASE
        WHEN contacts.field = 0 THEN 'contact_id=' || contacts.value
        WHEN contacts.field > 0 AND substr(contacts.value, 1, 1) <> ' '
            THEN replace(replace(names.name, '%', '%25'), '=', '%3D') || '=' || contacts.value
    END AS key,
    cast(states.id AS TEXT) AS contact_id,
    ended.reason
FROM ended
JOIN runs ON runs.id = ended.run AND runs.state <> 'planning'
LEFT JOIN contacts ON contacts.number = ended.contact
LEFT JOIN names ON names.number = contacts.field
LEFT JOIN states ON states.contact = ended.contact;

-- The calls, also those that belong to no run.
CREATE VIEW contactsync_calls AS
SELECT
    calls.number AS call,
    nullif(calls.run, 0) AS run,
    channels.name AS channel,
    CASE calls.kind
        WHEN 1 THEN 'find' WHEN 2 THEN 'read' WHEN 3 THEN 'create' WHEN 4 THEN 'update'
        WHEN 5 THEN 'add_tags' WHEN 6 THEN 'remove_tags'
    END AS kind,
    CASE calls.result
        WHEN 1 THEN 'page' WHEN 2 THEN 'contact' WHEN 3 THEN 'created' WHEN 4 THEN 'done' WHEN 5 THEN 'missing'
        WHEN 6 THEN 'taken' WHEN 7 THEN 'refused' WHEN 8 THEN 'unauthorized' WHEN 9 THEN 'throttled'
        WHEN 10 THEN 'queued' WHEN 11 THEN 'wrong_path' WHEN 12 THEN 'unsent' WHEN 13 THEN 'lost'
    END AS result,
    CASE
        WHEN contacts.field = 0 THEN 'contact_id=' || contacts.value
        WHEN contacts.field > 0 AND substr(contacts.value, 1, 1) <> ' '
            THEN replace(replace(names.name, '%', '%25'), '=', '%3D') || '=' || contacts.value
    END AS key,
    strftime('%Y-%m-%dT%H:%M:%fZ', calls.started_at / 1000.0, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', (calls.started_at + calls.took) / 1000.0, 'unixepoch') AS ended_at,
    calls.took AS milliseconds
FROM calls
LEFT JOIN channels ON channels.number = calls.channel
LEFT JOIN contacts ON contacts.number = calls.contact
LEFT JOIN names ON names.number = contacts.field;
