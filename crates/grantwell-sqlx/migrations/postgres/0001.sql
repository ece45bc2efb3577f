-- Digests and identifiers are compared byte by byte, whatever the database's collation.

CREATE TABLE grantwell_clients (
    id TEXT COLLATE "C" PRIMARY KEY,
    payload TEXT NOT NULL
);

CREATE TABLE grantwell_authorizations (
    id TEXT COLLATE "C" PRIMARY KEY,
    client TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    -- The login session whose end ends it (the host says when); NULL with offline_access.
    session TEXT COLLATE "C",
    expires_at BIGINT NOT NULL,
    revoked BOOLEAN NOT NULL DEFAULT FALSE,
    payload TEXT NOT NULL
);
CREATE INDEX ON grantwell_authorizations (client);
CREATE INDEX ON grantwell_authorizations (subject, client);
CREATE INDEX ON grantwell_authorizations (session) WHERE session IS NOT NULL;
CREATE INDEX ON grantwell_authorizations (expires_at);

CREATE TABLE grantwell_codes (
    id TEXT COLLATE "C" PRIMARY KEY,
    authorization_id TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed BOOLEAN NOT NULL DEFAULT FALSE,
    payload TEXT NOT NULL
);
CREATE INDEX ON grantwell_codes (expires_at);

CREATE TABLE grantwell_access_tokens (
    id TEXT COLLATE "C" PRIMARY KEY,
    authorization_id TEXT COLLATE "C",
    client TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked BOOLEAN NOT NULL DEFAULT FALSE,
    payload TEXT NOT NULL
);
-- What a client has for itself is found by the client.
CREATE INDEX ON grantwell_access_tokens (client) WHERE authorization_id IS NULL;
CREATE INDEX ON grantwell_access_tokens (expires_at);

CREATE TABLE grantwell_refresh_tokens (
    id TEXT COLLATE "C" PRIMARY KEY,
    authorization_id TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX ON grantwell_refresh_tokens (expires_at);

CREATE TABLE grantwell_consents (
    id TEXT COLLATE "C" PRIMARY KEY,
    subject TEXT COLLATE "C" NOT NULL,
    client TEXT COLLATE "C" NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX ON grantwell_consents (subject, client);

CREATE TABLE grantwell_claims (
    id TEXT COLLATE "C" PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX ON grantwell_claims (expires_at);

CREATE TABLE grantwell_schema (version BIGINT NOT NULL);
INSERT INTO grantwell_schema (version) VALUES (1);
