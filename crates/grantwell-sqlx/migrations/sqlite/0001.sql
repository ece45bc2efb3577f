CREATE TABLE grantwell_clients (
    id TEXT PRIMARY KEY,
    payload TEXT NOT NULL
) STRICT;

CREATE TABLE grantwell_authorizations (
    id TEXT PRIMARY KEY,
    client TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- The login session whose end ends it (the host says when); NULL with offline_access.
    session TEXT,
    expires_at INTEGER NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0,
    payload TEXT NOT NULL
) STRICT;
CREATE INDEX grantwell_authorizations_by_client ON grantwell_authorizations (client);
CREATE INDEX grantwell_authorizations_by_subject_client ON grantwell_authorizations (subject, client);
CREATE INDEX grantwell_authorizations_by_session ON grantwell_authorizations (session) WHERE session IS NOT NULL;
CREATE INDEX grantwell_authorizations_by_expires_at ON grantwell_authorizations (expires_at);

CREATE TABLE grantwell_codes (
    id TEXT PRIMARY KEY,
    authorization_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed INTEGER NOT NULL DEFAULT 0,
    payload TEXT NOT NULL
) STRICT;
CREATE INDEX grantwell_codes_by_expires_at ON grantwell_codes (expires_at);

CREATE TABLE grantwell_access_tokens (
    id TEXT PRIMARY KEY,
    authorization_id TEXT,
    client TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0,
    payload TEXT NOT NULL
) STRICT;
-- What a client has for itself is found by the client.
CREATE INDEX grantwell_access_tokens_by_client ON grantwell_access_tokens (client) WHERE authorization_id IS NULL;
CREATE INDEX grantwell_access_tokens_by_expires_at ON grantwell_access_tokens (expires_at);

CREATE TABLE grantwell_refresh_tokens (
    id TEXT PRIMARY KEY,
    authorization_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    payload TEXT NOT NULL
) STRICT;
CREATE INDEX grantwell_refresh_tokens_by_expires_at ON grantwell_refresh_tokens (expires_at);

CREATE TABLE grantwell_consents (
    id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    client TEXT NOT NULL,
    payload TEXT NOT NULL
) STRICT;
CREATE INDEX grantwell_consents_by_subject_client ON grantwell_consents (subject, client);

CREATE TABLE grantwell_claims (
    id TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX grantwell_claims_by_expires_at ON grantwell_claims (expires_at);

CREATE TABLE grantwell_schema (version INTEGER NOT NULL) STRICT;
INSERT INTO grantwell_schema (version) VALUES (1);
