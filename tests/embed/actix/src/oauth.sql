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
    "scope": "profile"
}');
-- service-secret-93d1f6ab70c2e854
INSERT INTO oauth_clients VALUES ('service', '6uzxbDNJlyZnjr3JSEsFhQRGSTDF6Otc03Qdo-1CNzo', '{
    "grant_types": ["client_credentials"],
    "scope": "profile"
}');

-- This service has no hook that revokes, so it needs no table of authorizations: a code's payload has the whole
-- authorization, and a token's row says whose it is.
CREATE TABLE oauth_codes (
    id           TEXT PRIMARY KEY,
    retain_until INTEGER NOT NULL,
    payload      TEXT NOT NULL,
    consumed     BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE TABLE oauth_access_tokens (
    id         TEXT PRIMARY KEY,
    user       TEXT,
    expires_at INTEGER NOT NULL,
    payload    TEXT NOT NULL
);
