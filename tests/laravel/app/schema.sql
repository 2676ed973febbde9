PRAGMA journal_mode = WAL;

CREATE TABLE channels (id INTEGER PRIMARY KEY, api_token TEXT NOT NULL UNIQUE);
INSERT INTO channels (api_token) VALUES ('token');

-- The objects and arrays are JSON.
CREATE TABLE contacts (
    id TEXT PRIMARY KEY,
    channel_id INTEGER NOT NULL,
    custom_fields TEXT NOT NULL,
    tags TEXT NOT NULL,
    created_at TEXT NOT NULL
);

-- The validation rules of typed fields, as the framework writes them: `in:free,pro`.
CREATE TABLE rules (field TEXT PRIMARY KEY, rule TEXT NOT NULL);

-- What a new contact sets off. It is written after the contact is stored, so that it can fail alone.
CREATE TABLE automations (contact_id TEXT NOT NULL);

-- Every request that was answered.
CREATE TABLE calls (at REAL NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL);

-- The framework's cache, which holds the throttle middleware's counts.
CREATE TABLE cache (key TEXT PRIMARY KEY, value TEXT NOT NULL, expiration INTEGER NOT NULL);
