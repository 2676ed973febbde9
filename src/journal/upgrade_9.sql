-- From version 9 to version 10.

ALTER TABLE columns ADD COLUMN is_last INTEGER NOT NULL DEFAULT 0;
