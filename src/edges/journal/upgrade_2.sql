-- From version 2 to version 3.
-- A contact in doubt has, besides what was sent, how far finding out has come.
DROP INDEX known_unsettled;
ALTER TABLE known RENAME COLUMN unsettled TO doubt;
UPDATE known
SET doubt = json_object('sent', json(doubt), 'since', NULL, 'searches', 0, 'origin', json('{"create":{"seen":null}}'))
WHERE doubt IS NOT NULL;
CREATE INDEX known_in_doubt ON known (channel) WHERE doubt IS NOT NULL;
CREATE INDEX known_by_id ON known (channel, contact ->> '$.id') WHERE contact IS NOT NULL;
