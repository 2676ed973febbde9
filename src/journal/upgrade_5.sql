-- From version 5 to version 6: names in JSON. A damaged value is left as it is, for its reader to report.

UPDATE runs
SET policy = json_remove(
    json_set(
        policy,
        '$.search_lag', json(policy -> '$.settle'),
        '$.retry_in_doubt', json(policy -> '$.resend_unsure')
    ),
    '$.settle', '$.resend_unsure'
)
WHERE iif(json_valid(policy), json_type(policy, '$.settle') IS NOT NULL, FALSE);

UPDATE listings
SET listing = json_remove(json_set(listing, '$.output_format', json(listing -> '$.shape')), '$.shape')
WHERE iif(json_valid(listing), json_type(listing, '$.shape') IS NOT NULL, FALSE);
