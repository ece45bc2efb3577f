CREATE TABLE grantwell_signing_keys (
    id TEXT COLLATE "C" PRIMARY KEY,
    issuer TEXT COLLATE "C" NOT NULL,
    -- A private key stands in it as the server encrypted it.
    payload TEXT NOT NULL
);
CREATE INDEX ON grantwell_signing_keys (issuer);

UPDATE grantwell_schema SET version = 2;
