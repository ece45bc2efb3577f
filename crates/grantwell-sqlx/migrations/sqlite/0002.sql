CREATE TABLE grantwell_signing_keys (
    id TEXT PRIMARY KEY,
    issuer TEXT NOT NULL,
    -- A private key stands in it as the server encrypted it.
    payload TEXT NOT NULL
) STRICT;
CREATE INDEX grantwell_signing_keys_by_issuer ON grantwell_signing_keys (issuer);

UPDATE grantwell_schema SET version = 2;
