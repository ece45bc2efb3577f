-- The clients, registered by the service itself. `metadata` is JSON by the names of RFC 7591; a secret is long and
-- random, so its SHA-256 is kept (base64url): a slow hash would add nothing.
CREATE TABLE oauth_clients (
    id            TEXT PRIMARY KEY,
    secret_digest TEXT,
    metadata      TEXT NOT NULL
);
-- app-secret-4f1c9e7a2b8d6035
INSERT INTO oauth_clients VALUES ('app', 'NZpgwNwYr8n4O8UpmuvWyaW79qK8it8XV0U_szE1fp0', '{
    "client_name": "The App",
    "redirect_uris": ["http://127.0.0.1/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": "profile"
}');
-- service-secret-93d1f6ab70c2e854
INSERT INTO oauth_clients VALUES ('service', '6uzxbDNJlyZnjr3JSEsFhQRGSTDF6Otc03Qdo-1CNzo', '{
    "grant_types": ["client_credentials"],
    "scope": "profile"
}');

-- The columns of `grantwell::model::Row`, and one for what happened to the record. A second token of the same `id` is an
-- error; a second authorization or code is ignored.
CREATE TABLE oauth_authorizations (
    id TEXT PRIMARY KEY ON CONFLICT IGNORE, authorization TEXT, client TEXT NOT NULL, subject TEXT, session TEXT,
    expires_at INTEGER, payload TEXT NOT NULL, revoked BOOLEAN NOT NULL DEFAULT FALSE
);
-- A code's `expires_at` is its `retain_until`: a consumed code stays until then.
CREATE TABLE oauth_codes (
    id TEXT PRIMARY KEY ON CONFLICT IGNORE, authorization TEXT, client TEXT NOT NULL, subject TEXT, session TEXT,
    expires_at INTEGER, payload TEXT NOT NULL, consumed BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE TABLE oauth_access_tokens (
    id TEXT PRIMARY KEY, authorization TEXT, client TEXT NOT NULL, subject TEXT, session TEXT,
    expires_at INTEGER, payload TEXT NOT NULL, revoked BOOLEAN NOT NULL DEFAULT FALSE
);
-- Empty until the service has the refresh_token grant.
CREATE TABLE oauth_refresh_tokens (
    id TEXT PRIMARY KEY, authorization TEXT, client TEXT NOT NULL, subject TEXT, session TEXT,
    expires_at INTEGER, payload TEXT NOT NULL
);

-- Whatever belongs to an authorization counts only while that stands.
CREATE VIEW oauth_standing AS SELECT * FROM oauth_authorizations WHERE NOT revoked;
CREATE VIEW oauth_standing_codes AS
    SELECT c.id, c.payload, c.consumed FROM oauth_codes c JOIN oauth_standing a ON a.id = c.authorization;
CREATE VIEW oauth_standing_tokens AS
    SELECT t.id, t.expires_at, t.payload, a.subject, a.payload AS authorization_payload
    FROM oauth_access_tokens t LEFT JOIN oauth_standing a ON a.id = t.authorization
    WHERE NOT t.revoked AND (t.authorization IS NULL OR a.id IS NOT NULL);
